package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a configuration file.
const maxFile = 4 << 20

// Load reads a configuration file with the process's environment. See [Parse].
func Load(path string) (*Config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %s", readError(err))
	}
	return Parse(path, src, os.LookupEnv)
}

// Parse reads a configuration. The name is the file's, for errors and because
// relative paths start there. The error is [Problems], all that is wrong; beside
// it the configuration is given as far as it could be read, fit to look for
// further mistakes in, such as [Config.CheckAdapters] does, and for nothing else.
func Parse(name string, src []byte, lookupEnv func(string) (string, bool)) (*Config, error) {
	d := newDecoder(name)
	root := d.document(src)
	if root == nil {
		return nil, d.problems.err()
	}
	c := Default()
	d.expandAll(root, lookupEnv)
	c.locate(d.origin.at(root), nil)
	d.value(root, reflect.ValueOf(c).Elem(), 0)
	c.complete(d.origin)
	check(c, d.origin, &d.problems)
	return c, d.problems.err()
}

func newDecoder(name string) *decoder {
	return &decoder{origin: origin{file: name, written: map[*yaml.Node]string{}}}
}

// document gives the one YAML document of a file; an empty file is an empty one.
func (d *decoder) document(src []byte) *yaml.Node {
	start := Position{File: d.origin.file, Line: 1, Column: 1}
	if len(src) > maxFile {
		d.problems.add(start, "", "the file is larger than %d MiB", maxFile>>20)
		return nil
	}
	var first, second yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(src))
	switch err := reader.Decode(&first); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(err)
		return nil
	default:
		d.problems.add(d.origin.at(&second), "leave one", "the file holds more than one document")
	}
	if isNull(first.Content[0]) {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	}
	return first.Content[0]
}

// syntax notes that a file is not YAML, at the line that the reader names.
func (d *decoder) syntax(err error) {
	at := Position{File: d.origin.file, Line: 1}
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			at.Line, what = line, text
		}
	}
	if strings.Contains(what, "anchor") { // It would name what may be a secret.
		what = "an unquoted * or & does not begin a value; put the value in quotes"
	}
	d.problems.add(at, "look at the colons, the quotes and the indentation, which is made of spaces, here and in the line before", "not YAML: %s", what)
}

// withoutPath says why a file can't be read, and not which: people write secrets
// where the name of their file belongs.
func withoutPath(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return "no such file"
}

// readError says why a file can't be read, without the name of the system call.
func readError(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Sprintf("read %s: %v", path.Path, path.Err)
	}
	return err.Error()
}

// complete fills in the defaults that depend on other keys and makes paths
// relative to the file.
func (c *Config) complete(o origin) {
	c.Data = o.beside(c.Data)
	c.TLS.CertFile = o.beside(c.TLS.CertFile)
	c.TLS.KeyFile = o.beside(c.TLS.KeyFile)
	if c.TLS.ACME.Cache == "" {
		c.TLS.ACME.Cache = filepath.Join(c.Data, "acme")
	} else {
		c.TLS.ACME.Cache = o.beside(c.TLS.ACME.Cache)
	}
	for _, b := range c.All() {
		for i := range b.Sources {
			if s := &b.Sources[i]; s.Name == "" {
				s.Name = strings.ReplaceAll(strings.Trim(s.Path, "/"), "/", "-")
			}
		}
		for i := range b.Destinations {
			b.Destinations[i].complete(o)
		}
	}
}

func (d *Destination) complete(o origin) {
	if d.Name == "" {
		d.Name = d.Adapter
	}
	if !strings.HasPrefix(d.Mapping, BuiltinMapping) {
		d.Mapping = o.beside(d.Mapping)
	}
	if d.Settings.at == (Position{}) {
		d.Settings.at = d.self
	}
}

// BuiltinMapping begins the name of a mapping that ships inside the program.
const BuiltinMapping = "builtin:"
