package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
)

// env makes a look-up of a few variables.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func mustParse(t *testing.T, src string, lookup func(string) (string, bool)) *config.Config {
	t.Helper()
	c, err := config.Parse("c.yaml", []byte(src), lookup)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return c
}

const smallest = `
sources: [{secret: s3cret}]
destinations: [{adapter: sandbox}]
`

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := mustParse(t, smallest, env())
	businesses := c.All()
	if len(businesses) != 1 || businesses[0].Name != "main" {
		t.Fatalf("businesses = %+v, want the one called main", businesses)
	}
	s, d := businesses[0].Sources[0], businesses[0].Destinations[0]
	got := map[string]any{
		"listen": c.Listen, "admin": c.Admin.Listen, "data": c.Data, "level": c.Log.Level,
		"source": s.Name, "path": s.Path, "limit": int64(c.BodyLimit),
		"destination": d.Name, "mapping": d.Mapping, "fresh": d.FreshWithin, "zone": d.Timezone.String(),
		"tls": c.TLS.Enabled(),
	}
	want := map[string]any{
		"listen": ":8080", "admin": "127.0.0.1:8090", "data": "data", "level": "info",
		"source": "webhook", "path": "/webhook", "limit": int64(3 << 20),
		"destination": "sandbox", "mapping": "builtin:support-desk", "fresh": time.Minute, "zone": "UTC",
		"tls": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "from-a-file\n")
	write(t, filepath.Join(dir, "more"), "one\ntwo\n")
	src := `
listen: 127.0.0.1:${PORT}
body_limit: 512KiB
tls: {acme: {domains: connector.example.com, email: ops@example.com}}
data: /var/lib/x
businesses:
  - name: acme
    sources:
      - {name: a, path: /a, secret_file: secret, account: +15550199999}
      - {name: b, path: /b, secrets_file: more}
    destinations:
      - name: crm
        adapter: sandbox
        mapping: rules/a.yaml
        sources: [a]
        fresh_within: 90s
        timezone: Asia/Kolkata
        quota: {share: 50%, windows: [{calls: 100, per: 10s}, {calls: 250001, per: 1d}]}
  - name: other
    sources: [{name: c, path: /c, secrets: [x, "$${y}"]}]
    destinations: [{name: crm2, adapter: sandbox}]
`
	c, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(src), env("PORT", "9000"))
	if err != nil {
		t.Fatal(err)
	}
	acme, other := c.All()[0], c.All()[1]
	if got := acme.Sources[0].Secret.Reveal(); got != "from-a-file" {
		t.Errorf("secret_file gave %q", got)
	}
	if got := len(acme.Sources[1].Keys()); got != 2 {
		t.Errorf("secrets_file gave %d secrets, want one a line", got)
	}
	if got := other.Sources[0].Keys()[1].Reveal(); got != "${y}" {
		t.Errorf("$${ gave %q, want a plain ${", got)
	}
	if c.Listen != "127.0.0.1:9000" || acme.Sources[0].Account != "+15550199999" {
		t.Errorf("listen %q, account %q", c.Listen, acme.Sources[0].Account)
	}
	d := acme.Destinations[0]
	if want := filepath.Join(dir, "rules/a.yaml"); d.Mapping != want {
		t.Errorf("mapping %q, want it beside the file: %q", d.Mapping, want)
	}
	limits := d.Quota.Limits([]connector.Window{{Calls: 1, Per: time.Second}})
	want := []connector.Window{{Calls: 50, Per: 10 * time.Second}, {Calls: 125000, Per: 24 * time.Hour}}
	if diff := cmp.Diff(want, limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if got := c.TLS.ACME.Cache; got != "/var/lib/x/acme" {
		t.Errorf("acme cache %q, want it in the data directory", got)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMistakes plants many mistakes in one file; all must be told at once.
func TestMistakes(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, got := config.Parse("mistakes.yaml", src, env())
	if got == nil {
		t.Fatal("nothing was found wrong")
	}
	if flag.Lookup("update").Value.String() == "true" {
		write(t, "testdata/mistakes.txt", got.Error()+"\n")
		return
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), got.Error()); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s\nall of them:\n%s", diff, got)
	}
}

