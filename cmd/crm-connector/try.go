package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/send"
	"github.com/crm-connector/crm-connector/connector/trial"
	"github.com/crm-connector/crm-connector/mappings"
)

// tryFlags are what the command takes.
type tryFlags struct {
	config, mapping, event, dialect string
	explain, json                   bool
}

func tryCommand(s streams) *cobra.Command {
	var f tryFlags
	c := &cobra.Command{
		Use:   "try",
		Short: "Show what a mapping makes of an event",
		Long: `Show what a mapping makes of an event, without a connector and without calling any
CRM. The event is a file with a webhook, - for stdin, or a sample: message.received,
message.received/image, message.failed/131050 and so on. It is read as a new
customer's first. Without --mapping the mapping, and the time zone, are those of the
configuration's first destination.

The exit code is 1 when the event would become a dead letter or be quarantined, and
3 when the mapping has mistakes.`,
		Example: `  crm-connector try
  crm-connector try --mapping mapping.yaml --event message.failed/131050 --explain
  crm-connector try --mapping builtin:sales-leads --event webhook.json --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return f.run(s) },
	}
	configFlag(c, &f.config)
	fs := c.Flags()
	fs.StringVarP(&f.mapping, "mapping", "m", "", "`file` of the mapping, or builtin: and a name: "+strings.Join(mappings.BuiltinNames(), ", "))
	fs.StringVarP(&f.event, "event", "e", "message.received", "`file` with a webhook, - for stdin, or the name of a sample")
	fs.StringVar(&f.dialect, "dialect", send.Dialects()[0], "a sample's dialect: "+strings.Join(send.Dialects(), ", "))
	fs.BoolVar(&f.explain, "explain", false, "say of every rule why it did or did not match")
	fs.BoolVar(&f.json, "json", false, "write JSON")
	_ = c.MarkFlagFilename("mapping", "yaml", "yml")
	_ = c.RegisterFlagCompletionFunc("event", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trial.Names(), cobra.ShellCompDirectiveDefault
	})
	return c
}

func (f *tryFlags) run(s streams) error {
	m, err := f.load()
	if err != nil {
		return err
	}
	for _, w := range m.Warnings() {
		fmt.Fprintln(s.err, w)
	}
	body, err := f.webhook(s.in)
	if err != nil {
		return usage(err, program+" try --help")
	}
	results, err := trial.Run(m, body, time.Now())
	if err != nil {
		return failed(err, program+" try --help")
	}
	if !f.explain {
		for i := range results {
			results[i].Rules = nil
		}
	}
	if f.json {
		err = writeJSON(s.out, results)
	} else {
		err = trial.Write(s.out, results)
	}
	if err == nil && slices.ContainsFunc(results, func(r trial.Result) bool { return r.Error != "" }) {
		err = errors.New("the connector could not deliver the event")
	}
	if err != nil {
		return failed(err, "")
	}
	return nil
}

// load reads the mapping that is named, or the configuration's first.
func (f *tryFlags) load() (*mappings.Mapping, error) {
	d := &config.Destination{Mapping: f.mapping}
	if f.mapping == "" {
		if !exists(f.config) {
			return nil, usage(errors.New("neither --mapping nor a configuration names a mapping"),
				program+" try --mapping builtin:"+mappings.BuiltinNames()[0])
		}
		c, err := config.Load(f.config)
		if err != nil {
			return nil, invalid(err, program+" validate --config "+f.config)
		}
		d = &c.All()[0].Destinations[0]
	}
	src, err := mappingSource(d.Mapping)
	if err != nil {
		return nil, usage(err, program+" try --mapping builtin:"+mappings.BuiltinNames()[0])
	}
	m, err := mappings.Load(d.Mapping, src, mappings.Options{Zone: d.Timezone})
	if err != nil {
		return nil, invalid(err, program+" schema mapping   # lets an editor find such mistakes")
	}
	return m, nil
}

// maxWebhook bounds what is read as a webhook.
const maxWebhook = 16 << 20

// webhook gives the body of the event.
func (f *tryFlags) webhook(stdin io.Reader) ([]byte, error) {
	if f.event == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxWebhook))
	}
	if body, err := os.ReadFile(f.event); err == nil {
		return body, nil
	} else if !errors.Is(err, os.ErrNotExist) || strings.HasSuffix(f.event, ".json") {
		return nil, fmt.Errorf("event: %w", err)
	}
	return trial.Sample(f.event, f.dialect)
}
