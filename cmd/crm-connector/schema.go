package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/mappings"
)

// schemas are the files that editors can check, by name.
func schemas() map[string]func() []byte {
	return map[string]func() []byte{"config": config.Schema, "mapping": mappings.Schema}
}

func schemaCommand(s streams) *cobra.Command {
	names := slices.Sorted(maps.Keys(schemas()))
	return &cobra.Command{
		Use:   "schema " + strings.Join(names, "|"),
		Short: "Print a JSON Schema, for editors that check while one types",
		Example: `  crm-connector schema config > crm-connector.schema.json
  # and as the configuration's first line:
  # yaml-language-server: $schema=crm-connector.schema.json
  crm-connector schema mapping > mapping.schema.json`,
		ValidArgs: names,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := s.out.Write(schemas()[args[0]]()); err != nil {
				return failed(fmt.Errorf("write the schema: %w", err), "")
			}
			return nil
		},
	}
}
