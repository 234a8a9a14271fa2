package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
)

// step is one call of the scripted workload.
type step func(t *testing.T, j *Journal) error

// script uses every table: new customers, receipts, duplicates, revisions, bad
// elements, a whole round with intents and links, dead letters and their return.
func script() []step {
	steps := []step{
		appending(event("m1", "+918856879188", connector.MessageReceived), event("m2", "+918856879199", connector.MessageReceived)),
		appending(event("m1", "+918856879188", connector.MessageReceived), journal.Entry{Raw: []byte("?"), Quarantine: "unreadable"}),
		intending, linking,
		appending(event("m3", "+918856879188", connector.MessageSent), event("m3", "+918856879188", connector.MessageRead)),
		ending(journal.StateDead), reviving, ending(journal.StateDelivered),
		func(t *testing.T, j *Journal) error {
			_, err := j.Requeue(t.Context(), "crm", journal.Filter{})
			return err
		},
		ending(journal.StateSkipped),
	}
	for i := range 6 {
		batch := make([]journal.Entry, 10)
		for k := range batch {
			batch[k] = event(fmt.Sprintf("b%d-%d", i, k), fmt.Sprintf("+9188568%05d", 7*k+i), connector.MessageReceived)
		}
		steps = append(steps, appending(batch...))
	}
	return append(steps, ending(journal.StateDelivered), ending(journal.StateDelivered))
}

var scriptStart = time.Date(2026, 6, 2, 10, 0, 0, 0, time.UTC)

func event(id, phone string, kind connector.EventType) journal.Entry {
	return journal.Entry{
		Raw: fmt.Appendf(nil, `{"id":%q,"phone":%q,"type":%q,"padding":%q}`, id, phone, kind, strings.Repeat("x", 700)),
		Event: connector.Event{
			Source: "main", Type: kind, Time: scriptStart, Account: "15550199999",
			Identity: connector.Identity{Phone: phone}, Message: &connector.Message{ID: id},
		},
		Routes: []journal.Route{{Destination: "crm"}},
	}
}

func appending(entries ...journal.Entry) step {
	return func(t *testing.T, j *Journal) error {
		_, err := j.Append(t.Context(), j.Mark(), entries)
		return err
	}
}

func claims(t *testing.T, j *Journal) ([]journal.Claim, error) {
	return j.Claim(t.Context(), journal.ClaimRequest{Destination: "crm", Now: scriptStart, Customers: 5, Events: 20})
}

func intending(t *testing.T, j *Journal) error {
	return writing1(t, j, func(c *journal.Claim, d *journal.Delta) {
		id := c.Events[0].Event.ID
		d.Pin = map[int64][]byte{id: []byte(`{"rules":["r"]}`)}
		d.Intend = []journal.Intent{{Link: linkOf(c), Event: id, Deadline: scriptStart}}
	})
}

func linking(t *testing.T, j *Journal) error {
	return writing1(t, j, func(c *journal.Claim, d *journal.Delta) {
		d.Link = []journal.Link{linkOf(c)}
		d.Settle = []journal.LinkKey{linkOf(c).LinkKey}
		d.State = &journal.DestinationState{LastSuccess: scriptStart}
	})
}

func linkOf(c *journal.Claim) journal.Link {
	return journal.Link{
		LinkKey: journal.LinkKey{Customer: c.Customer.ID, Kind: connector.KindTicket, Key: "t"}, ID: "1", Current: true,
	}
}

// writing1 writes a delta about the first customer that is due.
func writing1(t *testing.T, j *Journal, fill func(*journal.Claim, *journal.Delta)) error {
	found, err := claims(t, j)
	if err != nil {
		return err
	}
	var d journal.Delta
	fill(&found[0], &d)
	return j.Write(t.Context(), "crm", &d)
}

// ending gives everything that is due one end.
func ending(state journal.State) step {
	return func(t *testing.T, j *Journal) error {
		found, err := claims(t, j)
		if err != nil {
			return err
		}
		var d journal.Delta
		for i := range found {
			for k := range found[i].Events {
				key := journal.PendingKey{Customer: found[i].Customer.ID, Event: found[i].Events[k].Event.ID}
				d.Outcomes = append(d.Outcomes, journal.Outcome{PendingKey: key, State: state, Reason: "why", At: scriptStart})
			}
			d.Release = append(d.Release, journal.Release{Customer: found[i].Customer.ID})
		}
		return j.Write(t.Context(), "crm", &d)
	}
}

