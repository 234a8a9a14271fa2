package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/connector/torture"
)

func tortureCommand(s streams) *cobra.Command {
	options := torture.Defaults()
	var asJSON bool
	c := &cobra.Command{
		Use:   "torture",
		Short: "Prove that nothing is lost, doubled or out of order",
		Long: `Start this program's connector and sandbox CRM as processes, send webhooks as
AISoule would, make the CRM fail, kill the connector with SIGKILL, and compare an
exact ledger of what was sent and answered with what the CRM holds at the end.

All customers are invented. The exit code is 0 when every promise was kept.`,
		Example: `  crm-connector torture
  crm-connector torture --faults 0.05 --kills 10
  crm-connector torture --quota 100/10s/fixed --kill-every 3s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := options.Validate(); err != nil {
				return usage(err, program+" torture --help")
			}
			options.Tell = func(what string) { fmt.Fprintln(s.err, what) }
			return runTorture(c.Context(), s, options, asJSON)
		},
	}
	options.Register(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	return c
}

func runTorture(ctx context.Context, s streams, options torture.Options, asJSON bool) error {
	report, err := torture.Run(ctx, options)
	if err != nil {
		return failed(fmt.Errorf("torture: %w", err), program+" torture --keep")
	}
	if asJSON {
		err = writeJSON(s.out, report)
	} else {
		err = report.Write(s.out)
	}
	if err != nil {
		return failed(err, "")
	}
	if report.Kept != "" {
		fmt.Fprintln(s.err, "the run's files are in", report.Kept)
	}
	if !report.OK() {
		return failed(errors.New("a promise was broken"), fmt.Sprintf("%s torture --seed %d --keep", program, options.Seed))
	}
	return nil
}
