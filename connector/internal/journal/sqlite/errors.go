package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// errClosed is what calls get after Close.
var errClosed = errors.New("the journal is closed")

// translate turns SQLite's errors into those that callers branch on.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	case errors.Is(err, sqlite3.BUSY):
		return fmt.Errorf("%w: %w", journal.ErrLocked, err)
	}
	return err
}

func isFull(err error) bool {
	return errors.Is(err, sqlite3.FULL) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ofDisk reports whether an error comes from SQLite or the disk beneath, so
// that the call itself need not be at fault.
func ofDisk(err error) bool {
	var e *sqlite3.Error
	return errors.As(err, &e) && e.Code() != sqlite3.CONSTRAINT && e.Code() != sqlite3.TOOBIG
}

// said gives an error its operation.
func said(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", op, translate(err))
}

func silence() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
