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

	// Reads says that the request changes nothing although its method is neither
	// GET nor HEAD: a search by POST. The transport repeats a read whose
	// connection failed, and an unknown end of one is a Retry.
	//
	// Everything else is a write. It is sent again only when it surely never left,
	// and an unknown end of it is Ambiguous: an update, and a create under a key,
	// can be carried out long after we gave up, and so after a newer one.
	Reads bool
	// Linked says that the path names a record of which the engine has a link:
	// 404 and 410 then mean Stale.
	Linked bool
	// Endings overrides what a status means, before the client's own table.
	Endings map[int]connector.Ending
	// Words are values that must not show in an error, beside those that the
	// query and a JSON or form body hold.
	Words []string
}

func (r *Request) reads() bool {
	return r.Reads || r.Method == "" || r.Method == http.MethodGet || r.Method == http.MethodHead
}

// unknown is the ending when nobody knows what the request did.
func (r *Request) unknown() connector.Ending {
	if r.reads() {
		return connector.Retry
	}
	return connector.Ambiguous
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
