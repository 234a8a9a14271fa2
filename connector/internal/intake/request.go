package intake

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
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
		body, a = in.body(w, r)
	}
	if a == nil && !src.authentic(r, body) {
		a = unauthorized
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
// request without any signature is not worth its body.
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
	case !webhook.Signed(r.Header):
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

// body reads the request's body within its limits of size and time.
func (in *Intake) body(w http.ResponseWriter, r *http.Request) ([]byte, *answer) {
	body, err := readAll(http.MaxBytesReader(w, r.Body, in.bodyLimit), r.ContentLength)
	var large *http.MaxBytesError
	switch {
	case err == nil:
		// The deadline must not end the request while the journal writes. Behind
		// a body that did not come it stays, or the server would wait for the rest.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, tooSlow
	}
	return nil, cutOff
}

// readAll is io.ReadAll with room for a body of the length that was announced,
// as far as that is modest.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	room := int64(firstRead)
	if announced >= 0 {
		room = min(announced+1, 16*firstRead)
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
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// authentic reports whether the request is AISoule's, or the documentation's own
// sample at a demo on this machine.
func (s *source) authentic(r *http.Request, body []byte) bool {
	return s.verifier.Verify(r.Header, body) ||
		s.Placeholder && webhook.IsPlaceholder(r.Header) && isLocal(r)
}

// isLocal reports whether the request was made on this machine. One that a proxy
// passed on comes from this machine only in appearance.
func isLocal(r *http.Request) bool {
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// isGone reports whether an error only says that the client has left.
func isGone(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
