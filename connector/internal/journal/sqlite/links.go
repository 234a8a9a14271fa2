package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Links looks links up by key; those that do not exist are left out.
func (j *Journal) Links(ctx context.Context, destination string, keys []journal.LinkKey) ([]journal.Link, error) {
	var out []journal.Link
	err := j.group.do(ctx, true, func(s *session) error {
		id, err := s.nameOf(destination)
		if err != nil {
			return err
		}
		out, err = s.linksOf(id, keys)
		return err
	})
	if err != nil {
		return nil, said("look links up", err)
	}
	return out, nil
}

func (s *session) linksOf(destination int64, keys []journal.LinkKey) ([]journal.Link, error) {
	var out []journal.Link
	for _, k := range keys {
		from, to, err := classesOf(k.Kind)
		if err != nil {
			return nil, err
		}
		found, err := s.links(`WHERE destination = ? AND customer = ? AND class >= ? AND class <= ? AND key = ?`,
			destination, k.Customer, from, to, k.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// links reads the links that a condition chooses.
func (s *session) links(where string, args ...any) ([]journal.Link, error) {
	var out []journal.Link
	err := s.each(func(r row) error {
		l := journal.Link{
			LinkKey: journal.LinkKey{Customer: r.int(0), Kind: kindOfClass(r.int(1)), Key: r.text(2)},
			ID:      r.text(3), URL: r.text(4), Account: r.text(5), Current: r.int(1) == classCurrent,
			Condition: connector.Condition(r.text(6)), Seen: r.time(7), Active: r.time(8), Ticket: r.text(9),
		}
		if written := r.text(10); written != "" {
			if err := json.Unmarshal([]byte(written), &l.Written); err != nil {
				return fmt.Errorf("read what was written to a %s: %w", l.Kind, err)
			}
		}
		out = append(out, l)
		return nil
	}, `SELECT customer, class, key, id, url, account, condition, seen, active, ticket, written
		FROM links `+where+` ORDER BY class, key`, args...)
	return out, err
}

// link writes a link. A current ticket takes the place of the conversation's
// other tickets.
func (s *session) link(destination int64, l *journal.Link) error {
	if err := s.unlink(destination, l.LinkKey); err != nil {
		return err
	}
	class, err := classOf(l.Kind, l.Current)
	if err != nil {
		return err
	}
	if class == classCurrent {
		if err := s.retireTickets(destination, l); err != nil {
			return err
		}
	}
	written := ""
	if len(l.Written) > 0 {
		text, err := json.Marshal(l.Written)
		if err != nil {
			return err
		}
		written = string(text)
	}
	return s.exec(`INSERT INTO links (destination, customer, class, key, id, url, account, condition,
			seen, active, ticket, written)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, destination, l.Customer, class, l.Key, l.ID, l.URL,
		l.Account, string(l.Condition), l.Seen, l.Active, l.Ticket, written)
}

func (s *session) retireTickets(destination int64, l *journal.Link) error {
	return s.exec(`UPDATE links SET class = ? WHERE destination = ? AND customer = ? AND class = ? AND account = ?`,
		classFormer, destination, l.Customer, classCurrent, l.Account)
}

func (s *session) unlink(destination int64, k journal.LinkKey) error {
	from, to, err := classesOf(k.Kind)
	if err != nil {
		return err
	}
	return s.exec(`DELETE FROM links WHERE destination = ? AND customer = ? AND class >= ? AND class <= ? AND key = ?`,
		destination, k.Customer, from, to, k.Key)
}

// intents gives a customer's creates whose end is not known.
func (s *session) intents(destination, customer int64) ([]journal.Intent, error) {
	var out []journal.Intent
	err := s.each(func(r row) error {
		in := journal.Intent{
			Event: r.int(1), Deadline: r.time(2), Settled: r.time(3), Job: r.text(4),
			Repeats: int(r.int(5)), Held: r.bool(6),
		}
		if err := json.Unmarshal([]byte(r.text(0)), &in.Link); err != nil {
			return fmt.Errorf("read intent: %w", err)
		}
		out = append(out, in)
		return nil
	}, `SELECT link, event, deadline, settled, job, repeats, held FROM intents
		WHERE destination = ? AND customer = ? ORDER BY kind, key`, destination, customer)
	return out, err
}
