package torture

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// webhook is one webhook of the plan. Its body follows from its fields, so that a
// copy is the same to the byte.
type webhook struct {
	// conversation numbers the customer from 0; those that never write come after
	// those that do. sequence numbers the message: the customer's for a
	// message.received, the business's for a receipt.
	conversation, sequence int
	kind                   connector.EventType
	// message is the message's type: text, image and so on.
	message string
	at      time.Time
	copy    copying
}

// copying says whether and when a webhook is sent a second time.
type copying int

const (
	// twinned webhooks go out twice at the same time, and repeated ones again
	// later; most are neither.
	twinned copying = iota + 1
	repeated
)

// written reports whether it is a customer's message.
func (w *webhook) written() bool { return w.kind == connector.MessageReceived }

// dialect is the same for all webhooks of a conversation: each has a name of its
// own for the business's account.
func (w *webhook) dialect() sample.Dialect { return sample.Dialects()[w.conversation%2] }

// text is what a customer's message says. The judge finds it again in a comment.
func (w *webhook) text() string {
	return fmt.Sprintf("This is conversation %d, message %d.", w.conversation+1, w.sequence+1)
}

// body makes the webhook as it is sent.
func (w *webhook) body() []byte {
	o := sample.Options{Conversation: w.conversation, Sequence: w.sequence, Time: w.at, Kind: w.message}
	if w.written() {
		o.Text = w.text()
	}
	return sample.Event(w.kind, w.dialect(), o)
}

// plan makes the webhooks of a run.
type plan struct {
	o     *Options
	rnd   *rand.Rand
	start time.Time
	laps  int
}

func newPlan(o *Options, start time.Time) *plan {
	return &plan{o: o, rnd: rand.New(rand.NewPCG(o.Seed, 0x7052)), start: start}
}

// lap gives the next lap: every customer's messages and receipts, shuffled. The
// messages of a customer are in order, and nothing else is.
func (p *plan) lap() []*webhook {
	var all []*webhook
	for c := range p.o.Conversations + p.o.Strangers {
		if c < p.o.Conversations {
			for m := range p.o.Messages {
				all = append(all, p.one(c, p.laps*p.o.Messages+m, connector.MessageReceived))
			}
		}
		for r := range p.o.Replies {
			for _, kind := range []connector.EventType{connector.MessageSent, connector.MessageDelivered, connector.MessageRead} {
				all = append(all, p.one(c, p.laps*p.o.Replies+r, kind))
			}
		}
	}
	p.laps++
	p.rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	inOrder(all)
	return all
}

// inOrder deals the places of each customer's messages out again by number.
func inOrder(all []*webhook) {
	places := map[int][]int{}
	for i, w := range all {
		if w.written() {
			places[w.conversation] = append(places[w.conversation], i)
		}
	}
	for _, at := range places {
		sorted := make([]*webhook, len(at))
		least := all[at[0]].sequence
		for _, i := range at {
			least = min(least, all[i].sequence)
		}
		for _, i := range at {
			sorted[all[i].sequence-least] = all[i]
		}
		for k, i := range at {
			all[i] = sorted[k]
		}
	}
}

// messageKinds are the types that customers' messages have, all with words.
var messageKinds = []string{"text", "text", "text", "text", "text", "text", "image", "document", "button", "interactive"}

// one makes a webhook. Its own time is anywhere in the last ten minutes: what
// came before what can be told by the answers alone.
func (p *plan) one(conversation, sequence int, kind connector.EventType) *webhook {
	w := &webhook{
		conversation: conversation, sequence: sequence, kind: kind,
		at: p.start.Add(-time.Duration(p.rnd.IntN(600)) * time.Second),
	}
	if w.written() {
		w.message = messageKinds[p.rnd.IntN(len(messageKinds))]
	}
	if p.rnd.Float64() < p.o.Copies {
		w.copy = []copying{twinned, repeated}[p.rnd.IntN(2)]
	}
	return w
}
