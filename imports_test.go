// Package repository holds the tests that speak of the source tree as a whole.
package repository

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/crm-connector/crm-connector"

// edges says which of our packages a package may import, tests aside. Everything
// may point at connector, and connector points at nothing. A new package fails
// the test until it has its line here, and a line whose package is gone fails too.
var edges = map[string][]string{
	"connector": {},

	// The leaves of the engine know the vocabulary alone, or nothing.
	"connector/internal/identity":       {"connector"},
	"connector/internal/retry":          {},
	"connector/internal/webhook":        {"connector", "connector/internal/identity"},
	"connector/internal/webhook/sample": {"connector", "connector/internal/webhook"},
	"connector/internal/journal":        {"connector"},
	"connector/internal/quota":          {"connector", "connector/internal/journal"},
	"connector/internal/fold":           {"connector", "connector/internal/journal"},

	// The journal's keeper: only the composition root and simulations know which.
	"connector/internal/journal/sqlite":         {"connector", "connector/internal/identity", "connector/internal/journal"},
	"connector/internal/journal/sqlite/simdisk": {},
	"connector/internal/journal/journaltest":    {"connector", "connector/internal/journal"},

	// The engine's parts meet at the journal and not at each other.
	"connector/internal/intake": {"connector", "connector/internal/journal", "connector/internal/webhook"},
	"connector/internal/delivery": {
		"connector", "connector/internal/fold", "connector/internal/identity", "connector/internal/journal",
		"connector/internal/quota", "connector/internal/retry", "connector/internal/webhook",
	},
	"connector/internal/console": {"connector", "connector/internal/journal"},
	"connector/internal/simulation": {
		"connector", "connector/internal/delivery", "connector/internal/fold", "connector/internal/intake",
		"connector/internal/journal", "connector/internal/journal/sqlite", "connector/internal/journal/sqlite/simdisk",
		"connector/internal/quota", "connector/internal/retry", "connector/internal/webhook",
		"connector/internal/webhook/sample", "mappings",
	},

	"connector/config": {"connector"},
	"connector/send":   {"connector", "connector/internal/webhook/sample"},
	"connector/trial": {
		"connector", "connector/internal/identity", "connector/internal/webhook", "connector/internal/webhook/sample", "mappings",
	},
	// It works on the program from the outside.
	"connector/torture": {"connector", "connector/internal/webhook/sample"},
	// The composition root is the one place that builds the engine's parts.
	"connector/app": {
		"connector", "connector/config", "connector/internal/console", "connector/internal/delivery",
		"connector/internal/intake", "connector/internal/journal", "connector/internal/journal/sqlite",
		"connector/internal/quota", "connector/internal/retry", "connector/internal/webhook", "mappings",
	},

	"mappings": {"connector"},

	// Vendors never import vendors; what they share is under adapters/internal.
	"adapters":                  {"adapters/sandbox", "connector"},
	"adapters/adaptertest":      {"connector"},
	"adapters/internal/httpapi": {"connector"},
	"adapters/sandbox":          {"adapters/internal/httpapi", "connector"},
	"adapters/sandbox/crm":      {},

	"cmd/crm-connector": {
		"adapters", "adapters/sandbox/crm", "connector", "connector/app", "connector/config", "connector/send",
		"connector/torture", "connector/trial", "mappings",
	},
}

// forTests are modules that must not reach the binary.
var forTests = []string{"github.com/google/go-cmp", "github.com/jarcoal/httpmock", "github.com/rogpeppe/go-internal", "testing"}

// mayTest are the packages that exist for tests and so may import what they use.
var mayTest = []string{
	"adapters/adaptertest", "connector/internal/journal/journaltest", "connector/internal/journal/sqlite/simdisk",
	"connector/internal/simulation",
}

func TestImports(t *testing.T) {
	t.Parallel()
	found := importsOf(t)
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		allowed, known := edges[pkg]
		if !known {
			t.Errorf("%s has no line in imports_test.go; add one that says what it may import", pkg)
			continue
		}
		for _, imported := range found[pkg] {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case isOurs && !slices.Contains(allowed, ours):
				t.Errorf("%s imports %s, which imports_test.go does not allow", pkg, ours)
			case isForTests(imported) && !slices.Contains(mayTest, pkg):
				t.Errorf("%s imports %s outside its tests", pkg, imported)
			}
		}
	}
	for pkg := range edges {
		if _, exists := found[pkg]; !exists {
			t.Errorf("imports_test.go has a line for %s, which does not exist", pkg)
		}
	}
}

func isForTests(imported string) bool {
	return slices.ContainsFunc(forTests, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

// importsOf reads the imports of every package, without those of its tests.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		imports, err := importsOfFile(file)
		pkg := path.Dir(filepath.ToSlash(file))
		found[pkg] = append(found[pkg], imports...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func importsOfFile(file string) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("read the imports of %s: %w", file, err)
	}
	imports := make([]string, len(parsed.Imports))
	for i, spec := range parsed.Imports {
		if imports[i], err = strconv.Unquote(spec.Path.Value); err != nil {
			return nil, fmt.Errorf("read the imports of %s: %w", file, err)
		}
	}
	return imports, nil
}
