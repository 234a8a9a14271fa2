package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/journaltest"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
)

// TestJournal is the suite, on a disk that can be full.
func TestJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(t *testing.T) journaltest.Opener {
		disk := simdisk.New(t.Name(), 1)
		t.Cleanup(disk.Close)
		return opener(sqlite.Options{Path: "journal.db", VFS: disk.Name()}, func(full bool) {
			disk.Limit(0)
			if full {
				disk.Limit(disk.Used() + 1<<20)
			}
		})
	})
}

func opener(opts sqlite.Options, full func(bool)) journaltest.Opener {
	return journaltest.Opener{
		Open: func(ctx context.Context, now func() time.Time) (journal.Journal, error) {
			opts.Now = now
			j, err := sqlite.Open(ctx, opts)
			if err != nil {
				return nil, err
			}
			return j, nil
		},
		Newer: func(t *testing.T) {
			conn, err := sqlite3.Open("file:" + opts.Path + "?vfs=" + opts.VFS + "&_pragma=locking_mode(exclusive)")
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Exec(`PRAGMA user_version = 99`); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		},
		Full: full,
	}
}
