package config

import _ "embed"

// schema is made from the types of config.go by a test, which says how when it
// is stale.
//
//go:embed schema.json
var schema []byte

// Schema gives the JSON Schema of the configuration, for editors.
func Schema() []byte { return schema }
