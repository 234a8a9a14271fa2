// Package adapters is the catalogue: the one file that names every CRM that the
// connector ships with. A program of your own can offer further ones by adding to
// the map that [All] gives.
package adapters

import (
	"github.com/crm-connector/crm-connector/adapters/sandbox"
	"github.com/crm-connector/crm-connector/connector"
)

// All gives the adapters by the name that a destination's adapter key has. The
// map is the caller's.
func All() map[string]connector.Constructor {
	return map[string]connector.Constructor{
		"sandbox": sandbox.New,
	}
}
