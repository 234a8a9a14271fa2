//go:build unix && !solaris && !illumos && !aix

package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// lockFile keeps other processes out. The kernel lets it go with the process,
// however that ends.
type lockFile struct{ f *os.File }

// lockBeside takes the lock of the journal at the path, or says who has it.
func lockBeside(path string) (*lockFile, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := holderOf(f)
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w%s", journal.ErrLocked, holder)
		}
		return nil, err
	}
	// Who holds it is a help to people; the lock does not depend on it.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &lockFile{f}, nil
}

func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// release lets the lock go. The file stays: removing it would let two processes
// hold a lock each.
func (l *lockFile) release() {
	if l != nil {
		_ = l.f.Close() // nothing was written that matters
	}
}
