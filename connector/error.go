package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Ending is how a call to a CRM ended for a record, when it is not done.
type Ending string

// The endings. A call that is done has no error.
const (
	// Pending: the CRM has taken an asynchronous job, named by Error.Job.
	Pending Ending = "pending"
	// Retry: nothing happened and the same call can succeed later.
	Retry Ending = "retry"
	// Ambiguous: nobody knows whether it happened, or whether it will yet: an
	// update, too, can be carried out after a newer one.
	Ambiguous Ending = "ambiguous"
	// Stale: the linked record is deleted, merged, or closed for good.
	Stale Ending = "stale"
	// Refused: the CRM does not accept this record as it is.
	Refused Ending = "refused"
	// Broken: no call can succeed until a person acts or the day is over:
	// credentials, permissions, the day's quota. For a 403 too: where the adapter
	// is a Checker the engine asks who we are, and takes it as refused when that
	// is answered.
	Broken Ending = "broken"
)

// Error is the one error type between an adapter and the engine. Its text holds
// the vendor's status, code, request id and words, and never a secret, a phone
// number or a customer's words.
type Error struct {
	Ending Ending
	// Op is the operation and its object, e.g. "create ticket".
	Op string
	// Code is the vendor's own code or the HTTP status, the same for the same
	// reason: the engine counts repeated refusals by it.
	Code string
	// Text is what the vendor said, shortened and cleaned.
	Text string
	// Wait is the least time before the next try, zero when the vendor gave none.
	Wait time.Duration
	// Job names the CRM's asynchronous job of a Pending end.
	Job string
	// Stale says which record is stale when it is not the change's own: a
	// ticket can be refused because its contact is gone.
	Stale Kind
	// Successor is the id of the record that took the stale one's place.
	Successor string
	// Field is the CRM's name of the field that was refused, where it says so.
	Field string
	// Cause is the error beneath, if any.
	Cause error
}

// Error gives the operation, the vendor's code and its words.
func (e *Error) Error() string {
	s := string(e.Ending)
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	switch {
	case e.Text != "":
		return s + ": " + e.Text
	case e.Cause != nil:
		return s + ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// AsError turns any error into an *Error. What is not one already counts as
// ambiguous: an adapter that does not know what happened cannot promise that
// nothing did.
func AsError(op string, err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.known()
	}
	return &Error{Ending: Ambiguous, Op: op, Text: discreet(err), Cause: err}
}

// known gives the error an ending that there is; none counts as ambiguous.
func (e *Error) known() *Error {
	if e == nil {
		return nil
	}
	switch e.Ending {
	case Pending, Retry, Ambiguous, Stale, Refused, Broken:
		return e
	}
	k := *e
	k.Ending = Ambiguous
	return &k
}

// discreet says what kind of error it is without repeating its text, which may
// hold an address with a phone number or a secret in it.
func discreet(err error) string {
	for _, sentinel := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// Errorf makes an Error whose text is formatted like fmt.Errorf's.
func Errorf(ending Ending, op, code, format string, args ...any) *Error {
	return &Error{Ending: ending, Op: op, Code: code, Text: fmt.Sprintf(format, args...)}
}
