package sqlite

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
)

// small are the tables that do not grow with the events.
var small = regexp.MustCompile(`^SCAN (json_each|sequence|destinations|counters|walk|CONSTANT ROW)`)

// asked are the questions of people that may look at more than they answer.
var asked = []string{`min(since)`, `FROM quarantine`, `ORDER BY id DESC`, `ORDER BY event DESC`, `integrity_check`}

// TestPlans has every statement of the workload explained: none of them may look
// at a table from end to end or sort what it finds, since its cost would grow
// with the journal.
func TestPlans(t *testing.T) {
	t.Parallel()
	disk := simdisk.New(t.Name(), 1)
	defer disk.Close()
	j, err := openSim(t, disk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	for i, s := range script() {
		if err := s(t, j); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	askAll(t, j)
	for sql, steps := range plans(t, j) {
		for _, step := range steps {
			bad := strings.HasPrefix(step, "SCAN") && !small.MatchString(step) || strings.Contains(step, "TEMP B-TREE")
			if bad && !mayLookAround(sql) {
				t.Errorf("%s\n%s", step, sql)
			}
		}
	}
}

func askAll(t *testing.T, j *Journal) {
	t.Helper()
	ctx := t.Context()
	if _, err := j.Waiting(ctx, journal.WaitingRequest{Destination: "crm", Now: scriptStart, Count: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Links(ctx, "crm", []journal.LinkKey{linkOf(&journal.Claim{}).LinkKey}); err != nil {
		t.Fatal(err)
	}
	if err := j.Reserve(ctx, "crm", journal.Reservation{At: scriptStart, Until: scriptStart}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Reserved(ctx, "crm", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.List(ctx, journal.Filter{Customer: "+918856879188"}); err != nil {
		t.Fatal(err)
	}
}

func mayLookAround(sql string) bool {
	for _, part := range asked {
		if strings.Contains(sql, part) {
			return true
		}
	}
	return false
}

// plans explains every statement that the journal has prepared.
func plans(t *testing.T, j *Journal) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := j.group.do(t.Context(), true, func(s *session) error {
		for sql := range s.stmts {
			if strings.HasPrefix(sql, "PRAGMA") {
				continue
			}
			stmt, _, err := s.conn.Prepare(`EXPLAIN QUERY PLAN ` + sql)
			if err != nil {
				return err
			}
			for stmt.Step() {
				out[sql] = append(out[sql], stmt.ColumnText(3))
			}
			if err := stmt.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
