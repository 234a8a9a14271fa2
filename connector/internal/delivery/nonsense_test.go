package delivery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// answers lets a call be carried out and then answered otherwise.
func (c *crm) answers(twist func([]connector.Result) ([]connector.Result, error)) script {
	return func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
		out, _ := c.honest(ctx, changes)
		return twist(out)
	}
}

// TestNonsense: whatever an adapter answers to a call that was carried out, what
// the customers said is there once and in order in the end.
func TestNonsense(t *testing.T) {
	t.Parallel()
	twists := map[string]func([]connector.Result) ([]connector.Result, error){
		"no results and no error": func([]connector.Result) ([]connector.Result, error) { return nil, nil },
		"one result too few": func(out []connector.Result) ([]connector.Result, error) {
			return out[1:], nil
		},
		"one result too many": func(out []connector.Result) ([]connector.Result, error) {
			return append(out, connector.Result{ID: "X"}), nil
		},
		"a result without an id": func(out []connector.Result) ([]connector.Result, error) {
			out[0].ID = ""
			return out, nil
		},
		"fewer results of comments than there are": func(out []connector.Result) ([]connector.Result, error) {
			out[0].Comments = nil
			return out, nil
		},
		"more results of comments than there are": func(out []connector.Result) ([]connector.Result, error) {
			out[0].Comments = append(out[0].Comments, connector.CommentResult{ID: "X"})
			return out, nil
		},
		"an error of its own kind": func([]connector.Result) ([]connector.Result, error) {
			return nil, errors.New("unexpected end of JSON input")
		},
		"an error and results": func(out []connector.Result) ([]connector.Result, error) {
			return out, errors.New("unexpected end of JSON input")
		},
	}
	for name, twist := range twists {
		for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
			tell(t, []behaviour{{
				reason: string(kind) + ": " + name,
				story: func(b *bench) {
					b.crm.then(kind, b.crm.answers(twist))
					b.say(0, "m1", "hello")
					b.say(1, "n1", "hello")
					b.drain()
					b.say(0, "m2", "hello")
					b.drain()
					b.want("events", b.states(), "3 delivered")
					b.want("contacts", len(b.crm.contacts), 2)
					b.want("tickets", len(b.crm.tickets), 2)
					b.want("comments", b.crm.ticket(1).keys(), "m1 m2")
				},
			}})
		}
	}
}

// TestNonsenseOfALook: answers that can't be believed are not.
func TestNonsenseOfALook(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a look that answers too few is asked again",
			story: func(b *bench) {
				a := &forgetfulCRM{crm: b.crm, left: 2}
				m := b.say(0, "m1", "hello")
				b.startWith(a)
				b.drain()
				b.outcome(m, "delivered")
				once(b)
				b.want("answers left out", a.left, 0)
			},
		},
		{
			reason: "a process that an adapter brought down finds out what became of its calls",
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
					_, _ = b.crm.honest(ctx, changes)
					panic("index out of range")
				})
				m := b.say(0, "m1", "hello")
				func() {
					defer func() { _ = recover() }()
					b.w.Turn(b.Context())
				}()
				b.start()
				b.drain()
				b.outcome(m, "delivered")
				once(b)
				b.want("comments", b.crm.ticket(1).keys(), "m1")
			},
		},
		{
			reason: "a wait of years is not believed",
			story: func(b *bench) {
				b.crm.then(connector.KindContact, fails(connector.Retry, "429", 10000*time.Hour))
				m := b.say(0, "m1", "hello")
				began := time.Now()
				b.drain()
				b.outcome(m, "delivered")
				b.want("soon", time.Since(began) <= time.Hour, true)
			},
		},
		{
			reason: "a wait in the past is none",
			story: func(b *bench) {
				b.crm.then(connector.KindContact, fails(connector.Retry, "429", -time.Hour))
				m := b.say(0, "m1", "hello")
				b.drain()
				b.outcome(m, "delivered")
			},
		},
	})
}

// forgetfulCRM leaves the last answer of some looks out.
type forgetfulCRM struct {
	*crm
	left int
}

func (f *forgetfulCRM) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	out, err := f.crm.Observe(ctx, refs)
	if f.left > 0 {
		f.left--
		return out[:len(out)-1], err
	}
	return out, err
}

// TestDescribedCautiously: an adapter that describes nothing is used with care:
// one record a call, one comment a change.
func TestDescribedCautiously(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{{
		reason: "nothing is described",
		given:  func(b *bench) { b.crm.describe = connector.Description{} },
		story: func(b *bench) {
			b.say(0, "m1", "hello")
			b.say(0, "m2", "hello")
			b.say(1, "n1", "hello")
			b.work()
			b.calls("look contact c000", "look contact c001", "contact +c000", "contact +c001",
				"ticket +t/m1 [m1]", "ticket +t/n1 [n1]", "ticket T1 [m2]")
		},
	}})
}

// TestUnknownEnding: an ending that the engine does not know promises nothing, so
// it counts as ambiguous.
func TestUnknownEnding(t *testing.T) {
	t.Parallel()
	for _, ending := range []connector.Ending{"", "banana"} {
		for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
			bad := &connector.Error{Ending: ending, Op: "apply", Code: "?"}
			tell(t, []behaviour{{
				reason: string(kind) + ": each result ends " + string(ending),
				story: func(b *bench) {
					b.crm.then(kind, b.crm.answers(func(out []connector.Result) ([]connector.Result, error) {
						for i := range out {
							out[i] = connector.Result{Err: bad}
						}
						return out, nil
					}))
					b.say(0, "m1", "hello")
					b.drain()
					once(b)
					b.want("comments", b.crm.ticket(1).keys(), "m1")
				},
			}, {
				reason: string(kind) + ": the call ends " + string(ending),
				story: func(b *bench) {
					b.crm.then(kind, b.crm.answers(func([]connector.Result) ([]connector.Result, error) { return nil, bad }))
					b.say(0, "m1", "hello")
					b.drain()
					once(b)
					b.want("comments", b.crm.ticket(1).keys(), "m1")
				},
			}})
		}
	}
}

// TestPanic: an adapter that panics harms its own call, not the process.
func TestPanic(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{{
		reason: "a panic in a call ends it without an answer",
		story: func(b *bench) {
			b.crm.then(connector.KindTicket, func(context.Context, []connector.Change) ([]connector.Result, error) {
				panic("index out of range")
			})
			m := b.say(0, "m1", "hello")
			func() {
				defer func() {
					if recover() != nil {
						b.Error("the adapter's panic reached the worker's caller, and so ends the process")
					}
				}()
				b.drain()
			}()
			b.start()
			b.drain()
			b.outcome(m, "delivered")
		},
	}})
}
