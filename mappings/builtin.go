package mappings

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.yaml
var shipped embed.FS

// Builtin gives the source of a mapping that ships inside, by its name.
func Builtin(name string) ([]byte, bool) {
	if !slices.Contains(BuiltinNames(), name) {
		return nil, false
	}
	b, err := shipped.ReadFile(name + ".yaml")
	return b, err == nil
}

// BuiltinNames lists the mappings that ship inside.
func BuiltinNames() []string {
	entries, err := shipped.ReadDir(".")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	return names
}
