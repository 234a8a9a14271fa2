package config

import (
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the files that are made from the types")

// updateCommand is what mends a stale file.
const updateCommand = "go test ./connector/config -run TestGenerated -update"

// key is one key of the configuration, as its type, tags and comment say it.
type key struct {
	name    string
	path    string
	doc     string
	enum    []string
	value   reflect.Value
	element reflect.Type // The struct of a list or part, else nil.
}

// keysOfType lists the keys of a struct value that holds its defaults.
func keysOfType(v reflect.Value, prefix string, docs map[string]string) []key {
	var keys []key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _ := keyOf(field)
		if name == "" {
			continue
		}
		k := key{name: name, path: prefix + name, doc: docs[v.Type().Name()+"."+field.Name], value: v.Field(i)}
		if enum := field.Tag.Get("enum"); enum != "" {
			k.enum = strings.Split(enum, ",")
		}
		if t := field.Type; t.Kind() == reflect.Struct && t != settingsType {
			k.element = t
		} else if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			k.element = t.Elem()
		}
		keys = append(keys, k)
	}
	return keys
}

// inside gives the value whose fields are the keys below k, with its defaults.
func (k key) inside() (v reflect.Value, prefix string) {
	if k.value.Kind() == reflect.Struct {
		return k.value, k.path + "."
	}
	element := reflect.New(k.element)
	if d, ok := reflect.TypeAssert[defaulter](element); ok {
		d.setDefaults()
	}
	return element.Elem(), k.path + "[]."
}

// defaultText gives a key's default as a file would have it, empty for none.
func (k key) defaultText() string {
	if k.value.IsZero() || k.element != nil {
		return ""
	}
	switch v := k.value.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case *time.Location:
		return v.String()
	case encoding.TextMarshaler:
		text, _ := v.MarshalText()
		return string(text)
	}
	return fmt.Sprint(k.value.Interface())
}

// kind says in a word what a key takes.
func (k key) kind() string {
	switch t := k.value.Type(); {
	case len(k.enum) > 0:
		return strings.Join(k.enum, ", ")
	case t == secretType:
		return "secret"
	case t == secretsType:
		return "list of secrets"
	case t == durationType:
		return "duration"
	case t == locationType:
		return "time zone"
	case t == reflect.TypeFor[Size]():
		return "size"
	case t == reflect.TypeFor[Percent]():
		return "percentage"
	case t == settingsType:
		return "the adapter's keys"
	case t.Kind() == reflect.Struct:
		return "keys"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}

// docsOf reads the comments of the fields of config.go, by Type.Field, and of the
// types, by Type.
func docsOf(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, declaration := range file.Decls {
		d, ok := declaration.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			continue
		}
		spec := d.Specs[0].(*ast.TypeSpec)
		docs[spec.Name.Name] = oneLine(d.Doc.Text())
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				docs[spec.Name.Name+"."+name.Name] = sentence(name.Name, f.Doc.Text())
			}
		}
	}
	return docs
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// sentence turns a Go comment into one that doesn't begin with the Go name.
func sentence(name, doc string) string {
	doc = oneLine(doc)
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return doc
}

func TestGeneratedFiles(t *testing.T) {
	t.Parallel()
	docs := docsOf(t)
	for path, content := range map[string]string{
		"schema.json":                 schemaText(t, docs),
		"../../docs/configuration.md": referenceText(docs),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%s is stale; run: %s", path, updateCommand)
		}
	}
}

const referenceHead = `# Configuration

One YAML file configures the connector. [config.example.yaml](../config.example.yaml) shows
every key in its place; this page is made from the types that read it. ` + "`crm-connector validate`" + `
checks a file and tells all mistakes at once, and ` + "`crm-connector schema config`" + ` prints a
schema with which an editor checks it while you type.

- ` + "`${NAME}`" + ` in a value is replaced from the environment; a variable that is not set is a
  mistake. ` + "`$${`" + ` gives a plain ` + "`${`" + `.
- Every secret can be read from a file: ` + "`secret_file`" + ` in place of ` + "`secret`" + `, and so on. A list of
  secrets is read from a file with one on each line.
- Paths are relative to the configuration file.
- Durations are written like ` + "`500ms`, `60s`, `10m`, `24h` or `30d`, sizes like `3MiB`, percentages like `80%`" + `.
- Names are made of letters, digits, dots, dashes and underscores.
`

// referenceText makes docs/configuration.md.
func referenceText(docs map[string]string) string {
	var out strings.Builder
	out.WriteString(referenceHead)
	seen := map[reflect.Type]string{}
	section(&out, "The file", "", reflect.ValueOf(Default()).Elem(), "", docs, seen)
	return out.String()
}

