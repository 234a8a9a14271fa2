package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestFile has what is particular to a file of the operating system.
func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "journal #1.db")
	j, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the journal's mode is %o, others can read customers' words", mode)
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if mode := wal.Mode().Perm(); mode != 0o600 {
		t.Errorf("the write-ahead log's permissions are %o: it holds customers' words, too", mode)
	}
	_, err = sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if holder := fmt.Sprintf("process %d", os.Getpid()); !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), holder) {
		t.Errorf("the second opener is told %q, and not that %s has it", err, holder)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err = sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNoJournal refuses a file that is something else, and leaves it alone.
func TestNoJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "letter.txt")
	text := strings.Repeat("Dear Sir, this is no database.\n", 1000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Path: path}); err == nil {
		t.Fatal("a letter was opened as a journal")
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("the letter was changed: %v", err)
	}
}
