package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// roundTrip is a CRM in the form of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func client(t *testing.T, o httpapi.Options, f roundTrip) *httpapi.Client {
	t.Helper()
	if o.Base == "" {
		o.Base = "https://crm.example/api"
	}
	c, err := httpapi.New(connector.Deps{HTTP: &http.Client{Transport: f}, Now: time.Now}, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func asError(t *testing.T, err error) *connector.Error {
	t.Helper()
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want a *connector.Error", err, err)
	}
	return e
}

func TestStatus(t *testing.T) {
	t.Parallel()
	create := httpapi.Request{Op: "create ticket", Method: "POST", Path: "/t"}
	read := httpapi.Request{Op: "observe ticket", Method: "POST", Path: "/search", Reads: true}
	set := httpapi.Request{Op: "update ticket", Method: "PUT", Path: "/t/1", Linked: true}
	cases := []struct {
		reason string
		req    httpapi.Request
		status int
		want   connector.Ending
	}{
		{"a create that the CRM took", create, 201, ""},
		{"an empty success is the adapter's to judge", create, 204, ""},
		{"a gateway may have lost only the answer", create, 502, connector.Ambiguous},
		{"a create may have failed after the commit", create, 500, connector.Ambiguous},
		{"a gateway that waited too long", create, 504, connector.Ambiguous},
		{"unheard-of server errors are unknown too", create, 524, connector.Ambiguous},
		{"a server without time did nothing", create, 503, connector.Retry},
		{"too many calls", create, 429, connector.Retry},
		{"locked", create, 423, connector.Retry},
		{"a create that took too long to arrive", create, 408, connector.Ambiguous},
		{"bad input", create, 400, connector.Refused},
		{"bad input, too", create, 422, connector.Refused},
		{"exists already, at most vendors", create, 409, connector.Refused},
		{"a permission that nobody can be asked about", create, 403, connector.Refused},
		{"dead credentials", create, 401, connector.Broken},
		{"an unpaid bill", create, 402, connector.Broken},
		{"a wrong base url, or a login page", create, 302, connector.Broken},
		{"an endpoint that does not exist", create, 404, connector.Refused},
		{"a method that does not exist", create, 501, connector.Refused},
		{"reading again does no harm", read, 500, connector.Retry},
		{"reading again does no harm", read, 504, connector.Retry},
		{"an update may be carried out after a newer one", set, 502, connector.Ambiguous},
		{"a server without time changed nothing", set, 503, connector.Retry},
		{"a linked record that is gone", set, 404, connector.Stale},
		{"a linked record that is gone for good", set, 410, connector.Stale},
	}
	for _, tc := range cases {
		c := client(t, httpapi.Options{}, func(*http.Request) (*http.Response, error) { return answer(tc.status, ""), nil })
		resp, err := c.Do(t.Context(), tc.req)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %s %d: %v", tc.reason, tc.req.Op, tc.status, err)
			}
			continue
		}
		if e := asError(t, err); e.Ending != tc.want || resp == nil || resp.Status != tc.status {
			t.Errorf("%s: %s %d: got %v, want %s", tc.reason, tc.req.Op, tc.status, e, tc.want)
		}
	}
}

// TestForbidden holds 403 against whether the engine can ask who we are.
func TestForbidden(t *testing.T) {
	t.Parallel()
	for checks, want := range map[bool]connector.Ending{true: connector.Broken, false: connector.Refused} {
		c := client(t, httpapi.Options{Checks: checks}, func(*http.Request) (*http.Response, error) { return answer(403, ""), nil })
		for _, method := range []string{"GET", "POST"} {
			_, err := c.Do(t.Context(), httpapi.Request{Op: "x", Method: method})
			if e := asError(t, err); e.Ending != want {
				t.Errorf("%s, checks %t: got %s, want %s", method, checks, e.Ending, want)
			}
		}
		_, err := c.Do(t.Context(), httpapi.Request{Op: "x", Endings: map[int]connector.Ending{403: connector.Retry}})
		if e := asError(t, err); e.Ending != connector.Retry {
			t.Errorf("a table of one's own: got %s, want retry", e.Ending)
		}
	}
}

