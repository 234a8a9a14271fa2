package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/connector"
)

// maxDepth and maxNodes bound what one file may unfold to: aliases can repeat
// each other.
const (
	maxDepth = 64
	maxNodes = 200_000
)

// decoder fills values from nodes by their yaml tags and notes every mistake on
// the way. Where something is wrong the value keeps its default.
type decoder struct {
	origin   origin
	problems Problems
	nodes    int
}

// defaulter is a part that has defaults of its own, for each element of a list.
type defaulter interface{ setDefaults() }

// locatable is a part that wants to know where it was written.
type locatable interface {
	locate(self Position, keys map[string]Position)
}

var (
	secretType   = reflect.TypeFor[connector.Secret]()
	secretsType  = reflect.TypeFor[[]connector.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	locationType = reflect.TypeFor[*time.Location]()
	settingsType = reflect.TypeFor[Settings]()
	nodeType     = reflect.TypeFor[yaml.Node]()
)

// value fills v from a node. Where the node is empty v stays as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, depth int) {
	if n = d.follow(n, depth); n == nil || isNull(n) || v.Type() == secretType && d.misread(n) {
		return
	}
	switch v.Type() {
	case settingsType:
		v.Set(reflect.ValueOf(Settings{origin: d.origin, node: n, at: d.origin.at(n)}))
		return
	case nodeType:
		v.Set(reflect.ValueOf(*n))
		return
	}
	if u, ok := reflect.TypeAssert[yaml.Unmarshaler](v.Addr()); ok {
		d.outside(n, u.UnmarshalYAML(n))
		return
	}
	if d.isText(v) {
		d.scalar(n, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), depth)
	case reflect.Struct:
		d.structure(n, v, depth)
	case reflect.Slice:
		d.list(n, v, depth)
	case reflect.Map:
		d.dictionary(n, v, depth)
	case reflect.Interface:
		d.outside(n, n.Decode(v.Addr().Interface()))
	default:
		d.scalar(n, v)
	}
}

// misread notes a secret of which YAML would take a part for something else.
func (d *decoder) misread(n *yaml.Node) bool {
	before := len(d.problems)
	_, fromEnv := d.origin.written[n]
	plain := n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"):
		d.problems.add(d.origin.at(n), "put the secret in quotes", "the secret begins with a !, which YAML takes for a tag")
	case plain && !fromEnv && n.LineComment != "":
		d.problems.add(d.origin.at(n), "put the secret in quotes, or the comment on a line of its own", "a comment follows the secret, or is part of it")
	}
	return len(d.problems) > before
}

// follow resolves aliases, and gives nil where the file unfolds to too much.
func (d *decoder) follow(n *yaml.Node, depth int) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.nodes++
	if depth > maxDepth || d.nodes > maxNodes {
		if d.nodes < 2*maxNodes {
			d.problems.add(d.origin.at(n), "", "the file is nested too deeply or repeats itself too often")
			d.nodes = 2 * maxNodes
		}
		return nil
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (d *decoder) isText(v reflect.Value) bool {
	if v.Type() == locationType || v.Type() == secretType || v.Type() == durationType {
		return true
	}
	_, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	return ok
}

// outside notes the mistake that a type's own decoding found.
func (d *decoder) outside(n *yaml.Node, err error) {
	if _, ok := errors.AsType[*yaml.TypeError](err); ok { // It would show the value.
		d.problems.add(d.origin.at(n), "", "the value is of another kind than expected")
	} else if err != nil {
		d.problems.add(d.origin.at(n), "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
}

// structure fills a struct's fields, and its locations.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, "keys with values")
		return
	}
	fields := fieldsOf(v)
	places := map[string]Position{}
	given := map[string]bool{}
	for key, value := range pairs(n) {
		switch name := key.Value; {
		case given[name]:
			d.problems.add(d.origin.at(key), "keep one of them", "the key %q is given twice", name)
		case fields.values[name].IsValid():
			places[name] = d.origin.at(value)
			d.field(value, fields, name, places, depth)
		case fields.files[name] != "":
			secret := fields.files[name]
			if given[secret] || hasKey(n, secret) {
				d.problems.add(d.origin.at(key), "keep one of them", "both %q and %q are given", secret, name)
			}
			places[secret] = d.origin.at(value)
			d.secretFile(value, fields.values[secret])
		default:
			d.unknown(key, fields, places)
		}
		given[key.Value] = true
	}
	if l, ok := reflect.TypeAssert[locatable](v.Addr()); ok {
		l.locate(d.origin.at(n), places)
	}
}

// field fills one field and checks it against its enum tag.
func (d *decoder) field(n *yaml.Node, fields fieldSet, name string, places map[string]Position, depth int) {
	v := fields.values[name]
	before := len(d.problems)
	d.value(n, v, depth+1)
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			places[fmt.Sprintf("%s[%d]", name, i)] = d.origin.at(item)
		}
	}
	enum := fields.enums[name]
	if enum == "" || len(d.problems) > before || v.Kind() != reflect.String || v.String() == "" {
		return
	}
	if choices := strings.Split(enum, ","); !slices.Contains(choices, v.String()) {
		d.problems.add(d.origin.at(n), suggest(v.String(), choices), "%s is no %s", d.origin.show(n), name)
	}
}

