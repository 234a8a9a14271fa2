package sqlite

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
)

// optedOut is WhatsApp's error code for a customer who stopped marketing
// messages.
const optedOut = 131050

// customer is what the journal knows of one, as it stood before the event.
// Number 0 is for events that belong to nobody.
type customer struct {
	id        int64
	key       string
	identity  connector.Identity
	firstSeen time.Time
	spoke     time.Time
	consent   int64
	last      int64
}

// match is who has a key. A number that its customer has left is retired, and
// one that is surely another person's is barred.
type match struct {
	customer int64
	retired  bool
	// left is the customer that has left the number, where it matches no more.
	left   int64
	barred bool
}

// findCustomer decides whose the event is: whom its identity belongs to, and for
// what has no identity, whose message it is about. A receipt's message chooses
// only between spellings of one number: the identity of anybody else is his own,
// such as a participant's of a group.
func (s *session) findCustomer(rec *record, a *arrival) ([]match, error) {
	known, err := s.matches(rec, a.keys)
	if err != nil {
		return nil, err
	}
	if err := s.contest(rec, a, known); err != nil {
		return nil, err
	}
	id := first(known)
	if holder, err := s.holder(rec, a, known); err != nil {
		return nil, err
	} else if holder != 0 {
		id = holder
	}
	switch {
	case id != 0:
		err = s.loadCustomer(&rec.customer, id)
	case len(a.keys) > 0:
		err = s.makeCustomer(rec, a)
	}
	if err != nil {
		return nil, err
	}
	if err := s.ownMessage(rec, a); err != nil {
		return nil, err
	}
	if m := &rec.message; m.account != 0 && m.customer == id && (len(a.keys) == 0 || a.Event.Type.IsReceipt()) {
		rec.account = m.account
	}
	return known, nil
}

// holder gives the customer whose message the event is about, where that decides:
// 0 where the event's own identity does.
func (s *session) holder(rec *record, a *arrival, known []match) (int64, error) {
	id := rec.message.customer
	if id == 0 || len(a.keys) == 0 || !a.Event.Type.IsReceipt() {
		if len(a.keys) > 0 {
			return 0, nil
		}
		return id, nil
	}
	if last := known[len(known)-1]; last.left == id {
		return id, nil
	}
	var c customer
	if err := s.loadCustomer(&c, id); err != nil {
		return 0, err
	}
	sender := a.Event.Identity
	if identity.MayBeOne(c.identity.Phone, sender.Phone) && !identity.Rivals(c.identity.UserID, sender.UserID) {
		return id, nil
	}
	return 0, nil
}

// contest settles whose a number is that comes with another user id than its
// owner's: an operator has given it to somebody else. The later one has it.
func (s *session) contest(rec *record, a *arrival, known []match) error {
	if len(known) < 2 || known[1].customer == 0 || known[0].customer == known[1].customer {
		return nil
	}
	var owner customer
	if err := s.loadCustomer(&owner, known[1].customer); err != nil {
		return err
	}
	if identity.Rivals(owner.identity.UserID, a.Event.Identity.UserID) {
		known[1] = match{left: owner.id, barred: rec.when.Before(owner.spoke)}
	}
	return nil
}

// mayBeFar reports whether the event's message can have been seen days ago: it
// is a receipt, but for the first, or has nobody's name.
func (a *arrival) mayBeFar() bool {
	e := &a.Event
	return e.Type != connector.MessageSent && (e.Type.IsReceipt() || len(a.keys) == 0)
}