func TestOneMistake(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		src    string
		want   string
	}{
		"line end in a secret": {
			reason: "only the line's end is dropped from a secret",
			src:    "sources: [{secret: '${LINE}', account: [x]}]\ndestinations: [{adapter: sandbox}]",
			want:   "c.yaml:1:40: here must be one value, not a list; write it after the colon",
		},
		"syntax": {
			reason: "a file that is no YAML says so once, and where",
			src:    "listen: :8080\n  x: y",
			want:   "c.yaml:2: not YAML: mapping values are not allowed in this context",
		},
		"empty file": {
			reason: "an empty file lacks both ends",
			src:    "",
			want:   "c.yaml:1:1: there is no source; add sources: with the webhook's secret\nc.yaml:1:1: there is no destination; add destinations: with an adapter",
		},
		"no secret": {
			reason: "unsigned webhooks are never accepted",
			src:    "sources: [{path: /w}]\ndestinations: [{adapter: sandbox}]",
			want:   `c.yaml:1:11: the source "w" has no secret; add secret: ${NAME} with the webhook's secret from AISoule's panel`,
		},
		"empty secret": {
			reason: "a variable that is set to nothing is no secret",
			src:    "sources: [{secret: '${EMPTY}'}]\ndestinations: [{adapter: sandbox}]",
			want:   "c.yaml:1:20: the secret is empty; copy it from the webhook in AISoule's panel",
		},
		"misspelt secret": {
			reason: "a key that is nearly right is one mistake and not two",
			src:    "sources: [{secert: x}]\ndestinations: [{adapter: sandbox}]",
			want:   `c.yaml:1:12: unknown key "secert"; did you mean "secret"?`,
		},
		"two of a kind": {
			reason: "the journal knows destinations by name",
			src:    "sources: [{secret: x}]\ndestinations:\n  - adapter: sandbox\n  - adapter: sandbox",
			want:   `c.yaml:4:14: another destination is called "sandbox", in line 3; choose another`,
		},
		"unset variable": {
			reason: "a missing variable is named",
			src:    "sources: [{secret: '${AISOULE_SECRET}'}]\ndestinations: [{adapter: sandbox}]",
			want:   "c.yaml:1:20: the environment variable AISOULE_SECRET is not set; set it, or write $${ for a plain ${",
		},
		"environment in an error": {
			reason: "what comes from the environment may be a secret",
			src:    "listen: ${TOKEN}\nsources: [{secret: x}]\ndestinations: [{adapter: sandbox, fresh_within: '${TOKEN}'}]",
			want:   "c.yaml:1:9: listen \"${TOKEN}\" is no address; write it like :8080 or 127.0.0.1:8080\n" + `c.yaml:3:49: "${TOKEN}" is no duration; write it like 500ms, 60s, 10m, 24h or 30d`,
		},
		"alias bomb": {
			reason: "a small file must not unfold to a large one",
			src:    "a: &a [x,x,x,x,x,x,x,x,x,x]\nsources: &b [*a]\nlog: {level: *b}",
			want:   "unknown key \"a\"",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("c.yaml", []byte(c.src), env("EMPTY", "", "TOKEN", "do-not-show", "LINE", "x\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s:\n got %v\nwant %s", c.reason, err, c.want)
			}
			if err != nil && name != "alias bomb" && strings.Count(err.Error(), "\n") != strings.Count(c.want, "\n") {
				t.Errorf("%s: other mistakes beside it:\n%v", c.reason, err)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "none.yaml: no such file") {
		t.Errorf("err = %v", err)
	}
}

// shop is what an adapter might decode.
type shop struct {
	URL     string            `yaml:"url"`
	Token   connector.Secret  `yaml:"token"`
	Timeout time.Duration     `yaml:"timeout"`
	Mode    string            `yaml:"mode" enum:"fast,safe"`
	Retries *int              `yaml:"retries"`
	Labels  map[string]string `yaml:"labels"`
	Extra   any               `yaml:"extra"`
	Nested  struct {
		Ratio float64 `yaml:"ratio"`
		On    bool    `yaml:"on"`
	} `yaml:"nested"`
}

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tok"), "abc\r\n")
	src := "url: http://x\ntoken_file: tok\ntimeout: 5s\nmode: safe\nretries: 3\nlabels: {a: b}\nextra: [1, {x: y}]\nnested: {ratio: 0.5, on: true}\n"
	s, err := config.ParseSettings(filepath.Join(dir, "s.yaml"), []byte(src), env())
	if err != nil {
		t.Fatal(err)
	}
	got := shop{Timeout: time.Second}
	if err := s.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Token.Reveal() != "abc" || got.Timeout != 5*time.Second || *got.Retries != 3 || got.Labels["a"] != "b" || !got.Nested.On {
		t.Errorf("decoded %+v", got)
	}
}

