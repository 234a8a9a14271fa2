// Package sqlite keeps the promises of package journal in one SQLite file. One
// goroutine owns the one connection; calls that come together share a commit,
// and so a sync. It refuses a second process, a newer schema, and to answer
// before the disk has what was written.
//
// Start with [Open]. group.go has the commit, append.go the way in, and claim.go
// and write.go what a worker does.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

var _ journal.Journal = (*Journal)(nil)

// Options say where the journal is and what it is made with.
type Options struct {
	// Path is the file. The write-ahead log and the lock stand beside it.
	Path string
	// VFS names a registered go-sqlite3 VFS; empty is the operating system.
	VFS string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log takes what an operator should know; nil means silence.
	Log logrus.FieldLogger
	// CheckpointPages is how many pages of the write-ahead log are taken into the
	// file at the latest; 0 means 4096 (16 MiB). Idle journals do it earlier.
	CheckpointPages int
	// Idle is how long nothing comes before the log is taken in all the same; 0
	// means 100 ms, less than 0 never.
	Idle time.Duration
}

func (o *Options) validate() error {
	if o.Path == "" {
		return errors.New("open journal: no path is given")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = silence()
	}
	if o.CheckpointPages <= 0 {
		o.CheckpointPages = 4096
	}
	if o.Idle == 0 {
		o.Idle = 100 * time.Millisecond
	}
	return nil
}

// Journal is a journal.Journal in one SQLite file.
type Journal struct {
	s    *session
	lock *lockFile
	log  logrus.FieldLogger
	// mark is the highest number that is committed.
	mark  atomic.Int64
	group group
	// checkpointPages is the length of the log at which it is taken in.
	checkpointPages int
}

// Open opens the journal at the path and makes it where there is none. The
// context bounds the opening only.
func Open(ctx context.Context, opts Options) (*Journal, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	lock, err := acquire(opts)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", opts.Path, err)
	}
	s, err := connect(ctx, opts, migrations)
	if err != nil {
		lock.release()
		return nil, fmt.Errorf("open journal %s: %w", opts.Path, translate(err))
	}
	if err := private(opts); err != nil {
		_ = s.close()
		lock.release()
		return nil, fmt.Errorf("open journal %s: %w", opts.Path, err)
	}
	j := &Journal{
		s: s, lock: lock,
		log:             opts.Log.WithField("component", "journal"),
		checkpointPages: opts.CheckpointPages,
	}
	j.mark.Store(s.last)
	j.group.start(j.work, opts.Idle)
	return j, nil
}

// Close waits for running calls and lets the journal go.
func (j *Journal) Close() error {
	if !j.group.stop() {
		return errClosed
	}
	err := j.s.close()
	j.lock.release()
	if err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// acquire takes the lock file of a journal on the operating system's disk.
// Another VFS has locks of its own.
func acquire(opts Options) (*lockFile, error) {
	if opts.VFS != "" {
		return nil, nil
	}
	if err := os.MkdirAll(filepath.Dir(opts.Path), 0o750); err != nil {
		return nil, err
	}
	lock, err := lockBeside(opts.Path)
	if err != nil {
		return nil, err
	}
	// The file holds customers' words, so it is made before SQLite would make it
	// readable for everybody.
	f, err := os.OpenFile(opts.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		lock.release()
		return nil, err
	}
	return lock, f.Close()
}

// private keeps the write-ahead log from other users' eyes: it holds customers'
// words, too, and SQLite has made it with the permissions of the day.
func private(opts Options) error {
	if opts.VFS != "" {
		return nil
	}
	err := os.Chmod(opts.Path+"-wal", 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// pragmas are set before anything is read. The exclusive lock comes before WAL,
// so that no shared memory is needed, and extra too: a new file is switched to
// WAL under a rollback journal, which must not come back from the dead. With WAL
// extra means the same as full: every commit is synced.
const pragmas = `
	PRAGMA page_size = 4096;
	PRAGMA locking_mode = exclusive;
	PRAGMA synchronous = extra;
	PRAGMA journal_mode = wal;
	PRAGMA wal_autocheckpoint = 0;
	PRAGMA journal_size_limit = 67108864;
	PRAGMA cache_size = -24576;
	PRAGMA temp_store = memory;
	PRAGMA trusted_schema = off;`

func connect(ctx context.Context, opts Options, schema []string) (*session, error) {
	name := "file:" + (&url.URL{Path: opts.Path}).EscapedPath()
	if opts.VFS != "" {
		name += "?vfs=" + url.QueryEscape(opts.VFS)
	}
	conn, err := sqlite3.OpenContext(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &session{
		conn: conn, stmts: map[string]*sqlite3.Stmt{}, now: opts.Now,
		names: newNames(), counts: map[counter]int64{}, known: map[int64]bool{},
	}
	if err := s.prepareFile(opts, schema); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// prepareFile sets the connection up and brings the schema up to date.
func (s *session) prepareFile(opts Options, schema []string) error {
	if err := s.conn.Exec(pragmas); err != nil {
		return err
	}
	s.conn.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		s.walPages = pages
		return nil
	})
	if err := s.migrate(schema); err != nil {
		return err
	}
	if opts.VFS == "" {
		if err := syncDirectory(filepath.Dir(opts.Path)); err != nil {
			return err
		}
	}
	var err error
	if s.last, err = s.number(`SELECT last FROM sequence`); err != nil {
		return err
	}
	if s.newestDay, err = s.number(`SELECT coalesce(max(day), 0) FROM messages`); err != nil {
		return err
	}
	s.oldestDay, err = s.number(`SELECT coalesce(min(day), 1 << 62) FROM messages`)
	return err
}

// syncDirectory makes sure that the names of new files survive a power cut.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
