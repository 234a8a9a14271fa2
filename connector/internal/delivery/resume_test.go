package delivery_test

import (
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// TestResumeServesAtOnce: the customers in hand when the destination was paused
// are not held longer than the pause.
func TestResumeServesAtOnce(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a person can end the connector's own pause before its time",
			story: func(b *bench) {
				b.crm.then(connector.KindContact, fails(connector.Broken, "quota", 7*time.Hour))
				m := b.say(0, "m1", "hello")
				b.work()
				b.ok(b.w.Resume(b.Context()))
				b.work()
				b.outcome(m, "delivered")
			},
		},
	})
}