func TestVendorOverrides(t *testing.T) {
	t.Parallel()
	o := httpapi.Options{
		Endings: map[int]connector.Ending{503: connector.Refused, 409: connector.Retry},
		Judge: func(r *httpapi.Response, verdict *connector.Error) *connector.Error {
			if strings.Contains(string(r.Body), `"success":false`) {
				return r.Errorf(connector.Refused, "vendor", "it says no")
			}
			return verdict
		},
	}
	cases := []struct {
		reason string
		status int
		body   string
		own    map[int]connector.Ending
		want   connector.Ending
	}{
		{"the vendor's table", 503, "", nil, connector.Refused},
		{"the vendor's table for a lock", 409, "", nil, connector.Retry},
		{"the request's table comes first", 503, "", map[int]connector.Ending{503: connector.Broken}, connector.Broken},
		{"a success that is none", 200, `{"success":false}`, nil, connector.Refused},
		{"what is not in a table stays", 429, "", nil, connector.Retry},
	}
	for _, tc := range cases {
		c := client(t, o, func(*http.Request) (*http.Response, error) { return answer(tc.status, tc.body), nil })
		_, err := c.Do(t.Context(), httpapi.Request{Op: "x", Method: "POST", Endings: tc.own})
		if e := asError(t, err); e.Ending != tc.want {
			t.Errorf("%s: got %s, want %s", tc.reason, e.Ending, tc.want)
		}
	}
}

func TestTransportErrors(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	cases := []struct {
		reason string
		err    error
		read   bool
		want   connector.Ending
		calls  int32
	}{
		{"a refused connection sent nothing and is tried again", dial, false, connector.Retry, 3},
		{"a reset write may have happened and is never repeated", reset, false, connector.Ambiguous, 1},
		{"half an answer, too", io.ErrUnexpectedEOF, false, connector.Ambiguous, 1},
		{"a read is repeated", reset, true, connector.Retry, 3},
		{"what the transport held back did not happen", unsent{}, false, connector.Retry, 1},
		{"an unknown trouble after a write", errors.New("odd"), false, connector.Ambiguous, 1},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c := client(t, httpapi.Options{}, func(*http.Request) (*http.Response, error) {
					calls.Add(1)
					return nil, tc.err
				})
				_, err := c.Do(t.Context(), httpapi.Request{
					Op: "create contact", Method: "POST", Path: "/c", Reads: tc.read,
					JSON: map[string]string{"a": "b"},
				})
				if e := asError(t, err); e.Ending != tc.want || calls.Load() != tc.calls {
					t.Errorf("got %v after %d calls, want %s after %d", e, calls.Load(), tc.want, tc.calls)
				}
			})
		})
	}
}

type unsent struct{}

func (unsent) Error() string { return "no quota in time" }
func (unsent) NotSent() bool { return true }

func TestAnswersAreNeverRepeated(t *testing.T) {
	t.Parallel()
	var calls int
	c := client(t, httpapi.Options{}, func(*http.Request) (*http.Response, error) {
		calls++
		return answer(500, ""), nil
	})
	if _, err := c.Get(t.Context(), "observe", "/x", nil, nil); err == nil || calls != 1 {
		t.Errorf("got %v after %d calls, want an error after one", err, calls)
	}
}

func TestTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, httpapi.Options{Timeout: time.Second}, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		_, err := c.Do(t.Context(), httpapi.Request{Op: "create ticket", Method: "POST"})
		if e := asError(t, err); e.Ending != connector.Ambiguous || e.Code != "time-out" || time.Since(began) != time.Second {
			t.Errorf("got %v after %s, want ambiguous after the client's own time-out", e, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Do(ctx, httpapi.Request{Op: "observe", Method: "GET"})
		if e := asError(t, err); e.Ending != connector.Retry || e.Code != "cancelled" {
			t.Errorf("got %v, want a cancelled read to be a retry", e)
		}
	})
}

