package adapters_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/adapters"
)

// headings are the sections of every adapter's README, in this order.
var headings = []string{
	"What it syncs", "Credentials and scopes", "Sample", "Limits and batching", "Keyed, found or blind",
	"Error mapping", "Quirks", "How it was verified",
}

var heading = regexp.MustCompile(`(?m)^## (.+)$`)

// TestEveryAdapterReadsAlike lets whoever knows one adapter walk any other.
func TestEveryAdapterReadsAlike(t *testing.T) {
	t.Parallel()
	for name := range adapters.All() {
		for _, file := range []string{"adapter.go", "client.go", "config.go", "README.md", "sample.yaml", "suite_test.go"} {
			if _, err := os.Stat(filepath.Join(name, file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		readme, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			continue
		}
		var got []string
		for _, m := range heading.FindAllStringSubmatch(string(readme), -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, headings) {
			t.Errorf("%s/README.md has the headings %q, want %q", name, got, headings)
		}
	}
}

var (
	link = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	code = regexp.MustCompile("`([A-Z][A-Za-z]+)(: [A-Z][a-z]+)?`")
)

// TestTheGuideIsTrue holds docs/adapters.md against the code: what it links to
// exists, and what it names is declared.
func TestTheGuideIsTrue(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/adapters.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range link.FindAllStringSubmatch(string(guide), -1) {
		if _, err := os.Stat(filepath.Join("../docs", m[1])); err != nil {
			t.Errorf("docs/adapters.md links to %s: %v", m[1], err)
		}
	}
	declared := source(t, "../connector/adapter.go", "../connector/change.go", "../connector/error.go",
		"internal/httpapi/client.go", "internal/httpapi/request.go")
	for _, m := range code.FindAllStringSubmatch(string(guide), -1) {
		for _, name := range []string{m[1], strings.TrimPrefix(m[2], ": ")} {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(declared) {
				t.Errorf("docs/adapters.md names %s, which the contract and httpapi do not have", name)
			}
		}
	}
}

func source(t *testing.T, files ...string) string {
	t.Helper()
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
