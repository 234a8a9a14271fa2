package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/crm-connector/crm-connector/connector"
)

// Effect is what a request does in the CRM, and with it what an unknown end
// means.
type Effect int

// The effects. The zero value stands for Reads with GET and HEAD, and for
// Creates, the cautious choice, with everything else.
const (
	EffectByMethod Effect = iota
	// Reads changes nothing, also when it is a POST. An unknown end is a Retry.
	Reads
	// Sets brings a known record to a state and does the same when repeated. An
	// unknown end is a Retry, and the transport may repeat it.
	Sets
	// Creates makes a record, or adds to one. An unknown end is Ambiguous, and
	// nothing is repeated that may have reached the CRM.
	Creates
)

// Request is one call.
type Request struct {
	// Op names the operation and its object in errors, e.g. "create ticket".
	Op     string
	Method string
	// Path is appended to the client's base and is escaped already; see
	// [url.PathEscape].
	Path   string
	Query  url.Values
	Header http.Header
	// JSON is the body, marshalled; Form is one, too; Body with ContentType is
	// for everything else. At most one of them is set.
	JSON        any
	Form        url.Values
	Body        []byte
	ContentType string

	Effect Effect
	// Keyed says that the CRM makes one record of two equal creates, so that the
	// transport may repeat. An unknown end is Ambiguous all the same.
	Keyed bool
	// Linked says that the path names a record of which the engine has a link:
	// 404 and 410 then mean Stale.
	Linked bool
	// Endings overrides what a status means, before the client's own table.
	Endings map[int]connector.Ending
	// Words are values that must not show in an error, beside those that the
	// query and a JSON or form body hold.
	Words []string
}

func (r *Request) effect() Effect {
	if r.Effect != EffectByMethod {
		return r.Effect
	}
	if r.Method == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Reads
	}
	return Creates
}

func (r *Request) repeatable() bool { return r.effect() != Creates || r.Keyed }

// unknown is the ending when nobody knows what the request did.
func (r *Request) unknown() connector.Ending {
	if r.effect() == Creates {
		return connector.Ambiguous
	}
	return connector.Retry
}

// build makes the HTTP request. Its errors are refusals: the same request can
// never be sent.
func (c *Client) build(ctx context.Context, r *Request) (*retryablehttp.Request, error) {
	body, contentType, err := r.encode()
	if err != nil {
		return nil, &connector.Error{Ending: connector.Refused, Op: r.Op, Code: "encode", Text: "the request cannot be encoded"}
	}
	u := *c.base
	raw := u.EscapedPath() + r.Path
	if r.Path != "" && r.Path[0] != '/' {
		raw = u.EscapedPath() + "/" + r.Path
	}
	if u.Path, err = url.PathUnescape(raw); err != nil {
		return nil, &connector.Error{Ending: connector.Refused, Op: r.Op, Code: "path", Text: "the path is not well escaped"}
	}
	u.RawPath, u.RawQuery = raw, r.Query.Encode()
	var raws any
	if body != nil {
		raws = body
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), raws)
	if err != nil {
		return nil, &connector.Error{Ending: connector.Refused, Op: r.Op, Code: "request", Text: "the request is malformed"}
	}
	c.setHeader(req.Request, r, contentType)
	if c.options.Auth == nil {
		return req, nil
	}
	if err := c.options.Auth.Authorize(ctx, req.Request); err != nil {
		return nil, c.authError(r, err)
	}
	return req, nil
}

// authError passes on what an Auth decided, and takes everything else for a
// passing trouble: nothing was sent.
func (c *Client) authError(r *Request, err error) error {
	e := connector.AsError(r.Op, err)
	out := *e
	out.Op = r.Op
	if out.Ending == connector.Ambiguous {
		out.Ending = connector.Retry
	}
	return &out
}

func (c *Client) setHeader(req *http.Request, r *Request, contentType string) {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.options.UserAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range []http.Header{c.options.Header, r.Header} {
		for name, values := range h {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
}

func (r *Request) encode() (body []byte, contentType string, err error) {
	switch {
	case r.JSON != nil:
		body, err = marshal(r.JSON)
		return body, "application/json", err
	case r.Form != nil:
		return []byte(r.Form.Encode()), "application/x-www-form-urlencoded", nil
	}
	return r.Body, r.ContentType, nil
}

// marshal leaves <, > and & as they are: some CRMs show the escapes to people.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
