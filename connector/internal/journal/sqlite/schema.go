package sqlite

import (
	"fmt"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// migrations bring a journal from one version to the next; their number is the
// version. They are never edited once released, only added to.
//
// Names (of businesses, sources, accounts, types, destinations, statuses, rules)
// are numbers of the table names. Times are microseconds since 1970, 0 for none.
var migrations = []string{schema1}

const schema1 = `
CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);

CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE counters (
	destination INTEGER NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (destination, name)) WITHOUT ROWID, STRICT;

-- previous is the customer's event before this one, so that a customer's events
-- can be walked without an index.
CREATE TABLE events (
	id INTEGER PRIMARY KEY,
	business INTEGER NOT NULL, source INTEGER NOT NULL, type INTEGER NOT NULL,
	account INTEGER NOT NULL, customer INTEGER NOT NULL, previous INTEGER NOT NULL,
	phone TEXT NOT NULL, user_id TEXT NOT NULL, contact_name TEXT NOT NULL,
	time INTEGER NOT NULL, accepted INTEGER NOT NULL, after INTEGER NOT NULL,
	revision INTEGER NOT NULL, status INTEGER NOT NULL,
	first_seen INTEGER NOT NULL, spoke INTEGER NOT NULL, consent INTEGER NOT NULL,
	status_before INTEGER NOT NULL,
	raw BLOB NOT NULL) STRICT;

-- digest begins with the event's own time, so that new rows are neighbours.
CREATE TABLE duplicates (
	digest BLOB PRIMARY KEY, event INTEGER NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE quarantine (
	id INTEGER PRIMARY KEY,
	business INTEGER NOT NULL, source INTEGER NOT NULL, at INTEGER NOT NULL,
	reason TEXT NOT NULL, raw BLOB NOT NULL) STRICT;

-- readings holds what each event of the message said, as message.go writes it.
CREATE TABLE messages (
	day INTEGER NOT NULL, digest BLOB NOT NULL,
	customer INTEGER NOT NULL, account INTEGER NOT NULL, status INTEGER NOT NULL,
	readings BLOB NOT NULL,
	PRIMARY KEY (day, digest)) WITHOUT ROWID, STRICT;

-- last is the customer's newest event.
CREATE TABLE customers (
	id INTEGER PRIMARY KEY,
	business INTEGER NOT NULL, key TEXT NOT NULL,
	phone TEXT NOT NULL, user_id TEXT NOT NULL,
	first_seen INTEGER NOT NULL, spoke INTEGER NOT NULL, consent INTEGER NOT NULL,
	last INTEGER NOT NULL,
	UNIQUE (business, key)) STRICT;

-- retired is since when the customer has left the number, 0 while it is its own.
CREATE TABLE identities (
	business INTEGER NOT NULL, key TEXT NOT NULL,
	customer INTEGER NOT NULL, retired INTEGER NOT NULL,
	PRIMARY KEY (business, key)) WITHOUT ROWID, STRICT;

-- evidence says that two customers are one person: customer a should take b in.
CREATE TABLE evidence (
	business INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
	event INTEGER NOT NULL, why TEXT NOT NULL,
	PRIMARY KEY (business, a, b)) WITHOUT ROWID, STRICT;

CREATE TABLE destinations (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;

-- place is the event's number, or a later one for an event that was queued again.
CREATE TABLE pending (
	destination INTEGER NOT NULL, customer INTEGER NOT NULL, place INTEGER NOT NULL,
	event INTEGER NOT NULL, lane INTEGER NOT NULL, since INTEGER NOT NULL,
	PRIMARY KEY (destination, customer, place)) WITHOUT ROWID, STRICT;

-- One row for each customer with something pending: how much, how much of it is
-- of the thread, and since when. held is 1 until due has passed.
CREATE TABLE queue (
	destination INTEGER NOT NULL, customer INTEGER NOT NULL,
	events INTEGER NOT NULL, threads INTEGER NOT NULL,
	held INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER NOT NULL,
	since INTEGER NOT NULL, attempts INTEGER NOT NULL, stuck INTEGER NOT NULL,
	PRIMARY KEY (destination, customer)) WITHOUT ROWID, STRICT;
CREATE INDEX queue_due ON queue (destination, held, lane, due);

CREATE TABLE pins (
	event INTEGER NOT NULL, destination INTEGER NOT NULL, mapped BLOB NOT NULL,
	PRIMARY KEY (event, destination)) WITHOUT ROWID, STRICT;

-- link is what to remember when the call turns out to be done, as JSON.
CREATE TABLE intents (
	destination INTEGER NOT NULL, customer INTEGER NOT NULL,
	kind INTEGER NOT NULL, key TEXT NOT NULL,
	event INTEGER NOT NULL, link TEXT NOT NULL,
	deadline INTEGER NOT NULL, settled INTEGER NOT NULL, job TEXT NOT NULL,
	repeats INTEGER NOT NULL, held INTEGER NOT NULL,
	PRIMARY KEY (destination, customer, kind, key)) WITHOUT ROWID, STRICT;

-- class: 0 contact, 1 current ticket, 2 earlier ticket, 3 comment; what a claim
-- needs stands together.
CREATE TABLE links (
	destination INTEGER NOT NULL, customer INTEGER NOT NULL,
	class INTEGER NOT NULL, key TEXT NOT NULL,
	id TEXT NOT NULL, url TEXT NOT NULL, account TEXT NOT NULL,
	condition TEXT NOT NULL, seen INTEGER NOT NULL, active INTEGER NOT NULL,
	ticket TEXT NOT NULL, written TEXT NOT NULL,
	PRIMARY KEY (destination, customer, class, key)) WITHOUT ROWID, STRICT;

-- An event that is pending for the first time has no row here. One that is
-- pending again has its place.
CREATE TABLE outcomes (
	event INTEGER NOT NULL, destination INTEGER NOT NULL,
	state INTEGER NOT NULL, lane INTEGER NOT NULL, place INTEGER NOT NULL,
	rule INTEGER NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (event, destination)) WITHOUT ROWID, STRICT;

-- The words of dead letters.
CREATE TABLE reasons (
	event INTEGER NOT NULL, destination INTEGER NOT NULL,
	code TEXT NOT NULL, reason TEXT NOT NULL,
	PRIMARY KEY (event, destination)) WITHOUT ROWID, STRICT;

CREATE TABLE unknown (
	id INTEGER PRIMARY KEY,
	destination INTEGER NOT NULL, customer INTEGER NOT NULL,
	kind INTEGER NOT NULL, key TEXT NOT NULL, event INTEGER NOT NULL,
	decision TEXT NOT NULL, at INTEGER NOT NULL) STRICT;

CREATE TABLE reservations (
	destination INTEGER NOT NULL, until INTEGER NOT NULL, id INTEGER NOT NULL,
	at INTEGER NOT NULL, calls INTEGER NOT NULL,
	PRIMARY KEY (destination, until, id)) WITHOUT ROWID, STRICT;
`

// migrate brings the journal to this version, each step in its own transaction.
func (s *session) migrate(steps []string) error {
	version, err := s.number(`PRAGMA user_version`)
	if err != nil {
		return err
	}
	if int(version) > len(steps) {
		return fmt.Errorf("%w (schema %d, this one knows %d)", journal.ErrNewer, version, len(steps))
	}
	for v := int(version); v < len(steps); v++ {
		if err := s.step(steps[v], v+1); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", v+1, err)
		}
	}
	return nil
}

func (s *session) step(sql string, version int) error {
	if err := s.conn.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := s.conn.Exec(sql)
	if err == nil {
		err = s.conn.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, version))
	}
	if err == nil {
		err = s.conn.Exec(`COMMIT`)
	}
	if err != nil {
		s.rollback()
	}
	return err
}
