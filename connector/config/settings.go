package config

import (
	"reflect"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/connector"
)

// Settings is the part of a destination that only its adapter understands.
type Settings struct {
	origin origin
	node   *yaml.Node
	at     Position
}

var _ connector.Settings = Settings{}

// Decode fills the struct that into points at. Its error is [Problems]: every
// unknown key and wrong value, with its place. What the struct holds already are
// the defaults. Fields of type connector.Secret named k can be given as k_file;
// a tag like enum:"a,b" bounds a string to these words.
func (s Settings) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return Problems{{Position: s.at, Text: "the adapter decodes its settings into no struct"}}
	}
	if s.node == nil {
		return nil
	}
	d := &decoder{origin: s.origin}
	d.value(s.node, v.Elem(), 0)
	return d.problems.err()
}

// place gives where a key's value stands, or where the settings do.
func (s Settings) place(name string) Position {
	if s.node != nil {
		for key, value := range pairs(s.node) {
			if key.Value == name {
				return s.origin.at(value)
			}
		}
	}
	return s.at
}

// ParseSettings reads settings that stand in a file of their own, as tests and
// samples have them. The environment is looked up with lookupEnv.
func ParseSettings(name string, src []byte, lookupEnv func(string) (string, bool)) (Settings, error) {
	d := newDecoder(name)
	root := d.document(src)
	if root == nil {
		return Settings{}, d.problems.err()
	}
	d.expandAll(root, lookupEnv)
	return Settings{origin: d.origin, node: root, at: d.origin.at(root)}, d.problems.err()
}
