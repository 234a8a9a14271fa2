package intake

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// ServeHTTP takes one request. The mark is taken before anything else, so that
// the journal knows what had been answered before.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, at := in.journal.Mark(), in.nowFunc()
	in.limitTime(w)
	t := in.table.Load()
	src := t.sources[r.URL.Path]
	a := refuse(r, src, in.bodyLimit)
	var body []byte
	if a == nil {
		body, a = in.authentic(w, r, src)
	}
	if a == nil {
		a = in.take(r.Context(), src, t.route, began, body)
	}
	in.finish(w, r, src, a, in.nowFunc().Sub(at))
}

// finish answers, and tells those who count. What is not authentic is logged
// with a hint for the operator that the client does not get.
func (in *Intake) finish(w http.ResponseWriter, r *http.Request, src *source, a *answer, took time.Duration) {
	name := ""
	if src != nil {
		name = src.Name
	}
	if a == unauthorized {
		in.log.warn("a webhook was refused: not authentic", name, webhook.Hint(r.Header))
	}
	a.write(w, in.retryAfter)
	if in.hooks.Answered != nil {
		in.hooks.Answered(name, a.status, took)
	}
}

// refuse looks at what can be told without the body: nil means to go on. A
// request without anything that can be a signature is not worth its body.
func refuse(r *http.Request, src *source, limit int64) *answer {
	switch encoding := r.Header.Get("Content-Encoding"); {
	case src == nil:
		return notFound
	case r.Method != http.MethodPost:
		return notAllowed
	case encoding != "" && encoding != "identity":
		return encoded
	case r.ContentLength > limit:
		return tooLarge
	case !webhook.WellSigned(r.Header) && !src.isSample(r):
		return unauthorized
	}
	return nil
}

// firstRead is how much room a body gets before any of it has come: more than a
// webhook usually has, and little enough to give to anybody.
const firstRead = 4 << 10

// limitTime gives the client a while to send its body, whatever the answer will
// be: the server reads on behind a refusal. A connection that knows no deadlines
// has the server's own. These are the network's clock, not the intake's.
func (in *Intake) limitTime(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(in.bodyTimeout))
}

// authentic reads the body and checks it. What a long body takes until then is
// bounded over all requests, since anybody can send one.
func (in *Intake) authentic(w http.ResponseWriter, r *http.Request, src *source) ([]byte, *answer) {
	held := &holding{room: in.unverified, until: time.Now().Add(in.bodyTimeout)}
	defer held.release()
	body, a := in.body(w, r, held)
	if a == nil && !src.authentic(r, body) {
		return nil, unauthorized
	}
	return body, a
}

// body reads the request's body within its limits of size and time.
func (in *Intake) body(w http.ResponseWriter, r *http.Request, held *holding) ([]byte, *answer) {
	body, err := readAll(http.MaxBytesReader(w, r.Body, in.bodyLimit), r.ContentLength, in.bodyLimit, held)
	var large *http.MaxBytesError
	switch {
	case err == nil:
		// The deadline must not end the request while the journal writes. Behind
		// a body that did not come it stays, or the server would wait for the rest.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge
	case errors.Is(err, errNoRoom):
		return nil, crowded
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, tooSlow
	}
	return nil, cutOff
}

// errNoRoom says that there was no room for a body while it may be read.
var errNoRoom = errors.New("no room for the body")

// holding is what one request has of the room for unverified bodies.
type holding struct {
	room  *room
	until time.Time
	bytes int64
}

// take takes the room for a whole body at once: two that wait for each other's
// would never end.
func (h *holding) take(bytes int64) error {
	if !h.room.take(bytes, h.until) {
		return errNoRoom
	}
	h.bytes = bytes
	return nil
}

func (h *holding) release() {
	if h.bytes > 0 {
		h.room.give(h.bytes)
	}
}

// readAll is io.ReadAll with room for a body of the length that was announced,
// as far as that is modest, and for a longer one when so much of it has come.
func readAll(r io.Reader, announced, limit int64, held *holding) ([]byte, error) {
	room := int64(firstRead)
	if announced >= 0 {
		room = min(announced+1, freeRoom)
	}
	body := make([]byte, 0, room)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) < cap(body) {
			continue
		}
		if len(body) >= freeRoom && held.bytes == 0 {
			if announced < 0 {
				announced = limit
			}
			if err := held.take(announced + 1); err != nil {
				return nil, err
			}
		}
		body = append(body, 0)[:len(body)]
	}
}

// authentic reports whether the request is AISoule's, or the documentation's own
// sample at a demo on this machine.
func (s *source) authentic(r *http.Request, body []byte) bool {
	return s.verifier.Verify(r.Header, body) || s.isSample(r)
}

// isSample reports whether the request is the documentation's sample, and this
// the demo that takes it.
func (s *source) isSample(r *http.Request) bool {
	return s.Placeholder && webhook.IsPlaceholder(r.Header) && isLocal(r)
}

// isLocal reports whether the request was made on this machine and to it. One that
// a proxy passed on comes from this machine only in appearance, and one to another
// name was made by a page that pointed its own name here.
func isLocal(r *http.Request) bool {
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(remote) && isOwnName(r.Host)
}

// isOwnName reports whether a Host header names this machine's loopback.
func isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.EqualFold(host, "localhost") || isLoopback(host)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// isGone reports whether an error only says that the client has left.
func isGone(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
