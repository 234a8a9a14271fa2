package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/crm-connector/crm-connector/connector"
)

// Response is one whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Request is what was asked.
	Request *Request
	client  *Client
}

// errTooLong is the cause when an answer exceeds the client's limit.
var errTooLong = errors.New("the answer is longer than the limit")

// finish reads an answer and judges it. A body that breaks off spoils a
// success, whose record it would have named; an error's status speaks for itself.
func (c *Client) finish(ctx context.Context, r *Request, answer *http.Response) (*Response, error) {
	defer answer.Body.Close()
	resp := &Response{Status: answer.StatusCode, Header: answer.Header, Request: r, client: c}
	var broken error
	resp.Body, broken = readAll(answer.Body, c.options.MaxBody)
	if broken != nil && resp.Status < 300 {
		return resp, c.transportError(ctx, r, fmt.Errorf("read answer: %w", broken))
	}
	verdict := c.verdict(resp)
	if c.options.Judge != nil {
		verdict = c.options.Judge(resp, verdict)
	}
	if verdict == nil {
		return resp, nil
	}
	return resp, resp.clean(verdict)
}

func readAll(body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if int64(len(b)) > limit {
		return b[:limit], errTooLong
	}
	return b, err
}

// Empty reports whether the answer has no body to speak of.
func (r *Response) Empty() bool {
	b := bytes.TrimSpace(r.Body)
	return len(b) == 0 || string(b) == "null" || string(b) == "{}" || string(b) == "[]"
}

// Decode reads a JSON answer. What cannot be read confirms nothing: after a
// write the end is then Ambiguous, else Retry. Numbers inside any stay
// json.Number, so that long ids keep their digits.
func (r *Response) Decode(into any) error {
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return r.Unclear("the answer is not the JSON that was expected")
	}
	return nil
}

// Errorf makes the error of this answer with a text of the adapter's own. The
// text is cleaned like the vendor's.
func (r *Response) Errorf(ending connector.Ending, code, format string, args ...any) *connector.Error {
	return r.clean(&connector.Error{Ending: ending, Op: r.Request.Op, Code: code, Text: fmt.Sprintf(format, args...)})
}

// Unclear is the error of an answer that does not confirm what was asked:
// Ambiguous after a write, else Retry.
func (r *Response) Unclear(text string) *connector.Error {
	return r.Errorf(r.Request.unknown(), "unclear", "%s (status %d)", text, r.Status)
}
