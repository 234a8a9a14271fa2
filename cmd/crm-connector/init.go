package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/mappings"
)

// setup is what init asks for and writes.
type setup struct {
	Dir     string
	Adapter string
	URL     string
	Listen  string
	// Secret is AISoule's and Token the CRM's; they go into files of their own.
	Secret string
	Token  string
	// Made says that the secret was made here.
	Made  bool
	force bool
	yes   bool
}

func initCommand(s streams) *cobra.Command {
	var w setup
	names := slices.Sorted(maps.Keys(adapters.All()))
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration and a mapping that work",
		Long: `Write a configuration, a mapping and the files of the secrets. On a terminal it
asks for what the flags leave open; everywhere else, and with --yes, it takes the
defaults. Nothing that exists is overwritten without --force.`,
		Example: `  crm-connector init
  crm-connector init --yes --dir /etc/crm-connector --secret "$AISOULE_SECRET"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !w.yes && isTerminal(s.in) {
				if err := w.ask(c.Context(), s, names, c.Flags().Changed); err != nil {
					return failed(err, program+" init --help")
				}
			}
			return w.run(s, names)
		},
	}
	fs := c.Flags()
	fs.StringVar(&w.Dir, "dir", ".", "`directory` to write to")
	fs.StringVar(&w.Adapter, "adapter", "sandbox", "kind of CRM: "+strings.Join(names, ", "))
	fs.StringVar(&w.URL, "url", "http://"+sandboxAddress, "`address` of the CRM")
	fs.StringVar(&w.Token, "token", "", "the CRM's token; none means that it asks for none")
	fs.StringVar(&w.Listen, "listen", "127.0.0.1:8080", "`address` for webhooks")
	fs.StringVar(&w.Secret, "secret", "", "the webhook's secret from AISoule's panel; none means that one is made")
	fs.BoolVar(&w.force, "force", false, "overwrite what exists")
	fs.BoolVarP(&w.yes, "yes", "y", false, "ask nothing")
	return c
}

// ask asks for every value that no flag gave. An empty answer takes what stands
// in brackets, and the end of the input takes all that are left.
func (w *setup) ask(ctx context.Context, s streams, adapters []string, given func(string) bool) error {
	answers := lines(s.in)
	var err error
	question := func(flag, text string, into *string) {
		if given(flag) || err != nil {
			return
		}
		fmt.Fprintf(s.err, "%s [%s]: ", text, cmp.Or(*into, "none"))
		select {
		case <-ctx.Done():
			err = errors.New("interrupted, nothing was written")
		case line := <-answers:
			*into = cmp.Or(strings.TrimSpace(line), *into)
		}
	}
	question("adapter", "Which CRM, one of "+strings.Join(adapters, ", "), &w.Adapter)
	for err == nil && !given("adapter") && !slices.Contains(adapters, w.Adapter) {
		fmt.Fprintf(s.err, "There is no adapter %q. ", w.Adapter)
		w.Adapter = "sandbox"
		question("adapter", "Which CRM, one of "+strings.Join(adapters, ", "), &w.Adapter)
	}
	question("url", "The CRM's address", &w.URL)
	question("token", "The CRM's token", &w.Token)
	question("listen", "The address for AISoule's webhooks", &w.Listen)
	question("secret", "The webhook's secret from AISoule's panel; none makes one", &w.Secret)
	return err
}

// lines reads lines beside the rest, since nothing interrupts the reading from a
// terminal. The goroutine ends with the input or the program.
func lines(in io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			out <- scanner.Text()
		}
	}()
	return out
}

// run writes the files and says what to do next.
func (w *setup) run(s streams, known []string) error {
	if !slices.Contains(known, w.Adapter) {
		return usage(fmt.Errorf("there is no adapter %q; known are: %s", w.Adapter, strings.Join(known, ", ")), program+" init --help")
	}
	if w.Secret == "" {
		w.Secret, w.Made = rand.Text(), true
	}
	files, err := w.files()
	if err != nil {
		return failed(err, "")
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if path := filepath.Join(w.Dir, name); exists(path) && !w.force {
			return usage(fmt.Errorf("%s exists already", path), program+" init --force --dir "+w.Dir)
		}
	}
	for _, name := range names {
		path := filepath.Join(w.Dir, name)
		if err := writeFile(path, files[name]); err != nil {
			return failed(fmt.Errorf("write the configuration: %w", err), "")
		}
		fmt.Fprintln(s.out, path)
	}
	return advice.Execute(s.err, map[string]any{"Setup": w, "Sandbox": w.sandboxFlags(), "Config": w.configFlag()})
}

// configFlag gives the flag with which other commands find the configuration.
func (w *setup) configFlag() string {
	if path := filepath.Join(w.Dir, defaultConfig); path != defaultConfig {
		return " --config " + path
	}
	return ""
}

// sandboxFlags give the flags with which a sandbox is the CRM of the
// configuration.
func (w *setup) sandboxFlags() string {
	var flags []string
	if u, err := url.Parse(w.URL); err == nil && u.Host != "" && u.Host != sandboxAddress {
		flags = append(flags, "--listen "+u.Host)
	}
	if w.Token != "" {
		flags = append(flags, `--token "$(cat `+filepath.Join(w.Dir, "secrets", "crm")+`)"`)
	}
	return strings.Join(flags, " ")
}

// files gives the content of everything that init writes, by name.
func (w *setup) files() (map[string][]byte, error) {
	mapping, ok := mappings.Builtin("support-desk")
	if !ok {
		return nil, errors.New("the mapping support-desk does not ship inside")
	}
	var config strings.Builder
	if err := starter.Execute(&config, w); err != nil {
		return nil, fmt.Errorf("make the configuration: %w", err)
	}
	files := map[string][]byte{
		defaultConfig:     []byte(config.String()),
		"mapping.yaml":    mapping,
		"secrets/aisoule": []byte(w.Secret + "\n"),
	}
	if w.Token != "" {
		files["secrets/crm"] = []byte(w.Token + "\n")
	}
	return files, nil
}

// writeFile writes a file that only its owner can read where it holds a secret.
func writeFile(path string, content []byte) error {
	mode, dirMode := os.FileMode(0o644), os.FileMode(0o755)
	if filepath.Base(filepath.Dir(path)) == "secrets" {
		mode, dirMode = 0o600, 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return err
	}
	return os.WriteFile(path, content, mode)
}

var starter = template.Must(template.New("config").Parse(`# The connector's configuration. Check your changes with: crm-connector validate
# A running connector takes them over by itself. Every key is explained in
# https://github.com/crm-connector/crm-connector/blob/main/docs/configuration.md

# Where AISoule's webhooks come in. AISoule calls HTTPS addresses only, so put a
# proxy in front or add tls:.
listen: {{printf "%q" .Listen}}

# The journal: what was received and what became of it.
data: data

sources:
  - path: /webhook
    # The secret of the webhook in AISoule's panel.
    secret_file: secrets/aisoule

destinations:
  - name: crm
    adapter: {{.Adapter}}
    settings:
      url: {{printf "%q" .URL}}
{{- if .Token}}
      token_file: secrets/crm
{{- end}}
    # The rules: which events change what in the CRM.
    mapping: mapping.yaml
    # Receipts may wait so long, so that many travel in one call.
    fresh_within: 60s
    timezone: UTC
`))

var advice = template.Must(template.New("advice").Parse(`
Next{{if eq .Setup.Adapter "sandbox"}}, each of the first two in a terminal of its own:

  crm-connector sandbox{{with .Sandbox}} {{.}}{{end}}   # a CRM to try with; it prints the address of its page
{{- else}}:
{{end}}
  crm-connector run{{.Config}}        # the connector, until Ctrl-C
  crm-connector send{{.Config}}       # a signed sample message; look for its ticket in the CRM
  crm-connector validate{{.Config}}   # after every change of the files
{{- if .Setup.Made}}

The webhook's secret was made here, in {{.Setup.Dir}}/secrets/aisoule: enter it in AISoule's
panel, or put the panel's into that file.
{{- end}}
`))
