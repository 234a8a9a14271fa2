package sqlite

import (
	"encoding/binary"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// farDays is how far back a message is looked for when nothing else says whose
// an event is.
const farDays = 30

// message is what the journal knows of one WhatsApp message.
type message struct {
	found    bool
	day      int64
	customer int64
	account  int64
	status   connector.Status
	// revisions holds how many events of each type came, as pairs of varints.
	revisions []byte
}

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// findMessage looks the event's message up on the event's own day and those
// beside it.
func (s *session) findMessage(rec *record, a *arrival) error {
	day := dayOf(rec.time)
	rec.message.day = day
	if a.message == nil {
		return nil
	}
	for _, d := range []int64{day, day - 1, day + 1} {
		if d > s.newestDay {
			continue
		}
		if err := s.loadMessage(&rec.message, d, a.message); err != nil || rec.message.found {
			return err
		}
	}
	return nil
}

// findFarMessage looks further back. It is called only for events that say too
// little of themselves, since each day costs a look-up.
func (s *session) findFarMessage(rec *record, a *arrival) error {
	if a.message == nil {
		return nil
	}
	day := dayOf(rec.time)
	for d := day - 2; d >= day-farDays && !rec.message.found; d-- {
		if err := s.loadMessage(&rec.message, d, a.message); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) loadMessage(m *message, day int64, digest []byte) error {
	var status int64
	found, err := s.one(func(r row) {
		m.customer, m.account, status, m.revisions = r.int(0), r.int(1), r.int(2), r.blob(3)
	}, `SELECT customer, account, status, revisions FROM messages WHERE day = ? AND digest = ?`, day, digest)
	if err != nil || !found {
		return err
	}
	m.found, m.day = true, day
	text, err := s.text(status)
	m.status = connector.Status(text)
	return err
}

// noteMessage advances the message by what the event says, and gives the event's
// revision: how many events of the same type and id came before.
func (s *session) noteMessage(rec *record, a *arrival) (int, error) {
	if a.Event.Message == nil {
		return 0, nil
	}
	m := &rec.message
	if next := a.Event.Message.Status; next != connector.StatusNone {
		m.status = m.status.Advance(next)
	}
	if a.message == nil {
		return 0, nil
	}
	status, err := s.name(string(m.status))
	if err != nil {
		return 0, err
	}
	s.newestDay = max(s.newestDay, m.day)
	var revision int
	m.revisions, revision = countRevision(m.revisions, rec.kind)
	if m.customer == 0 {
		m.customer, m.account = rec.customer.id, rec.account
	}
	return revision, s.exec(`INSERT INTO messages (day, digest, customer, account, status, revisions)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
			customer = excluded.customer, account = excluded.account,
			status = excluded.status, revisions = excluded.revisions`,
		m.day, a.message, m.customer, m.account, status, m.revisions)
}

// countRevision adds one to the type's count and gives the count before.
func countRevision(counts []byte, kind int64) ([]byte, int) {
	out := make([]byte, 0, len(counts)+4)
	before := uint64(0)
	for len(counts) > 0 {
		k, n := binary.Uvarint(counts)
		if n <= 0 {
			break
		}
		v, m := binary.Uvarint(counts[n:])
		if m <= 0 {
			break
		}
		counts = counts[n+m:]
		if k == uint64(kind) {
			before = v
			continue
		}
		out = binary.AppendUvarint(binary.AppendUvarint(out, k), v)
	}
	out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(kind)), before+1)
	return out, int(before)
}
