package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/mappings"
)

// verdict is what validate says, also to a machine.
type verdict struct {
	OK       bool               `json:"ok"`
	Problems []config.Problem   `json:"problems"`
	Warnings []mappings.Problem `json:"warnings"`
}

func validateCommand(s streams) *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and all that it names",
		Long: `Check the configuration, the adapters' settings and the mappings, without calling
any CRM. All mistakes are told at once, each with its place; the exit code is 3
when there are some. Warnings don't change it.`,
		Example: "  crm-connector validate --config crm-connector.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !exists(path) {
				return missingConfig(path)
			}
			v, err := validate(path)
			if err != nil {
				return failed(err, "")
			}
			return v.tell(s, path, asJSON)
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "write the mistakes as JSON")
	return c
}

// tell writes a verdict and gives it as an error.
func (v *verdict) tell(s streams, path string, asJSON bool) error {
	if asJSON {
		if err := writeJSON(s.out, v); err != nil {
			return err
		}
	} else {
		for _, w := range v.Warnings {
			fmt.Fprintln(s.err, w)
		}
	}
	if !v.OK {
		kind := "mapping"
		if slices.ContainsFunc(v.Problems, func(p config.Problem) bool { return p.File == path }) {
			kind = "config"
		}
		return invalid(config.Problems(v.Problems), program+" schema "+kind+"   # lets an editor find such mistakes")
	}
	fmt.Fprintf(s.err, "%s is valid\n", path)
	return nil
}

// validate gives everything that is wrong with a configuration and what it names.
// The error is for a file that can't be read.
func validate(path string) (*verdict, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	v := &verdict{Problems: []config.Problem{}, Warnings: []mappings.Problem{}}
	c, err := config.Parse(path, src, os.LookupEnv)
	if c != nil {
		v.mappings(c)
		v.certificate(c)
		err = config.Join(err, c.CheckAdapters(adapters.All()), config.Problems(v.Problems))
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		v.Problems = problems
	}
	v.OK = len(v.Problems) == 0
	return v, nil
}

// mappings checks the mapping of every destination, each file once for each
// destination, since what a CRM needs differs.
func (v *verdict) mappings(c *config.Config) {
	for _, b := range c.All() {
		for i := range b.Destinations {
			v.mapping(&b.Destinations[i])
		}
	}
}

func (v *verdict) mapping(d *config.Destination) {
	src, err := mappingSource(d.Mapping)
	if err != nil {
		hint := "built in are: " + strings.Join(mappings.BuiltinNames(), ", ")
		v.Problems = append(v.Problems, config.Problem{Position: d.At("mapping"), Text: err.Error(), Hint: hint})
		return
	}
	m, err := mappings.Load(d.Mapping, src, mappings.Options{Zone: d.Timezone})
	if wrong, ok := errors.AsType[mappings.Errors](err); ok {
		v.sort(wrong)
		return
	}
	// An adapter that can't be made has been told of already.
	deps := connector.Deps{HTTP: http.DefaultClient, Now: time.Now}
	if adapter, err := d.Open(adapters.All(), deps); err == nil {
		v.sort(append(m.Warnings(), m.Check(adapter.Describe())...))
	}
}

// sort tells a mapping's mistakes from what only looks wrong. A mapping of several
// destinations is told of once.
func (v *verdict) sort(found []mappings.Problem) {
	for _, p := range found {
		at := config.Position{File: p.File, Line: p.Line, Column: p.Column}
		wrong := config.Problem{Position: at, Text: p.Text, Hint: p.Hint}
		switch {
		case p.Warning && !slices.Contains(v.Warnings, p):
			v.Warnings = append(v.Warnings, p)
		case !p.Warning && !slices.Contains(v.Problems, wrong):
			v.Problems = append(v.Problems, wrong)
		}
	}
}

// certificate checks the files of the certificate, and warns of what AISoule would
// refuse.
func (v *verdict) certificate(c *config.Config) {
	t := &c.TLS
	if len(t.ACME.Domains) > 0 && !strings.HasSuffix(c.Listen, ":443") {
		at := c.At("listen")
		v.Warnings = append(v.Warnings, mappings.Problem{
			File: at.File, Line: at.Line, Column: at.Column, Warning: true,
			Text: "Let's Encrypt and AISoule call port 443, and listen is " + c.Listen,
			Hint: `write listen: ":443", or let something forward port 443 to it`,
		})
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return
	}
	at := t.At("cert_file")
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		v.Problems = append(v.Problems, config.Problem{
			Position: at, Text: "certificate: " + strings.TrimPrefix(err.Error(), "tls: "),
			Hint: "name the PEM files of the certificate chain and of its key",
		})
		return
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		v.Warnings = append(v.Warnings, mappings.Problem{
			File: at.File, Line: at.Line, Column: at.Column, Warning: true,
			Text: "the certificate is valid from " + pair.Leaf.NotBefore.Format(time.DateOnly) + " to " + pair.Leaf.NotAfter.Format(time.DateOnly),
			Hint: "AISoule calls no address with such a certificate; renew it",
		})
	}
}

// mappingSource reads a destination's mapping, a file or one that ships inside.
func mappingSource(name string) ([]byte, error) {
	builtin, ok := strings.CutPrefix(name, config.BuiltinMapping)
	if !ok {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("mapping: %w", err)
		}
		return src, nil
	}
	src, ok := mappings.Builtin(builtin)
	if !ok {
		return nil, fmt.Errorf("no mapping %q ships inside", builtin)
	}
	return src, nil
}