func section(out *strings.Builder, title, doc string, v reflect.Value, prefix string, docs map[string]string, seen map[reflect.Type]string) {
	seen[v.Type()] = title
	fmt.Fprintf(out, "\n## %s\n\n", title)
	if doc != "" {
		fmt.Fprintf(out, "%s\n\n", doc)
	}
	out.WriteString("| key | takes | default | |\n|---|---|---|---|\n")
	keys := keysOfType(v, prefix, docs)
	for _, k := range keys {
		standard := k.defaultText()
		if standard != "" {
			standard = "`" + standard + "`"
		}
		text := k.doc
		if at := seen[k.element]; k.element != nil && at != "" {
			text += " See [" + at + "](#" + strings.Trim(strings.NewReplacer(".", "", "[]", "", "`", "").Replace(at), " ") + ")."
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", k.name, k.kind(), standard, text)
	}
	for _, k := range keys {
		if k.element != nil && seen[k.element] == "" {
			inner, below := k.inside()
			section(out, "`"+strings.TrimSuffix(below, ".")+"`", docs[k.element.Name()], inner, below, docs, seen)
		}
	}
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var out strings.Builder
	for i, m := range o {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", m.name, value)
	}
	return []byte("{" + out.String() + "}"), nil
}

func schemaText(t *testing.T, docs map[string]string) string {
	t.Helper()
	root := append(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "CRM connector configuration"},
	}, schemaOf(reflect.ValueOf(Default()).Elem(), docs)...)
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func schemaOf(v reflect.Value, docs map[string]string) object {
	var properties object
	for _, k := range keysOfType(v, "", docs) {
		properties = append(properties, member{k.name, schemaOfKey(k, docs)})
		if t := k.value.Type(); t == secretType || t == secretsType {
			properties = append(properties, member{k.name + "_file", object{
				{"type", "string"}, {"description", "A file that holds " + k.name + "."},
			}})
		}
	}
	return object{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}}
}

func schemaOfKey(k key, docs map[string]string) object {
	schema := object{{"description", k.doc}}
	if standard := k.defaultText(); standard != "" {
		schema = append(schema, member{"default", standard})
	}
	fromEnv := object{{"type", "string"}, {"pattern", `\$\{`}}
	switch t := k.value.Type(); {
	case k.element != nil && t.Kind() == reflect.Slice:
		inner, _ := k.inside()
		return append(schema, member{"type", "array"}, member{"items", schemaOf(inner, docs)})
	case k.element != nil:
		inner, _ := k.inside()
		return append(schema, schemaOf(inner, docs)...)
	case t == settingsType:
		return append(schema, member{"type", "object"})
	case len(k.enum) > 0:
		return append(schema, member{"anyOf", []any{object{{"enum", k.enum}}, fromEnv}})
	case t == durationType:
		return append(schema, member{"anyOf", []any{object{{"type", "string"}, {"pattern", `^[0-9.]+(ns|us|ms|s|m|h|d)`}}, fromEnv}})
	case t.Kind() == reflect.Int:
		return append(schema, member{"anyOf", []any{object{{"type", "integer"}}, fromEnv}})
	case t.Kind() == reflect.Slice:
		return append(schema, member{"type", []string{"array", "string"}}, member{"items", object{{"type", []string{"string", "number"}}}})
	}
	return append(schema, member{"type", []string{"string", "number"}})
}

// TestExampleHasEveryKey takes the # from every setting of config.example.yaml:
// it must then hold each key of the types, with its default where it has one.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := regexp.MustCompile(`(?m)^( *)#([a-z-])`).ReplaceAllString(string(src), "$1$2")
	d := newDecoder("config.example.yaml")
	root := d.document([]byte(full))
	if root == nil {
		t.Fatalf("without the #: %v", d.problems)
	}
	c := Default()
	d.value(root, reflect.ValueOf(c).Elem(), 0)
	for _, p := range d.problems {
		if !strings.Contains(p.Text, "are given") && !strings.Contains(p.Text, "no such file") {
			t.Errorf("without the #: %s", p)
		}
	}
	have := map[string]string{}
	collect(root, "", have)
	for _, k := range allKeys(reflect.ValueOf(Default()).Elem(), "", docsOf(t)) {
		got, ok := have[k.path]
		switch want := k.defaultText(); {
		case !ok:
			t.Errorf("config.example.yaml lacks %s", k.path)
		case want != "" && got != want:
			t.Errorf("config.example.yaml has %s: %s, the default is %s", k.path, got, want)
		}
	}
}

// TestExampleLoads loads config.example.yaml as it is.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	lookup := func(name string) (string, bool) { missing = append(missing, name); return "x", true }
	if _, err := Parse("config.example.yaml", src, lookup); err != nil {
		t.Error(err)
	}
	if slices.Sort(missing); !slices.Equal(missing, []string{"AISOULE_SECRET", "SANDBOX_TOKEN"}) {
		t.Errorf("it asks for %v", missing)
	}
}

// allKeys lists every key under a value, but those of a business only once.
func allKeys(v reflect.Value, prefix string, docs map[string]string) []key {
	keys := keysOfType(v, prefix, docs)
	for _, k := range keys {
		if k.element == nil || strings.HasPrefix(k.path, "businesses[].") {
			continue
		}
		inner, below := k.inside()
		keys = append(keys, allKeys(inner, below, docs)...)
	}
	return keys
}

// collect notes the text of every key under a node.
func collect(n *yaml.Node, prefix string, into map[string]string) {
	for k, value := range pairs(n) {
		path := prefix + k.Value
		into[path] = value.Value
		switch value.Kind {
		case yaml.MappingNode:
			collect(value, path+".", into)
		case yaml.SequenceNode:
			for _, item := range value.Content {
				if item.Kind == yaml.MappingNode {
					collect(item, path+"[].", into)
				}
			}
		}
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	t.Parallel()
	for _, k := range allKeys(reflect.ValueOf(Default()).Elem(), "", docsOf(t)) {
		if !strings.HasSuffix(k.doc, ".") {
			t.Errorf("%s has no comment that is a sentence: %q", k.path, k.doc)
		}
	}
}
