package delivery_test

import (
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// TestReplayOfStatus: a replay changes nothing that came after what it replays.
func TestReplayOfStatus(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a replay of what solved a ticket does not solve the next one",
			story: func(b *bench) {
				b.say(0, "m1", "status solved")
				b.work()
				b.say(0, "m2", "hello")
				b.work()
				b.want("the ticket", b.crm.ticket(1).condition, connector.Active)
				b.retry(journal.StateDelivered)
				b.drain()
				b.want("the ticket", b.crm.ticket(1).condition, connector.Active)
			},
		},
	})
}
