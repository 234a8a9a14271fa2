package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
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
		return invalid(config.Problems(v.Problems), program+" schema config   # lets an editor find such mistakes")
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
		err = config.Join(err, c.CheckAdapters(adapters.All()))
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		v.Problems = append(v.Problems, problems...)
	}
	if c != nil {
		v.mappings(c)
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
		for _, p := range wrong {
			v.wrong(p)
		}
		return
	}
	// An adapter that can't be made has been told of already.
	deps := connector.Deps{HTTP: http.DefaultClient, Now: time.Now}
	if adapter, err := d.Open(adapters.All(), deps); err == nil {
		for _, p := range append(m.Warnings(), m.Check(adapter.Describe())...) {
			if p.Warning {
				v.Warnings = append(v.Warnings, p)
			} else {
				v.wrong(p)
			}
		}
	}
}

func (v *verdict) wrong(p mappings.Problem) {
	at := config.Position{File: p.File, Line: p.Line, Column: p.Column}
	v.Problems = append(v.Problems, config.Problem{Position: at, Text: p.Text, Hint: p.Hint})
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
