package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// reasonOld is why an event that duplicate detection can't reach is put aside.
const reasonOld = "the event is older than duplicates are remembered"

// Mark is taken when a request begins.
func (j *Journal) Mark() journal.Mark { return journal.Mark(j.mark.Load()) }

// Append writes all entries in one synced commit, or none.
func (j *Journal) Append(ctx context.Context, began journal.Mark, entries []journal.Entry) ([]journal.Receipt, error) {
	arrivals := make([]arrival, len(entries))
	for i := range entries {
		arrivals[i] = arrive(&entries[i], began)
	}
	var receipts []journal.Receipt
	err := j.group.do(ctx, false, func(s *session) error {
		receipts = make([]journal.Receipt, len(arrivals))
		for i := range arrivals {
			var err error
			if receipts[i], err = s.take(&arrivals[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, said("append events", err)
	}
	return receipts, nil
}

// arrival is an entry with all that can be worked out before the writer's turn.
type arrival struct {
	*journal.Entry
	after  journal.Mark
	digest []byte
	// keys are the customer's matching keys, newKey that of the number changed to.
	keys   []string
	newKey string
	// message is the digest of the message's id, nil where there is none.
	message []byte
	// reading is the digest of what the message says.
	reading []byte
}

func arrive(e *journal.Entry, began journal.Mark) arrival {
	a := arrival{Entry: e, after: began, digest: contentDigest(e), keys: identity.Keys(e.Event.Identity)}
	if m := e.Event.Message; m != nil {
		if m.ID != "" {
			a.message = digestOf(e.Event.Business, m.ID)
			a.reading = readingOf(m)
		}
		if m.NewPhone != "" {
			a.newKey = identity.PhoneKey(m.NewPhone)
		}
	}
	return a
}

// digestBytes is how much of a SHA-256 a key keeps: 96 bits, so that two of
// 10^9 events meet with a chance of 10^-11.
const digestBytes = 12

func digestOf(parts ...string) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum(nil)[:digestBytes:digestBytes]
}

// contentDigest is the same for an exact re-send: the event's own time, so that
// neighbours in time are neighbours in the index, and a digest of where and what.
func contentDigest(e *journal.Entry) []byte {
	digest := make([]byte, 4, 4+digestBytes)
	if !e.Undated && !e.Event.Time.IsZero() {
		seconds := min(max(e.Event.Time.Unix(), 0), 1<<32-1)
		binary.BigEndian.PutUint32(digest, uint32(seconds))
	}
	var content bytes.Buffer
	if json.Compact(&content, e.Raw) != nil {
		content.Reset()
		content.Write(bytes.TrimSpace(e.Raw))
	}
	return append(digest, digestOf(e.Event.Business, e.Event.Source, content.String())...)
}

// take gives an arrival its fate.
func (s *session) take(a *arrival) (journal.Receipt, error) {
	id := s.last + 1
	now := s.now()
	reason := a.unfit(now)
	fresh, err := s.changed(`INSERT INTO duplicates (digest, event) VALUES (?, ?) ON CONFLICT DO NOTHING`, a.digest, id)
	if err != nil {
		return journal.Receipt{}, err
	}
	if !fresh {
		before, err := s.number(`SELECT event FROM duplicates WHERE digest = ?`, a.digest)
		if err != nil {
			return journal.Receipt{}, err
		}
		released := false
		if reason == "" {
			released, err = s.release(a, before, id)
		}
		if err != nil || !released {
			return journal.Receipt{Fate: journal.Duplicate, ID: before}, err
		}
	}
	if reason != "" {
		s.last = id
		return journal.Receipt{Fate: journal.Quarantined, ID: id}, s.quarantine(id, a, reason, now)
	}
	return s.accept(id, a, now)
}

// release takes what was sent before out of the quarantine, now that it can be
// used, and reports whether it was there.
func (s *session) release(a *arrival, before, id int64) (bool, error) {
	there, err := s.changed(`DELETE FROM quarantine WHERE id = ?`, before)
	if err != nil || !there {
		return false, err
	}
	s.count(0, countQuarantined, -1)
	return true, s.exec(`UPDATE duplicates SET event = ? WHERE digest = ?`, id, a.digest)
}

// unfit says why an arrival is put aside, empty when it is taken.
func (a *arrival) unfit(now time.Time) string {
	switch {
	case a.Quarantine != "":
		return a.Quarantine
	case !a.Undated && a.Event.Time.Before(now.Add(-journal.DuplicateReach)):
		return reasonOld
	}
	return ""
}

func (s *session) quarantine(id int64, a *arrival, reason string, now time.Time) error {
	business, err := s.name(a.Event.Business)
	if err != nil {
		return err
	}
	source, err := s.name(a.Event.Source)
	if err != nil {
		return err
	}
	s.count(0, countQuarantined, 1)
	return s.exec(`INSERT INTO quarantine (id, business, source, at, reason, raw) VALUES (?, ?, ?, ?, ?, ?)`,
		id, business, source, now, reason, orEmpty(a.Raw))
}

// record is an event on its way into the tables.
type record struct {
	id       int64
	business int64
	source   int64
	kind     int64
	account  int64
	time     time.Time
	// when is the time that counts: the event's own unless its clock was wrong.
	when     time.Time
	accepted time.Time
	customer customer
	message  message
	// newest is what of the event's identity is the customer's own.
	newest connector.Identity
}

// accept writes a good event: what it says of its message, whose it is, and
// where it is pending.
func (s *session) accept(id int64, a *arrival, now time.Time) (journal.Receipt, error) {
	rec := record{id: id, time: a.Event.Time, accepted: now}
	if a.Undated {
		rec.time = now
	}
	if rec.when = rec.time; rec.when.After(now.Add(maxAhead)) {
		rec.when = now
	}
	none := journal.Receipt{}
	if err := s.nameAll(&rec, &a.Event); err != nil {
		return none, err
	}
	if err := s.findMessage(&rec, a, a.message); err != nil {
		return none, err
	}
	known, err := s.findCustomer(&rec, a)
	if err != nil {
		return none, err
	}
	same, revision := rec.message.judge(rec.kind, a)
	if same != nil && rec.message.customer == rec.customer.id {
		return journal.Receipt{Fate: journal.Duplicate, ID: same.event}, s.again(&rec, a, same.event)
	}
	s.last = id
	if err := s.assign(&rec, a, known); err != nil {
		return none, err
	}
	out := journal.Receipt{Fate: journal.Accepted, ID: id, Revision: revision}
	return out, s.keep(&rec, a, revision)
}

// maxAhead is how far in the future an event's own time is believed.
const maxAhead = 24 * time.Hour

// again takes an event that says what an earlier one did: it is news only to the
// destinations that the earlier one was not for.
func (s *session) again(rec *record, a *arrival, event int64) error {
	err := s.exec(`UPDATE duplicates SET event = ? WHERE digest = ?`, event, a.digest)
	if err != nil {
		return err
	}
	for _, r := range a.Routes {
		destination, err := s.destination(r.Destination)
		if err != nil {
			return err
		}
		_, found, err := s.outcomeAt(event, rec.customer.id, destination)
		if err != nil {
			return err
		}
		if found {
			continue
		}
		if err := s.pushNew(&pending{destination, rec.customer.id, event, event, r.Lane, rec.accepted}); err != nil {
			return err
		}
	}
	return nil
}

// keep writes an event that is news.
func (s *session) keep(rec *record, a *arrival, revision int) error {
	before := rec.message.status
	if err := s.noteMessage(rec, a, revision); err != nil {
		return err
	}
	if err := s.insertEvent(rec, a, revision, before); err != nil {
		return err
	}
	if err := s.remember(rec, a, revision); err != nil {
		return err
	}
	s.count(0, countAccepted, 1)
	return s.route(rec, a.Routes)
}

// nameAll turns the event's repeated strings into numbers.
func (s *session) nameAll(rec *record, e *connector.Event) error {
	for _, n := range []struct {
		into *int64
		text string
	}{
		{&rec.business, e.Business},
		{&rec.source, e.Source},
		{&rec.kind, string(e.Type)},
		{&rec.account, e.Account},
	} {
		id, err := s.name(n.text)
		if err != nil {
			return err
		}
		*n.into = id
	}
	return nil
}

func (s *session) insertEvent(rec *record, a *arrival, revision int, before connector.Status) error {
	status, err := s.name(string(rec.message.status))
	if err != nil {
		return err
	}
	statusBefore, err := s.name(string(before))
	if err != nil {
		return err
	}
	c := &rec.customer
	first := c.firstSeen
	if first.IsZero() {
		first = rec.accepted
	}
	return s.exec(`INSERT INTO events (id, business, source, type, account, customer, previous,
			phone, user_id, contact_name, time, accepted, after, revision, status,
			first_seen, spoke, consent, status_before, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		rec.id, rec.business, rec.source, rec.kind, rec.account, c.id, c.last,
		a.Event.Identity.Phone, a.Event.Identity.UserID, a.Event.ContactName,
		rec.time, rec.accepted, int64(a.after), revision, status,
		first, c.spoke, c.consent, statusBefore, orEmpty(a.Raw))
}

// orEmpty keeps an absent body from being stored as NULL.
func orEmpty(raw []byte) []byte {
	if raw == nil {
		return []byte{}
	}
	return raw
}
