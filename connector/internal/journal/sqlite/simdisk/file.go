package simdisk

import (
	"io"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// file is what the disk holds under one name.
type file struct {
	// data is what a program reads; durable is what was synced.
	data, durable []byte
	// unsynced are the changes since the last sync, in their order.
	unsynced []change
	// named says that a crash keeps the name.
	named bool
	locks map[*handle]vfs.LockLevel
}

// change is a write at off, or a truncation to off where data is nil.
type change struct {
	off  int64
	data []byte
}

func newFile() *file { return &file{locks: map[*handle]vfs.LockLevel{}} }

func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[c.off:], c.data)
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:])
		return b[:size]
	}
	if size <= int64(cap(b)) {
		return b[:size]
	}
	grown := make([]byte, size, size+size/4)
	copy(grown, b)
	return grown
}

// do makes a change that a program sees at once and a crash may lose.
func (f *file) do(c change) {
	f.data = c.apply(f.data)
	f.unsynced = append(f.unsynced, c)
}

// sync makes all changes safe.
func (f *file) sync() {
	for _, c := range f.unsynced {
		f.durable = c.apply(f.durable)
	}
	f.unsynced = nil
	f.named = true
}

// crash keeps what was synced, and some of what was not. A disk writes in
// whatever order it likes, so each change has a fate of its own.
func (f *file) crash(d *Disk) {
	// How much of the changes survives differs from crash to crash, so that all
	// and none happen too.
	luck := d.rng.IntN(5)
	for _, c := range f.unsynced {
		switch {
		case d.rng.IntN(4) < luck:
			f.durable = c.apply(f.durable)
		case c.data != nil && luck > 0 && d.coin():
			f.tear(d, c)
		}
	}
	f.unsynced = nil
	f.named = true
	f.data = append([]byte(nil), f.durable...)
	clear(f.locks)
}

// tear applies some sectors of a write.
func (f *file) tear(d *Disk, c change) {
	for off := c.off; off < c.off+int64(len(c.data)); {
		end := min((off/sectorSize+1)*sectorSize, c.off+int64(len(c.data)))
		if d.coin() {
			f.durable = change{off, c.data[off-c.off : end-c.off]}.apply(f.durable)
		}
		off = end
	}
}

// handle is one opening of a file.
type handle struct {
	disk *Disk
	file *file
	boot int
}

var _ vfs.FileLockState = (*handle)(nil)

// dead reports whether the machine was switched off since the opening.
func (h *handle) dead() bool { return h.disk.down || h.boot != h.disk.boot }

// Close closes the handle, and a file without a name goes.
func (h *handle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	delete(h.file.locks, h)
	return nil
}

// ReadAt reads what was written, synced or not.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return 0, sqlite3.IOERR_READ
	}
	if off >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes; until the next Sync a crash may lose or tear it.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return 0, sqlite3.IOERR_WRITE
	}
	c := change{off, append(make([]byte, 0, len(p)), p...)}
	if grows := off + int64(len(p)) - int64(len(h.file.data)); grows > 0 && h.disk.limit > 0 &&
		h.disk.used()+grows > h.disk.limit {
		return 0, sqlite3.FULL
	}
	switch h.disk.next() {
	case fails:
		if part := len(p) / 2; h.disk.coin() && part > 0 {
			h.file.do(change{off, c.data[:part]})
		}
		return 0, sqlite3.IOERR_WRITE
	case cut:
		h.file.do(c)
		h.disk.crash()
		return 0, sqlite3.IOERR_WRITE
	}
	h.file.do(c)
	return len(p), nil
}

// Truncate sets the file's size.
func (h *handle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return sqlite3.IOERR_TRUNCATE
	}
	switch h.disk.next() {
	case fails:
		return sqlite3.IOERR_TRUNCATE
	case cut:
		h.file.do(change{off: size})
		h.disk.crash()
		return sqlite3.IOERR_TRUNCATE
	}
	h.file.do(change{off: size})
	return nil
}

// Sync makes the file's changes safe. When it fails, nobody knows which are.
func (h *handle) Sync(vfs.SyncFlag) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return sqlite3.IOERR_FSYNC
	}
	switch h.disk.next() {
	case fails:
		return sqlite3.IOERR_FSYNC
	case cut:
		h.disk.crash()
		return sqlite3.IOERR_FSYNC
	}
	h.file.sync()
	return nil
}

// Size is the file's size.
func (h *handle) Size() (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return 0, sqlite3.IOERR_FSTAT
	}
	return int64(len(h.file.data)), nil
}

// Lock takes a lock as SQLite means it, or answers that the file is busy.
func (h *handle) Lock(level vfs.LockLevel) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.dead() {
		return sqlite3.IOERR_LOCK
	}
	if h.file.locks[h] >= level {
		return nil
	}
	for other, held := range h.file.locks {
		if other != h && excludes(held, level) {
			return sqlite3.BUSY
		}
	}
	h.file.locks[h] = level
	return nil
}

// excludes reports whether a lock that somebody holds keeps others from taking
// one of the level.
func excludes(held, level vfs.LockLevel) bool {
	switch {
	case level <= vfs.LOCK_SHARED:
		return held >= vfs.LOCK_PENDING
	case level == vfs.LOCK_RESERVED:
		return held >= vfs.LOCK_RESERVED
	}
	return held >= vfs.LOCK_SHARED
}

// Unlock goes back to a weaker lock.
func (h *handle) Unlock(level vfs.LockLevel) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if level == vfs.LOCK_NONE {
		delete(h.file.locks, h)
	} else if h.file.locks[h] > level {
		h.file.locks[h] = level
	}
	return nil
}

// CheckReservedLock reports whether anybody is about to write.
func (h *handle) CheckReservedLock() (bool, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	for _, held := range h.file.locks {
		if held >= vfs.LOCK_RESERVED {
			return true, nil
		}
	}
	return false, nil
}

// LockState is the handle's lock.
func (h *handle) LockState() vfs.LockLevel {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.file.locks[h]
}

// SectorSize is what is written whole or not at all.
func (h *handle) SectorSize() int { return sectorSize }

// DeviceCharacteristics promises what SQLite takes for granted of every disk: a
// torn write harms no sector that it does not touch.
func (h *handle) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE
}
