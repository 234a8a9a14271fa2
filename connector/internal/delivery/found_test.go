package delivery_test

import (
	"testing"

	"github.com/crm-connector/crm-connector/connector"
)

// TestFoundWithoutID: a record that is found and has no id was not found.
func TestFoundWithoutID(t *testing.T) {
	t.Parallel()
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		tell(t, []behaviour{{
			reason: string(kind),
			story: func(b *bench) {
				b.crm.then(kind, b.crm.landed)
				looks := 0
				b.crm.observe = func(r connector.Ref) *connector.Observation {
					if r.Kind != kind || len(b.crm.contacts) == 0 {
						return nil
					}
					if looks++; looks > 2 {
						return nil
					}
					return &connector.Observation{Found: true, Condition: connector.Active}
				}
				b.say(0, "m1", "hello")
				b.drain()
				b.say(0, "m2", "hello")
				b.drain()
				once(b)
				b.want("comments", b.crm.ticket(1).keys(), "m1 m2")
			},
		}})
	}
}
