package torture

import (
	"math/rand/v2"
	"sync"
	"time"
)

// parcel is a webhook to be sent, or its copy.
type parcel struct {
	*webhook
	isCopy bool
}

// queue deals the plan's webhooks out: a customer's next message only after the
// one before it was answered, all else in the plan's order.
type queue struct {
	plan  *plan
	until time.Time
	rnd   *rand.Rand

	mu    sync.Mutex
	moved *sync.Cond
	list  []*webhook
	next  int
	// ready are parcels whose turn it is, later the copies that wait for theirs, by
	// the place in the list at which they are due.
	ready []parcel
	later map[int][]parcel
	// held are, of each customer with a message on its way, the further ones.
	held map[int][]*webhook
	away int
	shut bool
}

// newQueue begins with the plan's first lap, and goes on with further ones until
// that time, if it is not zero.
func newQueue(p *plan, until time.Time) *queue {
	q := &queue{
		plan: p, until: until, rnd: rand.New(rand.NewPCG(p.o.Seed, 0x9e3779b9)),
		list: p.lap(), later: map[int][]parcel{}, held: map[int][]*webhook{},
	}
	q.moved = sync.NewCond(&q.mu)
	return q
}

// take gives the next parcel and waits for one if need be; false means that there
// will be none.
func (q *queue) take() (parcel, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.shut {
		q.advance()
		if n := len(q.ready); n > 0 {
			p := q.ready[0]
			q.ready = q.ready[1:]
			q.away++
			return p, true
		}
		if q.away == 0 {
			break
		}
		q.moved.Wait()
	}
	q.moved.Broadcast()
	return parcel{}, false
}

// advance reads on in the list until something is ready.
func (q *queue) advance() {
	for len(q.ready) == 0 {
		if q.next == len(q.list) {
			if q.until.IsZero() || time.Now().After(q.until) {
				q.rest()
				return
			}
			q.list = append(q.list, q.plan.lap()...)
		}
		q.ready = append(q.ready, q.later[q.next]...)
		delete(q.later, q.next)
		q.offer(q.list[q.next])
		q.list[q.next] = nil
		q.next++
	}
}

// rest gives the copies out that are still waiting for their turn.
func (q *queue) rest() {
	for at, copies := range q.later {
		q.ready = append(q.ready, copies...)
		delete(q.later, at)
	}
}

// offer makes a webhook ready, unless it must wait for the customer's last one.
func (q *queue) offer(w *webhook) {
	if w.written() {
		if waiting, busy := q.held[w.conversation]; busy {
			q.held[w.conversation] = append(waiting, w)
			return
		}
		q.held[w.conversation] = nil
	}
	q.issue(w)
}

func (q *queue) issue(w *webhook) {
	q.ready = append(q.ready, parcel{webhook: w})
	if w.copy == twinned {
		q.ready = append(q.ready, parcel{w, true})
		q.moved.Broadcast()
	}
}

// done says that a parcel was answered.
func (q *queue) done(p parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.moved.Broadcast()
	q.away--
	if p.isCopy {
		return
	}
	if p.copy == repeated {
		due := q.next + 1 + q.rnd.IntN(max(1, len(q.list)/4))
		q.later[due] = append(q.later[due], parcel{p.webhook, true})
	}
	if !p.written() {
		return
	}
	if waiting := q.held[p.conversation]; len(waiting) > 0 {
		q.held[p.conversation] = waiting[1:]
		q.issue(waiting[0])
		return
	}
	delete(q.held, p.conversation)
}

// stop ends the dealing.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	q.moved.Broadcast()
}