func TestSettingsMistakes(t *testing.T) {
	t.Parallel()
	src := "ulr: http://x\ntoken: [a]\ntoken_file: nowhere\ntimeout: 5 minutes\nmode: save\nretries: many\nlabels: [a]\nnested: {ratio: much, on: yes, off: no}\nurl: a\nurl: b\n"
	s, err := config.ParseSettings("s.yaml", []byte(src), env())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Decode(&shop{})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("err = %v, want problems", err)
	}
	want := []string{
		`s.yaml:1:1: unknown key "ulr"; did you mean "url"?`,
		`s.yaml:2:8: here must be one value, not a list; write it after the colon`,
		`s.yaml:3:1: both "token" and "token_file" are given; keep one of them`,
		`s.yaml:3:13: the file can't be read: no such file or directory; write the secret into that file, or name another; paths are relative to the configuration`,
		`s.yaml:4:10: "5 minutes" is no duration; write it like 500ms, 60s, 10m, 24h or 30d`,
		`s.yaml:5:7: "save" is no mode; did you mean "safe"?`,
		`s.yaml:6:10: "many" is no whole number in range`,
		`s.yaml:7:9: here must be keys with values, not a list; write each as key: value, indented below`,
		`s.yaml:8:17: "much" is no number`,
		`s.yaml:8:27: "yes" is neither true nor false; write true or false`,
		`s.yaml:8:32: unknown key "off"; known are: on, ratio`,
		`s.yaml:10:1: the key "url" is given twice; keep one of them`,
	}
	got := make([]string, len(problems))
	for i, p := range problems {
		got[i] = p.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func TestCheckAdapters(t *testing.T) {
	t.Parallel()
	adapters := map[string]connector.Constructor{
		"shop": func(s connector.Settings, _ connector.Deps) (connector.Adapter, error) {
			var into shop
			if err := s.Decode(&into); err != nil {
				return nil, err
			}
			if into.URL == "" {
				return nil, errors.Join(errors.New("url: it is missing"), errors.New("mode: it is missing"))
			}
			return nil, nil
		},
	}
	src := `
sources: [{secret: x}]
destinations:
  - {name: a, adapter: shpo}
  - {name: b, adapter: shop, settings: {ur: x}}
  - {name: c, adapter: shop}
  - {name: d, adapter: shop, settings: {url: x}}
  - {name: e, adapter: shop, settings: {url: "", mode: fast}}
`
	c := mustParse(t, src, env())
	err := c.CheckAdapters(adapters)
	want := `c.yaml:4:24: there is no adapter "shpo"; did you mean "shop"?
c.yaml:5:41: unknown key "ur"; did you mean "url"?
c.yaml:6:5: url: it is missing
c.yaml:6:5: mode: it is missing
c.yaml:8:46: url: it is missing
c.yaml:8:56: mode: it is missing`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallest))
	for _, name := range []string{"testdata/mistakes.yaml", "../../config.example.yaml"} {
		if src, err := os.ReadFile(name); err == nil {
			f.Add(src)
		}
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("url: x\ntoken: ${A}\nextra: {a: [1]}\n"))
	f.Fuzz(func(_ *testing.T, src []byte) {
		c, _ := config.Parse("", src, env("A", "1"))
		if c != nil {
			_ = c.CheckAdapters(nil)
		}
		if s, err := config.ParseSettings("", src, env("A", "1")); err == nil {
			_ = s.Decode(&shop{})
		}
	})
}

func TestMistakesNeverShowSecrets(t *testing.T) {
	t.Parallel()
	const source, destination = "sources:\n  - ", "\ndestinations:\n  - adapter: sandbox\n"
	cases := map[string]string{
		"an alias":                source + "secret: *Tr0ub4dor3" + destination,
		"an anchor":               source + "secret: &Tr0ub4dor3" + destination,
		"a tag":                   source + "secret: !Tr0ub4dor3 x" + destination,
		"a comment":               source + "secret: abc #Tr0ub4dor3" + destination,
		"a secret for its file":   source + "secret_file: Tr0ub4dor3-itself" + destination,
		"a key":                   source + "secret: {Tr0ub4dor3: x}" + destination,
		"a reserved character":    source + "secret: @Tr0ub4dor3" + destination,
		"an adapter":              source + "secret: x\ndestinations:\n  - adapter: ${P}\n",
		"an adapter in two words": source + "secret: x\ndestinations:\n  - adapter: ${Q}\n",
		"a path":                  source + "secret: x\n    path: ${P}" + destination,
	}
	for reason, src := range cases {
		c, err := config.Parse("c.yaml", []byte(src), func(name string) (string, bool) {
			return map[string]string{"P": "Tr0ub4dor3", "Q": "Tr0ub4dor3 and more"}[name], true
		})
		if c != nil {
			err = config.Join(err, c.CheckAdapters(nil))
		}
		if err == nil {
			t.Errorf("%s: nothing was found wrong", reason)
		} else if strings.Contains(err.Error(), "Tr0ub4dor3") {
			t.Errorf("%s: the error shows it: %v", reason, err)
		}
	}
}