func reviving(t *testing.T, j *Journal) error {
	listed, err := j.List(t.Context(), journal.Filter{Destination: "crm", State: journal.StateDead})
	if err != nil {
		return err
	}
	var d journal.Delta
	for i := range listed {
		d.Revive = append(d.Revive, listed[i].Outcome.PendingKey)
	}
	return j.Write(t.Context(), "crm", &d)
}

func openSim(t *testing.T, disk *simdisk.Disk) (*Journal, error) {
	return Open(t.Context(), Options{
		Path: "journal.db", VFS: disk.Name(), Now: func() time.Time { return scriptStart }, CheckpointPages: 40, Idle: -1,
	})
}

// dump gives every row of every table, and checks the file while it is there.
func dump(t *testing.T, j *Journal) string {
	t.Helper()
	var out strings.Builder
	err := j.group.do(t.Context(), true, func(s *session) error {
		for _, sql := range dumpQueries(t, s) {
			fmt.Fprintln(&out, sql)
			err := s.each(func(r row) error {
				for i := range r.stmt.ColumnCount() {
					fmt.Fprintf(&out, "%s|", r.text(i))
				}
				out.WriteByte('\n')
				return nil
			}, sql)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	if !strings.Contains(out.String(), "PRAGMA integrity_check\nok|\n") {
		t.Fatalf("integrity check: %s", out.String()[:min(out.Len(), 500)])
	}
	return out.String()
}

func dumpQueries(t *testing.T, s *session) []string {
	queries := []string{`PRAGMA integrity_check`}
	err := s.each(func(r row) error {
		queries = append(queries, `SELECT * FROM `+r.text(0))
		return nil
	}, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	return queries
}

// rehearsal runs the script on a healthy disk. It gives what the journal holds
// before the first step and after each, and how many operations the disk had.
func rehearsal(t *testing.T) (dumps []string, ops int) {
	t.Helper()
	disk := simdisk.New(t.Name()+"/rehearsal", 1)
	defer disk.Close()
	j, err := openSim(t, disk)
	if err != nil {
		t.Fatal(err)
	}
	dumps = append(dumps, dump(t, j))
	for i, s := range script() {
		if err := s(t, j); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		dumps = append(dumps, dump(t, j))
	}
	checkQueue(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dumps, disk.Ops()
}

// TestCrash cuts the power at every operation of the disk. After the restart the
// journal holds what it held after the last answered step, or all of the step
// that was cut; and the script goes on to the same end.
func TestCrash(t *testing.T) {
	t.Parallel()
	dumps, ops := rehearsal(t)
	for n := range ops {
		disk := simdisk.New(fmt.Sprintf("%s/%d", t.Name(), n), uint64(n))
		disk.CrashAfter(n)
		done := play(t, disk, 0)
		// Every third restart is cut as well, in its recovery.
		if disk.Restart(); n%3 == 0 {
			disk.CrashAfter(n % 7)
			if j, err := openSim(t, disk); err == nil {
				_ = j.Close()
			}
			disk.Restart()
		}
		done = resume(t, disk, n, done, dumps)
		if got := play(t, disk, done); got != len(dumps)-1 {
			t.Fatalf("crash at operation %d: the script stops at step %d", n, got)
		}
		disk.Close()
	}
}

// play runs the script from a step on, until the disk fails or the end, and
// gives how many steps are answered.
func play(t *testing.T, disk *simdisk.Disk, from int) int {
	j, err := openSim(t, disk)
	if err != nil {
		return from
	}
	defer func() { _ = j.Close() }()
	steps := script()
	for i := from; i < len(steps); i++ {
		if err := steps[i](t, j); err != nil {
			return i
		}
	}
	return len(steps)
}

// resume checks what a restart finds, and gives the step to go on with.
func resume(t *testing.T, disk *simdisk.Disk, n, done int, dumps []string) int {
	t.Helper()
	j, err := openSim(t, disk)
	if err != nil {
		t.Fatalf("crash at operation %d: %v", n, err)
	}
	defer func() { _ = j.Close() }()
	checkQueue(t, j)
	got := dump(t, j)
	switch {
	case got == dumps[done]:
		return done
	case done+1 < len(dumps) && got == dumps[done+1]:
		return done + 1
	}
	t.Fatalf("crash at operation %d: after %d answered steps the journal holds %s", n, done, difference(got, dumps[done]))
	return 0
}

// difference says where two dumps part.
func difference(got, wanted string) string {
	g, w := strings.Split(got, "\n"), strings.Split(wanted, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("%.200q where %.200q should be (of %d and %d lines)", g[i], w[i], len(g), len(w))
		}
	}
	return fmt.Sprintf("%d lines where %d should be", len(g), len(w))
}

// TestFailure fails every operation of the disk once. The step that meets it may
// fail, and then has written nothing; the journal goes on by itself.
func TestFailure(t *testing.T) {
	t.Parallel()
	dumps, ops := rehearsal(t)
	for n := range ops {
		disk := simdisk.New(fmt.Sprintf("%s/%d", t.Name(), n), uint64(n))
		j, err := openSim(t, disk)
		if err != nil {
			t.Fatal(err)
		}
		disk.FailAfter(n, 1+n%2)
		for i, s := range script() {
			for s(t, j) != nil {
				if got := dump(t, j); got != dumps[i] {
					t.Fatalf("failure at operation %d: step %d failed and left %s", n, i, difference(got, dumps[i]))
				}
			}
		}
		disk.Crash()
		disk.Restart()
		_ = j.Close()
		if last := len(dumps) - 1; resume(t, disk, n, last, dumps) != last {
			t.Fatalf("failure at operation %d: the end is not there after a crash", n)
		}
		disk.Close()
	}
}

// checkQueue compares the sums that are kept with the rows that they sum up.
func checkQueue(t *testing.T, j *Journal) {
	t.Helper()
	for what, sql := range map[string]string{
		"queue rows": `SELECT count(*) FROM (
			SELECT destination, customer, count(*) n, sum(lane = 0) threads FROM pending GROUP BY 1, 2) p
			FULL JOIN queue q USING (destination, customer)
			WHERE p.n IS NOT q.events OR p.threads IS NOT q.threads OR q.lane IS NOT (p.threads = 0)`,
		"pending counters": `SELECT count(*) FROM counters c WHERE c.name = 'pending'
			AND n <> (SELECT count(*) FROM pending p WHERE p.destination = c.destination)`,
		"customer counters": `SELECT count(*) FROM counters c WHERE c.name = 'customers'
			AND n <> (SELECT count(*) FROM queue q WHERE q.destination = c.destination)`,
		"accepted counter": `SELECT count(*) FROM counters WHERE name = 'accepted'
			AND n <> (SELECT count(*) FROM events)`,
		"pins of ended events": `SELECT count(*) FROM pins JOIN outcomes USING (event, destination) WHERE state > 1`,
	} {
		var wrong int64
		err := j.group.do(t.Context(), true, func(s *session) (err error) {
			wrong, err = s.number(sql)
			return err
		})
		if err != nil || wrong != 0 {
			t.Fatalf("%s: %d do not fit: %v", what, wrong, err)
		}
	}
}

// TestMigrate cuts the power at every operation of a migration, and has one that
// can't succeed.
func TestMigrate(t *testing.T) {
	t.Parallel()
	next := append(append([]string(nil), migrations...), `ALTER TABLE events ADD COLUMN extra TEXT; CREATE TABLE more (id);`)
	for n := 0; ; n++ {
		disk := simdisk.New(fmt.Sprintf("%s/%d", t.Name(), n), uint64(n))
		if play(t, disk, 0) != len(script()) {
			t.Fatal("the script failed on a healthy disk")
		}
		s := connectSim(t, disk, migrations)
		disk.CrashAfter(n)
		err := s.migrate(next)
		_ = s.close()
		crashed := disk.Crashed()
		disk.Restart()
		if err == nil {
			if _, err := openSim(t, disk); !errors.Is(err, journal.ErrNewer) {
				t.Fatalf("crash at operation %d: the migration succeeded and is gone: %v", n, err)
			}
		}
		s = connectSim(t, disk, next)
		if _, err := s.number(`SELECT count(extra) FROM events, more`); err != nil {
			t.Fatal(err)
		}
		if err := s.migrate(append(next, `NONSENSE`)); err == nil {
			t.Fatal("a migration that makes no sense succeeded")
		}
		_ = s.close()
		disk.Close()
		if !crashed {
			return
		}
	}
}

func connectSim(t *testing.T, disk *simdisk.Disk, schema []string) *session {
	t.Helper()
	opts := Options{Path: "journal.db", VFS: disk.Name()}
	if err := opts.validate(); err != nil {
		t.Fatal(err)
	}
	s, err := connect(t.Context(), opts, schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
