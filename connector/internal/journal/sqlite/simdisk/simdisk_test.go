package simdisk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
)

const create = vfs.OPEN_READWRITE | vfs.OPEN_CREATE | vfs.OPEN_MAIN_DB

func open(t *testing.T, d *simdisk.Disk, name string) vfs.File {
	t.Helper()
	f, _, err := d.Open(name, create)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f vfs.File, text string, off int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, f vfs.File) []byte {
	t.Helper()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b
}

func sync(t *testing.T, f vfs.File) {
	t.Helper()
	if err := f.Sync(0); err != nil {
		t.Fatal(err)
	}
}

// TestCrash writes a block, syncs it, and writes over it: a crash leaves the
// first whole, the second whole, or a mixture of whole sectors, and over many
// seeds all three; the same seed leaves the same.
func TestCrash(t *testing.T) {
	t.Parallel()
	before, after := bytes.Repeat([]byte("a"), 4096), bytes.Repeat([]byte("b"), 4096)
	seen := map[string]int{}
	for seed := range uint64(100) {
		var first []byte
		for run := range 2 {
			d := simdisk.New(fmt.Sprint(t.Name(), seed, run), seed)
			f := open(t, d, "f")
			write(t, f, string(before), 0)
			sync(t, f)
			write(t, f, string(after), 0)
			d.Crash()
			if _, err := f.WriteAt(before, 0); err == nil {
				t.Fatal("a handle survives the crash")
			}
			d.Restart()
			if _, err := f.Size(); err == nil {
				t.Fatal("a handle survives the restart")
			}
			got := read(t, open(t, d, "f"))
			if run == 0 {
				first = got
			} else if !bytes.Equal(got, first) {
				t.Fatalf("seed %d crashes in two ways", seed)
			}
			d.Close()
		}
		seen[kindOf(t, first)]++
	}
	for _, kind := range []string{"a", "b", "torn"} {
		if seen[kind] == 0 {
			t.Errorf("no crash of %v leaves %s", seen, kind)
		}
	}
}

func kindOf(t *testing.T, b []byte) string {
	t.Helper()
	kinds := map[string]bool{}
	for off := 0; off < len(b); off += 512 {
		sector := b[off : off+512]
		if bytes.Count(sector, sector[:1]) != len(sector) {
			t.Fatal("a sector is torn in itself")
		}
		kinds[string(sector[:1])] = true
	}
	if len(kinds) > 1 {
		return "torn"
	}
	for k := range kinds {
		return k
	}
	return "empty"
}

func TestSyncedStays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		d := simdisk.New(fmt.Sprint(t.Name(), seed), seed)
		f := open(t, d, "f")
		write(t, f, "hello, world", 0)
		if err := f.Truncate(5); err != nil {
			t.Fatal(err)
		}
		sync(t, f)
		d.CrashAfter(0)
		if _, err := f.WriteAt([]byte("x"), 100); err == nil || !d.Crashed() {
			t.Fatal("the power stays on")
		}
		d.Restart()
		if got := read(t, open(t, d, "f")); !bytes.HasPrefix(got, []byte("hello")) {
			t.Fatalf("seed %d: what was synced is %q", seed, got)
		}
		d.Close()
	}
}

// TestRemoved says that only a synced removal is for good.
func TestRemoved(t *testing.T) {
	t.Parallel()
	back := map[bool]int{}
	for seed := range uint64(40) {
		synced := seed%2 == 0
		d := simdisk.New(fmt.Sprint(t.Name(), seed), seed)
		sync(t, open(t, d, "f"))
		if err := d.Delete("f", synced); err != nil {
			t.Fatal(err)
		}
		if err := d.Delete("f", synced); !errors.Is(err, sqlite3.IOERR_DELETE_NOENT) {
			t.Fatalf("removed twice: %v", err)
		}
		d.Crash()
		d.Restart()
		if there, _ := d.Access("f", 0); there {
			back[synced]++
		}
		d.Close()
	}
	if back[true] != 0 || back[false] == 0 || back[false] == 20 {
		t.Errorf("files that came back, by whether the removal was synced: %v", back)
	}
}

func TestFullAndFailing(t *testing.T) {
	t.Parallel()
	d := simdisk.New(t.Name(), 1)
	defer d.Close()
	f := open(t, d, "f")
	write(t, f, "1234", 0)
	d.Limit(6)
	if _, err := f.WriteAt([]byte("567"), 4); !errors.Is(err, sqlite3.FULL) {
		t.Errorf("a write past the limit: %v", err)
	}
	write(t, f, "4321", 0)
	d.Limit(0)
	write(t, f, "567", 4)
	d.FailAfter(1, 2)
	sync(t, f)
	if err := f.Sync(0); !errors.Is(err, sqlite3.IOERR_FSYNC) {
		t.Errorf("the first failure: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, sqlite3.IOERR_TRUNCATE) {
		t.Errorf("the second failure: %v", err)
	}
	sync(t, f)
	if got := string(read(t, f)); got != "4321567" {
		t.Errorf("the file holds %q", got)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	d := simdisk.New(t.Name(), 1)
	defer d.Close()
	a, b := open(t, d, "f"), open(t, d, "f")
	for i, step := range []struct {
		who  vfs.File
		lock vfs.LockLevel
		busy bool
	}{
		{a, vfs.LOCK_SHARED, false},
		{b, vfs.LOCK_SHARED, false},
		{a, vfs.LOCK_RESERVED, false},
		{b, vfs.LOCK_RESERVED, true},
		{a, vfs.LOCK_EXCLUSIVE, true},
	} {
		if err := step.who.Lock(step.lock); (err != nil) != step.busy {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if err := b.Unlock(vfs.LOCK_NONE); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(vfs.LOCK_EXCLUSIVE); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(vfs.LOCK_SHARED); !errors.Is(err, sqlite3.BUSY) {
		t.Fatalf("shared beside exclusive: %v", err)
	}
	d.Crash()
	d.Restart()
	if err := open(t, d, "f").Lock(vfs.LOCK_EXCLUSIVE); err != nil {
		t.Fatalf("a lock survives the crash: %v", err)
	}
}
