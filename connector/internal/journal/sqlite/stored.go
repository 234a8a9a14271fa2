package sqlite

import (
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// storedFields are the columns that an event is rebuilt from, of events e and
// its customer c, and storedColumns is their number.
const (
	storedFields = `e.id, e.business, e.source, e.type, e.account, e.phone, e.user_id, e.contact_name,
		e.time, e.accepted, e.after, e.revision, e.status, e.first_seen, e.spoke, e.consent, e.status_before,
		e.raw, coalesce(c.key, '')`
	storedColumns = 19
)

// named are the columns of an event that are numbers of names.
type named struct{ business, source, kind, account, status, consent, before int64 }

// stored runs a query that begins with storedFields; more reads its further
// columns.
func (s *session) stored(more func(r row, st *journal.Stored), sql string, args ...any) ([]journal.Stored, error) {
	var out []journal.Stored
	var numbers []named
	err := s.each(func(r row) error {
		st, n := readStored(r)
		if more != nil {
			more(r, &st)
		}
		out, numbers = append(out, st), append(numbers, n)
		return nil
	}, sql, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := s.rename(&out[i], &numbers[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readStored(r row) (journal.Stored, named) {
	st := journal.Stored{
		Event: connector.Event{
			ID:          r.int(0),
			Identity:    connector.Identity{Phone: r.text(5), UserID: r.text(6)},
			ContactName: r.text(7),
			Time:        r.time(8),
			Accepted:    r.time(9),
			Revision:    int(r.int(11)),
			CustomerKey: r.text(18),
			State:       connector.State{FirstSeen: r.time(13), LastCustomerMessage: r.time(14)},
		},
		After: journal.Mark(r.int(10)),
		Raw:   r.blob(17),
	}
	return st, named{
		business: r.int(1), source: r.int(2), kind: r.int(3), account: r.int(4),
		status: r.int(12), consent: r.int(15), before: r.int(16),
	}
}

// rename puts the names in the place of their numbers.
func (s *session) rename(st *journal.Stored, n *named) error {
	var kind, status, consent, before string
	for _, f := range []struct {
		into *string
		id   int64
	}{
		{&st.Event.Business, n.business},
		{&st.Event.Source, n.source},
		{&kind, n.kind},
		{&st.Event.Account, n.account},
		{&status, n.status},
		{&consent, n.consent},
		{&before, n.before},
	} {
		text, err := s.text(f.id)
		if err != nil {
			return err
		}
		*f.into = text
	}
	st.Event.Type = connector.EventType(kind)
	st.Status = connector.Status(status)
	st.Event.State.Consent = connector.Consent(consent)
	st.Event.State.MessageStatus = connector.Status(before)
	return nil
}
