// Package simdisk is a disk that loses power on command, as a go-sqlite3 VFS. It
// keeps files in memory and remembers which writes were synced: a crash keeps
// those, and of the others keeps some, loses some and tears some by sectors, all
// decided by a seed. It can be full, and it can fail.
//
// It refuses shared memory, so that journals on it need SQLite's exclusive
// locking. It does not simulate sectors that rot by themselves.
//
// Start with [New] and [Disk.CrashAfter].
package simdisk

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// sectorSize is what a disk writes whole or not at all.
const sectorSize = 512

// Disk is a simulated disk. All methods are safe for concurrent use.
type Disk struct {
	name string

	mu    sync.Mutex
	rng   *rand.Rand
	files map[string]*file
	// removed holds the files whose removal a crash may undo.
	removed map[string]*file
	ops     int
	// crashIn and failIn count down the operations until the crash and the first
	// failure, -1 for never; fails is how many fail then.
	crashIn int
	failIn  int
	fails   int
	limit   int64
	// boot numbers the times that the machine was started: handles of an earlier
	// one are dead. down says that it is off.
	boot int
	down bool
}

// New makes an empty disk and registers it under the name, for
// sqlite.Options.VFS. The same seed and the same operations make the same crash.
func New(name string, seed uint64) *Disk {
	d := &Disk{
		name: name, rng: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		files: map[string]*file{}, removed: map[string]*file{}, crashIn: -1, failIn: -1,
	}
	vfs.Register(name, d)
	return d
}

// Close takes the disk's name back.
func (d *Disk) Close() { vfs.Unregister(d.name) }

// Name is the name of the VFS.
func (d *Disk) Name() string { return d.name }

// Ops counts the writes, truncations, syncs and removals so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// CrashAfter lets n more operations happen and cuts the power in the next one.
// A negative n takes that back.
func (d *Disk) CrashAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashIn = n
}

// FailAfter lets n operations happen and answers the next times operations with
// an I/O error; a write that fails may have been done in part.
func (d *Disk) FailAfter(n, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failIn, d.fails = n, times
}

// Limit is how many bytes the disk holds; 0 means no limit. What is there
// already stays.
func (d *Disk) Limit(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = bytes
}

// Used is how many bytes the files have.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

func (d *Disk) used() int64 {
	sum := int64(0)
	for _, f := range d.files {
		sum += int64(len(f.data))
	}
	return sum
}

// Crash cuts the power now. Until Restart every operation fails.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash()
}

// Crashed reports whether the power is off.
func (d *Disk) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// Restart brings the power back. Handles from before stay dead.
func (d *Disk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		d.crash()
	}
	d.down = false
	d.boot++
}

func (d *Disk) crash() {
	if d.down {
		return
	}
	d.down = true
	d.crashIn, d.failIn, d.fails = -1, -1, 0
	for _, name := range slices.Sorted(maps.Keys(d.removed)) {
		if d.files[name] == nil && d.coin() {
			d.files[name] = d.removed[name]
		}
	}
	clear(d.removed)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if !f.named && d.coin() {
			delete(d.files, name)
			continue
		}
		f.crash(d)
	}
}

func (d *Disk) coin() bool { return d.rng.IntN(2) == 0 }

// verdict is what happens to an operation.
type verdict int

const (
	happens verdict = iota
	fails
	cut
)

// next decides an operation's fate.
func (d *Disk) next() verdict {
	d.ops++
	if d.crashIn >= 0 {
		if d.crashIn == 0 {
			return cut
		}
		d.crashIn--
	}
	if d.failIn > 0 {
		d.failIn--
		return happens
	}
	if d.failIn == 0 && d.fails > 0 {
		d.fails--
		return fails
	}
	return happens
}

// Open opens a file for SQLite.
func (d *Disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, flags, sqlite3.CANTOPEN
	}
	f := d.files[name]
	switch {
	case name == "":
		f = newFile()
	case f == nil && flags&vfs.OPEN_CREATE == 0:
		return nil, flags, sqlite3.CANTOPEN
	case f == nil:
		f = newFile()
		d.files[name] = f
	}
	return &handle{disk: d, file: f, boot: d.boot}, flags, nil
}

// Delete removes a file. Unless the directory is synced, a crash may bring it
// back.
func (d *Disk) Delete(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return sqlite3.IOERR_DELETE
	}
	f := d.files[name]
	if f == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	switch d.next() {
	case fails:
		return sqlite3.IOERR_DELETE
	case cut:
		d.remove(name, f, false)
		d.crash()
		return sqlite3.IOERR_DELETE
	}
	d.remove(name, f, syncDir)
	return nil
}

func (d *Disk) remove(name string, f *file, forGood bool) {
	delete(d.files, name)
	if !forGood && f.named {
		d.removed[name] = f
	}
}

// Access reports whether a file is there.
func (d *Disk) Access(name string, _ vfs.AccessFlag) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[name] != nil, nil
}

// FullPathname gives the name as it is: there is one directory.
func (d *Disk) FullPathname(name string) (string, error) { return name, nil }