// unknown notes a key that nothing knows. The key that was probably meant counts
// as given, so that nobody complains of its absence as well.
func (d *decoder) unknown(key *yaml.Node, fields fieldSet, places map[string]Position) {
	known := fields.names()
	if meant := nearest(key.Value, known); meant != "" {
		for _, name := range []string{meant, strings.TrimSuffix(meant, "_file")} {
			if _, given := places[name]; !given {
				places[name] = d.origin.at(key)
			}
		}
	}
	hint := suggest(key.Value, known)
	if key.Value == "<<" {
		hint = "write the keys out; merging is not supported"
	}
	d.problems.add(d.origin.at(key), hint, "unknown key %q", key.Value)
}

func (d *decoder) wrongKind(n *yaml.Node, want string) {
	hint := "write it after the colon"
	switch want {
	case "keys with values":
		hint = "write each as key: value, indented below"
	case "a list":
		hint = "write [a, b], or each on a line of its own that begins with -"
	}
	got := "a value"
	switch n.Kind {
	case yaml.MappingNode:
		got = "keys with values"
	case yaml.SequenceNode:
		got = "a list"
	}
	d.problems.add(d.origin.at(n), hint, "here must be %s, not %s", want, got)
}

// list fills a slice. One scalar counts as a list of one.
func (d *decoder) list(n *yaml.Node, v reflect.Value, depth int) {
	items := n.Content
	if n.Kind == yaml.ScalarNode && v.Type().Elem().Kind() == reflect.String {
		items = []*yaml.Node{n}
	} else if n.Kind != yaml.SequenceNode {
		d.wrongKind(n, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		element := out.Index(i)
		if f, ok := reflect.TypeAssert[defaulter](element.Addr()); ok {
			f.setDefaults()
		}
		if l, ok := reflect.TypeAssert[locatable](element.Addr()); ok {
			l.locate(d.origin.at(item), nil)
		}
		d.value(item, element, depth+1)
	}
	v.Set(out)
}

// dictionary fills a map with string keys.
func (d *decoder) dictionary(n *yaml.Node, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode || v.Type().Key().Kind() != reflect.String {
		d.wrongKind(n, "keys with values")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for key, value := range pairs(n) {
		name := reflect.ValueOf(key.Value).Convert(v.Type().Key())
		if out.MapIndex(name).IsValid() {
			d.problems.add(d.origin.at(key), "keep one of them", "the key %q is given twice", key.Value)
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if f, ok := reflect.TypeAssert[defaulter](element.Addr()); ok {
			f.setDefaults()
		}
		d.value(value, element, depth+1)
		out.SetMapIndex(name, element)
	}
	v.Set(out)
}

// scalar fills a value that is written as one word or text.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.wrongKind(n, "one value")
		return
	}
	if err := setScalar(n.Value, v); err != nil {
		what, hint, _ := strings.Cut(err.Error(), "; ")
		shown := d.origin.show(n)
		if v.Type() == secretType {
			shown = "the secret"
		}
		d.problems.add(d.origin.at(n), hint, "%s %s", shown, what)
	}
}

// setScalar sets v from its text. Its errors go on after the value: "is no …".
func setScalar(text string, v reflect.Value) error {
	switch v.Type() {
	case secretType:
		// Whoever fills a variable from a file brings the end of the line along.
		v.SetString(strings.TrimRight(text, "\r\n"))
		return nil
	case durationType:
		duration, err := parseDuration(text)
		if err == nil {
			v.SetInt(int64(duration))
		}
		return err
	case locationType:
		zone, err := time.LoadLocation(text)
		if err != nil || text == "Local" {
			return fmt.Errorf("is no time zone; write it like Asia/Kolkata, Europe/Berlin or UTC")
		}
		v.Set(reflect.ValueOf(zone))
		return nil
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text))
	}
	return setPlain(text, v)
}

func setPlain(text string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("is neither true nor false; write true or false")
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is no whole number in range")
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is no whole number in range")
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is no number")
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("has no place in a %s", v.Type())
	}
	return nil
}