func TestBodies(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	c, err := httpapi.New(connector.Deps{HTTP: slow.Client(), Now: time.Now}, httpapi.Options{Base: slow.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), httpapi.Request{Op: "create ticket", Method: "POST"})
	if e := asError(t, err); e.Ending != connector.Ambiguous {
		t.Errorf("slow body: got %v, want ambiguous", e)
	}

	long := client(t, httpapi.Options{MaxBody: 10}, func(*http.Request) (*http.Response, error) {
		return answer(200, strings.Repeat("x", 11)), nil
	})
	_, err = long.Do(t.Context(), httpapi.Request{Op: "create ticket", Method: "POST"})
	if e := asError(t, err); e.Ending != connector.Ambiguous || e.Code != "too long" {
		t.Errorf("long body: got %v, want ambiguous", e)
	}

	garbage := client(t, httpapi.Options{}, func(*http.Request) (*http.Response, error) { return answer(200, "<html>"), nil })
	var into struct{}
	_, err = garbage.Get(t.Context(), "observe", "", nil, &into)
	if e := asError(t, err); e.Ending != connector.Retry {
		t.Errorf("garbage: got %v, want a retry", e)
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	o := httpapi.Options{Base: "https://crm.example/api/", Auth: httpapi.Bearer("s3cret"), Header: http.Header{"X-Version": {"2"}}}
	c := client(t, o, func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		return answer(200, `{"id":12345678901234567890}`), nil
	})
	var into map[string]any
	_, err := c.Call(t.Context(), httpapi.Request{
		Op: "create note", Method: "POST", Path: "/notes/a%2Fb", Query: map[string][]string{"q": {"+49 & x"}},
		JSON: map[string]string{"text": "<b>&"},
	}, &into)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"url":      {got.URL.String(), "https://crm.example/api/notes/a%2Fb?q=%2B49+%26+x"},
		"body":     {body, `{"text":"<b>&"}`},
		"auth":     {got.Header.Get("Authorization"), "Bearer s3cret"},
		"type":     {got.Header.Get("Content-Type"), "application/json"},
		"agent":    {got.Header.Get("User-Agent"), "crm-connector"},
		"constant": {got.Header.Get("X-Version"), "2"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
	if s, ok := into["id"].(interface{ String() string }); !ok || s.String() != "12345678901234567890" {
		t.Errorf("id: got %v, want all its digits", into["id"])
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var asked []string
	c := client(t, httpapi.Options{}, func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.Method+" "+r.URL.Host+r.URL.Path)
		switch r.URL.Path {
		case "/api/moved":
			return answer(302, "", "Location", "/api/there"), nil
		case "/api/away":
			return answer(302, "", "Location", "https://elsewhere.example/api/there"), nil
		}
		return answer(200, "{}"), nil
	})
	if _, err := c.Get(t.Context(), "observe", "/moved", nil, nil); err != nil {
		t.Errorf("a read inside the host: %v", err)
	}
	_, err := c.Get(t.Context(), "observe", "/away", nil, nil)
	if e := asError(t, err); e.Ending != connector.Broken {
		t.Errorf("to another host: got %v, want broken", e)
	}
	_, err = c.Do(t.Context(), httpapi.Request{Op: "create", Method: "POST", Path: "/moved"})
	if e := asError(t, err); e.Ending != connector.Broken {
		t.Errorf("a write: got %v, want broken", e)
	}
	if len(asked) != 4 {
		t.Errorf("asked %v, want one redirect followed", asked)
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	for base, reason := range map[string]string{
		"":                          "no base at all",
		"crm.example/api":           "no scheme",
		"https://u:p@crm.example":   "credentials belong into auth",
		"https://crm.example?key=1": "a query belongs into requests",
		"https://crm.example/%zz":   "not a url",
	} {
		_, err := httpapi.New(connector.Deps{}, httpapi.Options{Base: base})
		if err == nil || strings.Contains(err.Error(), "u:p") || strings.Contains(err.Error(), "key=1") {
			t.Errorf("%s: got %v", reason, err)
		}
	}
}
