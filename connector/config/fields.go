package config

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// fieldSet is what a struct takes, by key.
type fieldSet struct {
	values map[string]reflect.Value
	enums  map[string]string
	// files leads from k_file to the secret k.
	files map[string]string
}

// names gives every key that the struct takes.
func (f fieldSet) names() []string {
	return slices.Sorted(keysOf(f.values, f.files))
}

func keysOf(values map[string]reflect.Value, files map[string]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range maps.Keys(values) {
			if !yield(k) {
				return
			}
		}
		for k := range maps.Keys(files) {
			if !yield(k) {
				return
			}
		}
	}
}

// fieldsOf reads the yaml tags of a struct; structs tagged inline give their
// keys to the struct that holds them.
func fieldsOf(v reflect.Value) fieldSet {
	f := fieldSet{values: map[string]reflect.Value{}, enums: map[string]string{}, files: map[string]string{}}
	f.collect(v)
	return f
}

func (f fieldSet) collect(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, inline := keyOf(field)
		switch {
		case inline && v.Field(i).Kind() == reflect.Struct:
			f.collect(v.Field(i))
		case name == "":
		default:
			f.values[name] = v.Field(i)
			f.enums[name] = field.Tag.Get("enum")
			if field.Type == secretType || field.Type == secretsType {
				f.files[name+"_file"] = name
			}
		}
	}
}

// keyOf gives a field's key, empty when the file can't give it.
func keyOf(field reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	switch {
	case !field.IsExported() || name == "-":
		return "", false
	case strings.Contains(options, "inline"):
		return "", true
	case name == "":
		return strings.ToLower(field.Name), false
	}
	return name, false
}

// pairs gives a mapping's keys and values in order.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func hasKey(n *yaml.Node, name string) bool {
	for key := range pairs(n) {
		if key.Value == name {
			return true
		}
	}
	return false
}