// matches gives for each key the customer that has it. A number that its
// customer has left matches only what was written before.
func (s *session) matches(rec *record, keys []string) ([]match, error) {
	known := make([]match, len(keys))
	for i, key := range keys {
		_, err := s.one(func(r row) {
			retired := r.time(1)
			if retired.IsZero() || rec.when.Before(retired) {
				known[i] = match{customer: r.int(0), retired: !retired.IsZero()}
			} else {
				known[i] = match{left: r.int(0)}
			}
		}, `SELECT customer, retired FROM identities WHERE business = ? AND key = ?`, rec.business, key)
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// first gives the customer of the strongest key that has one.
func first(known []match) int64 {
	for _, m := range known {
		if m.customer != 0 {
			return m.customer
		}
	}
	return 0
}

// assign gives the customer the event's keys that nobody has, and makes those
// that are its own the newest of its identity. A late receipt gives nobody back
// a number that was left.
func (s *session) assign(rec *record, a *arrival, known []match) error {
	if rec.customer.id == 0 {
		return nil
	}
	for i, key := range a.keys {
		m := known[i]
		if m.left == rec.customer.id && a.Event.Type.IsReceipt() {
			m.barred = true
		}
		own, err := s.own(rec, key, m)
		if err != nil {
			return err
		}
		switch {
		case !own:
		case strings.HasPrefix(key, userPrefix):
			rec.newest.UserID = a.Event.Identity.UserID
		default:
			rec.newest.Phone = a.Event.Identity.Phone
		}
	}
	return nil
}

// userPrefix begins the keys of user ids; all others are of numbers.
const userPrefix = "u:"

// own makes a key the customer's where it can, and reports whether it is. A key
// of another customer says that the two are one person: that is kept as
// evidence. Joining them waits until both their queues have drained; until then
// each keeps its own.
func (s *session) own(rec *record, key string, m match) (bool, error) {
	switch {
	case m.barred:
		return false, nil
	case m.customer == rec.customer.id:
		return !m.retired, nil
	case m.customer == 0:
		return true, s.claimKey(rec, key)
	}
	var other customer
	if err := s.loadCustomer(&other, m.customer); err != nil {
		return false, err
	}
	if identity.Rivals(other.identity.UserID, rec.customer.identity.UserID) {
		return false, nil
	}
	return false, s.evidence(rec, m.customer, "identity")
}

// claimKey gives the customer a key that is nobody's, or was left by its owner.
func (s *session) claimKey(rec *record, key string) error {
	return s.exec(`INSERT INTO identities (business, key, customer, retired) VALUES (?, ?, ?, 0)
		ON CONFLICT DO UPDATE SET customer = excluded.customer, retired = 0`, rec.business, key, rec.customer.id)
}

func (s *session) evidence(rec *record, other int64, why string) error {
	a, b := min(rec.customer.id, other), max(rec.customer.id, other)
	return s.exec(`INSERT INTO evidence (business, a, b, event, why) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, rec.business, a, b, rec.id, why)
}

// makeCustomer makes a customer of the event's identity. Its key is stable for
// ever, so that a number which was somebody else's before gets a key of its own.
func (s *session) makeCustomer(rec *record, a *arrival) error {
	c := &rec.customer
	base := identity.CustomerKey(a.Event.Identity)
	for n := 1; ; n++ {
		c.key = base
		if n > 1 {
			c.key += "~" + strconv.Itoa(n)
		}
		made, err := s.changed(`INSERT INTO customers
				(business, key, phone, user_id, first_seen, spoke, consent, last)
			VALUES (?, ?, ?, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING`,
			rec.business, c.key, a.Event.Identity.Phone, a.Event.Identity.UserID, rec.accepted)
		if err != nil {
			return err
		}
		if made {
			c.id = s.conn.LastInsertRowID()
			c.firstSeen = rec.accepted
			return nil
		}
	}
}

func (s *session) loadCustomer(c *customer, id int64) error {
	_, err := s.one(func(r row) {
		c.id, c.key = r.int(0), r.text(1)
		c.identity = connector.Identity{Phone: r.text(2), UserID: r.text(3)}
		c.firstSeen, c.spoke, c.consent, c.last = r.time(4), r.time(5), r.int(6), r.int(7)
	}, `SELECT id, key, phone, user_id, first_seen, spoke, consent, last FROM customers WHERE id = ?`, id)
	return err
}

// remember folds the event into what the customer's next events will see.
func (s *session) remember(rec *record, a *arrival, revision int) error {
	c := &rec.customer
	if c.id == 0 {
		return nil
	}
	if err := s.fold(c, rec, &a.Event, revision); err != nil {
		return err
	}
	if a.newKey != "" {
		if err := s.changeNumber(rec, a); err != nil {
			return err
		}
	}
	return s.exec(`UPDATE customers SET phone = ?, user_id = ?, spoke = ?, consent = ?, last = ? WHERE id = ?`,
		c.identity.Phone, c.identity.UserID, c.spoke, c.consent, rec.id, c.id)
}

func (s *session) fold(c *customer, rec *record, e *connector.Event, revision int) error {
	c.identity.Phone = cmp.Or(rec.newest.Phone, c.identity.Phone)
	c.identity.UserID = cmp.Or(rec.newest.UserID, c.identity.UserID)
	if e.Inbound() && revision == 0 && rec.when.After(c.spoke) {
		c.spoke = rec.when
	}
	if m := e.Message; m == nil || m.Error == nil || m.Error.Code != optedOut {
		return nil
	}
	var err error
	c.consent, err = s.name(string(connector.ConsentWithdrawn))
	return err
}

// changeNumber moves the customer to the number that the event names. The old
// one is retired from matching, since operators give numbers to other people.
func (s *session) changeNumber(rec *record, a *arrival) error {
	c := &rec.customer
	c.identity.Phone = a.Event.Message.NewPhone
	if old := identity.PhoneKey(a.Event.Identity.Phone); old != "" && old != a.newKey {
		err := s.exec(`UPDATE identities SET retired = ? WHERE business = ? AND key = ? AND customer = ?`,
			rec.when, rec.business, old, c.id)
		if err != nil {
			return err
		}
	}
	known, err := s.matches(rec, []string{a.newKey})
	if err != nil {
		return err
	}
	_, err = s.own(rec, a.newKey, known[0])
	return err
}
