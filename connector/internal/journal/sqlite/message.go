package sqlite

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// farDays is how far back a message is looked for where the event is one that can
// come days later, or where nothing else says whose it is.
const farDays = 30

// message is what the journal knows of one WhatsApp message.
type message struct {
	found bool
	// key names the message in the table.
	key      []byte
	day      int64
	customer int64
	account  int64
	status   connector.Status
	readings []reading
}

// reading is what one event said of its message.
type reading struct {
	kind     int64
	revision int
	event    int64
	// content says that the event brought what the message says.
	content bool
	digest  []byte
}

// maxReadings bounds what is remembered of one message.
const maxReadings = 64

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// findMessage looks a message up on the event's own day and those beside it, and
// further back where the event can come days later.
func (s *session) findMessage(rec *record, a *arrival, key []byte) error {
	day := dayOf(rec.when)
	m := &rec.message
	*m = message{day: day, key: key}
	if key == nil {
		return nil
	}
	for _, d := range []int64{day, day - 1, day + 1} {
		if err := s.loadMessage(m, d); err != nil || m.found {
			return err
		}
	}
	if !a.mayBeFar() {
		return nil
	}
	for d := day - 2; d >= max(day-farDays, s.oldestDay) && !m.found; d-- {
		if err := s.loadMessage(m, d); err != nil {
			return err
		}
	}
	return nil
}

// ownMessage looks again for the message of an event whose customer is another
// than the message's: each participant of a group has receipts of one message,
// and nobody's are somebody else's.
func (s *session) ownMessage(rec *record, a *arrival) error {
	m := &rec.message
	if m.customer == 0 || rec.customer.id == 0 || m.customer == rec.customer.id {
		return nil
	}
	return s.findMessage(rec, a, digestOf(a.Event.Business, a.Event.Message.ID, rec.customer.key))
}

func (s *session) loadMessage(m *message, day int64) error {
	if day > s.newestDay || day < s.oldestDay {
		return nil
	}
	var status int64
	found, err := s.one(func(r row) {
		m.customer, m.account, status, m.readings = r.int(0), r.int(1), r.int(2), decodeReadings(r.blob(3))
	}, `SELECT customer, account, status, readings FROM messages WHERE day = ? AND digest = ?`, day, m.key)
	if err != nil || !found {
		return err
	}
	m.found, m.day = true, day
	text, err := s.text(status)
	m.status = connector.Status(text)
	return err
}

// judge compares what an event says with what others of its type said of the
// same message: same is the one that said it before, nil when it is news, and
// revision the number of the news.
func (m *message) judge(kind int64, a *arrival) (same *reading, revision int) {
	content := false
	for i := range m.readings {
		r := &m.readings[i]
		if r.kind != kind {
			continue
		}
		switch {
		case bytes.Equal(r.digest, a.reading):
			return r, r.revision
		case a.isBare() && same == nil:
			same = r
		}
		content = content || r.content
		revision = max(revision, r.revision+1)
	}
	// The first words of a message of the business are no edit of it.
	if same == nil && !content && a.hasContent() && a.Event.Type == connector.MessageSent {
		revision = 0
	}
	return same, revision
}

// noteMessage advances the message by what the event says.
func (s *session) noteMessage(rec *record, a *arrival, revision int) error {
	if a.Event.Message == nil {
		return nil
	}
	m := &rec.message
	if next := a.Event.Message.Status; next != connector.StatusNone {
		m.status = m.status.Advance(next)
	}
	if m.key == nil {
		return nil
	}
	status, err := s.name(string(m.status))
	if err != nil {
		return err
	}
	s.newestDay, s.oldestDay = max(s.newestDay, m.day), min(s.oldestDay, m.day)
	m.readings = append(m.readings, reading{rec.kind, revision, rec.id, a.hasContent(), a.reading})
	if m.customer == 0 {
		m.customer, m.account = rec.customer.id, rec.account
	}
	return s.exec(`INSERT INTO messages (day, digest, customer, account, status, readings)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
			customer = excluded.customer, account = excluded.account,
			status = excluded.status, readings = excluded.readings`,
		m.day, m.key, m.customer, m.account, status, encodeReadings(m.readings))
}

// readingBytes is how much of a digest one message's readings are told apart by.
const readingBytes = 8

// readingOf is the same for events that say the same of a message, whatever
// dialect, source, time and short-lived link they have.
func readingOf(m *connector.Message) []byte {
	parts := []string{m.Type, m.Text, m.Caption, m.ReplyTo, string(m.Status), m.NewPhone}
	if f := m.Media; f != nil && f.ID != "" {
		parts = append(parts, "media", f.ID)
	} else if f != nil {
		parts = append(parts, "file", f.Filename, f.MIMEType)
	}
	if e := m.Error; e != nil {
		parts = append(parts, "error", strconv.Itoa(e.Code), e.Title, e.Detail)
	}
	return digestOf(parts...)[:readingBytes]
}

// hasContent reports whether the event brought what the message says.
func (a *arrival) hasContent() bool {
	m := a.Event.Message
	return m != nil && (m.Text != "" || m.Caption != "" || m.Media != nil)
}

// isBare reports whether the event is a receipt that says nothing but its name.
func (a *arrival) isBare() bool {
	return a.Event.Type.IsReceipt() && !a.hasContent() && a.Event.Message.Error == nil
}

// encodeReadings writes four varints and a digest for each reading.
func encodeReadings(readings []reading) []byte {
	readings = readings[max(0, len(readings)-maxReadings):]
	out := make([]byte, 0, 16*len(readings))
	for i := range readings {
		r := &readings[i]
		content := uint64(0)
		if r.content {
			content = 1
		}
		for _, n := range [...]uint64{uint64(r.kind), uint64(r.revision), uint64(r.event), content} {
			out = binary.AppendUvarint(out, n)
		}
		out = append(out, r.digest...)
	}
	return out
}

// decodeReadings reads as far as it can.
func decodeReadings(b []byte) []reading {
	var out []reading
	for len(b) > 0 {
		var n [4]uint64
		for i := range n {
			size := 0
			if n[i], size = binary.Uvarint(b); size <= 0 {
				return out
			}
			b = b[size:]
		}
		if len(b) < readingBytes {
			return out
		}
		out = append(out, reading{int64(n[0]), int(n[1]), int64(n[2]), n[3] == 1, b[:readingBytes:readingBytes]})
		b = b[readingBytes:]
	}
	return out
}
