package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// program is the command's name in examples and hints.
const program = "crm-connector"

// defaultConfig is the file that commands read when none is named.
const defaultConfig = "crm-connector.yaml"

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Carry WhatsApp messages from AISoule into a CRM",
		Long: `Carry WhatsApp messages from AISoule into a CRM: nothing lost, nothing doubled,
every conversation in order.

New here?  crm-connector demo    shows everything on this machine
           crm-connector init    writes a configuration that works

Exit codes: 0 it worked, 1 it failed, 2 called wrongly, 3 invalid configuration or mapping.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.AddCommand(
		sandboxCommand(s), versionCommand(s), validateCommand(s), tryCommand(s),
		sendCommand(s), schemaCommand(s), healthCommand(s), initCommand(s), runCommand(s), demoCommand(s), tortureCommand(s),
	)
	return root
}

// configFlag adds --config.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", defaultConfig, "configuration `file`")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
}

// missingConfig is the failure when the configuration file isn't there.
func missingConfig(path string) *failure {
	return usage(fmt.Errorf("there is no configuration %s", path), program+" init --dir "+filepath.Dir(path))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeJSON writes a value for a machine.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return failed(fmt.Errorf("write the answer: %w", err), "")
	}
	return nil
}
