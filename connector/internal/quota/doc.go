// Package quota keeps a destination's calls within what the CRM sells: in any
// stretch of time of a window's length, fixed or sliding, at most the window's
// calls reach the server, across a kill -9 too.
//
// The argument. We don't know when a request is counted, only that it happens
// between our first byte and the answer, or, without an answer, a little after
// the connection's end. So a call takes a slot before it is sent, and gives it
// back one window's length after its answer was seen. Take any stretch of the
// server's time and the last of its calls to be sent: every other call of the
// stretch was counted less than a window ago, so it still held its slot then, and
// all of them together were no more than there are slots. A token bucket can't
// promise this: it admits its burst and its rate.
//
// A restart forgets what was sent, so calls are reserved before they are made, a
// few at a time, in a [Ledger]. Afterwards every reserved call counts as made at
// the last moment at which it can have been.
//
// The package knows nothing of retries, lanes or CRMs. Start with [Governor],
// which is the arithmetic, and [Transport], which puts it under an HTTP client.
package quota
