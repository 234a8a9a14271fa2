package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/connector"
)

// origin is where nodes come from, and what a person may see of them.
type origin struct {
	file string
	// written is the text of values that came from the environment, as the file
	// has it: their content must not get into an error.
	written map[*yaml.Node]string
}

func (o origin) at(n *yaml.Node) Position {
	return Position{File: o.file, Line: n.Line, Column: n.Column}
}

// show gives a value as an error may repeat it.
func (o origin) show(n *yaml.Node) string {
	text, fromEnv := o.written[n]
	if !fromEnv {
		text = n.Value
	}
	return quote(text)
}

// quote gives the beginning of a text in quotes.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		text = string(runes[:40]) + "…"
	}
	return strconv.Quote(text)
}

// beside gives a path as it is meant: relative to the file that names it.
func (o origin) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(o.file), path)
}

// expandAll replaces ${NAME} in every value under a node. Keys stay as they are.
func (d *decoder) expandAll(n *yaml.Node, lookupEnv func(string) (string, bool)) {
	switch n.Kind {
	case yaml.ScalarNode:
		d.expandNode(n, lookupEnv)
	case yaml.MappingNode:
		for _, value := range pairs(n) {
			d.expandAll(value, lookupEnv)
		}
	default:
		for _, item := range n.Content {
			d.expandAll(item, lookupEnv)
		}
	}
}

func (d *decoder) expandNode(n *yaml.Node, lookupEnv func(string) (string, bool)) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	written := n.Value
	text, err := expand(n.Value, lookupEnv)
	if err != nil {
		what, hint, _ := strings.Cut(err.Error(), "; ")
		d.problems.add(d.origin.at(n), hint, "%s", what)
		return
	}
	n.Value = text
	d.origin.written[n] = written
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		n.Tag = "" // What it is depends on the content: a number, say.
	}
}

// expand replaces ${NAME} by the environment's value and $${ by a plain ${.
func expand(text string, lookupEnv func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = after
			continue
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed || !isEnvName(name) {
			return "", fmt.Errorf("${ must be followed by a variable's name and }; write $${ for a plain ${")
		}
		value, ok := lookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set; set it, or write $${ for a plain ${", name)
		}
		out.WriteString(before + value)
		text = rest
	}
}

func isEnvName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// secretFile reads a secret, or one on each line, from the file that a k_file
// key names.
func (d *decoder) secretFile(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.wrongKind(n, "the name of a file")
		return
	}
	content, err := os.ReadFile(d.origin.beside(n.Value))
	if err != nil {
		d.problems.add(d.origin.at(n), "write the secret into that file, or name another; paths are relative to the configuration", "the file can't be read: %s", withoutPath(err))
		return
	}
	lines := strings.Fields(string(content))
	switch {
	case len(lines) == 0:
		d.problems.add(d.origin.at(n), "write the secret into it", "the file %s is empty", d.origin.show(n))
	case v.Type() == secretsType:
		secrets := make([]connector.Secret, len(lines))
		for i, line := range lines {
			secrets[i] = connector.Secret(line)
		}
		v.Set(reflect.ValueOf(secrets))
	default:
		v.SetString(strings.TrimRight(string(content), "\r\n"))
	}
}
