package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/adapters/sandbox"
	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
)

// settings decodes an adapter's configuration as strictly as the real ones do.
type settings string

func (s settings) Decode(into any) error {
	d := yaml.NewDecoder(strings.NewReader(string(s)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// wire carries requests to a server in the same process, so that tests can stop
// the clock.
type wire struct{ handler http.Handler }

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err // as the real transport does: nothing goes out
	}
	out, ended := httptest.NewRecorder(), make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		w.handler.ServeHTTP(out, r)
	}()
	select {
	case aborted := <-ended:
		if aborted != nil {
			return nil, io.ErrUnexpectedEOF
		}
		return out.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

const testToken = "sesame-open-wide"

// bench is a fresh sandbox with an adapter on it.
type bench struct {
	t       *testing.T
	server  *crm.Server
	adapter *sandbox.Adapter
	ctx     context.Context
}

func setup(t *testing.T, config string, change ...func(*crm.Settings)) *bench {
	t.Helper()
	o := crm.Options{Token: testToken, Settings: crm.DefaultSettings()}
	for _, f := range change {
		f(&o.Settings)
	}
	s := crm.New(o)
	a, err := sandbox.New(settings("url: http://crm.test\ntoken: "+testToken+"\n"+config), connector.Deps{
		HTTP: &http.Client{Transport: wire{s.Handler()}}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, server: s, adapter: a.(*sandbox.Adapter), ctx: t.Context()}
}

// change changes the server's settings.
func (b *bench) change(f func(*crm.Settings)) {
	b.t.Helper()
	if err := b.server.Change(f); err != nil {
		b.t.Fatal(err)
	}
}

// api calls the API that never fails.
func (b *bench) api(method, path, body string, into any) {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body)))
	if w.Code >= 300 {
		b.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			b.t.Fatal(err)
		}
	}
}

// count counts what a path of the read-back API lists.
func (b *bench) count(path string) int {
	b.t.Helper()
	var list []any
	b.api("GET", path, "", &list)
	return len(list)
}

// apply applies one change and wants one result.
func (b *bench) apply(c connector.Change) connector.Result {
	b.t.Helper()
	results, err := b.adapter.Apply(b.ctx, []connector.Change{c})
	if err != nil {
		b.t.Fatalf("apply: %v", err)
	}
	return results[0]
}

// made applies a change that must succeed, and gives the record's id.
func (b *bench) made(c connector.Change) string {
	b.t.Helper()
	r := b.apply(c)
	if r.Err != nil {
		b.t.Fatalf("apply: %v", r.Err)
	}
	return r.ID
}

func (b *bench) observe(refs ...connector.Ref) []connector.Observation {
	b.t.Helper()
	seen, err := b.adapter.Observe(b.ctx, refs)
	if err != nil {
		b.t.Fatalf("observe: %v", err)
	}
	return seen
}

// ticket makes a contact and a ticket on it, and gives both ids.
func (b *bench) ticket() (contact, ticket string) {
	b.t.Helper()
	contact = b.made(person("wa:1", "+918856879188"))
	return contact, b.made(matter("t1", contact))
}

func person(key, phone string) connector.Change {
	return connector.Change{
		Kind: connector.KindContact, Key: key, Identity: connector.Identity{Phone: phone},
		Set: connector.Write{Standard: connector.Fields{connector.FieldName: "Asha"}},
	}
}

func matter(key, contact string, comments ...connector.Comment) connector.Change {
	return connector.Change{
		Kind: connector.KindTicket, Key: key, Contact: connector.Ref{Kind: connector.KindContact, ID: contact}, Comments: comments,
		Set: connector.Write{Standard: connector.Fields{connector.FieldSubject: "Help"}},
	}
}

// onto adds comments to a ticket.
func onto(ticket, contact string, comments ...connector.Comment) connector.Change {
	return connector.Change{
		Kind: connector.KindTicket, Key: "t1", ID: ticket, Contact: connector.Ref{Kind: connector.KindContact, ID: contact}, Comments: comments,
	}
}

func words(key string) connector.Comment {
	return connector.Comment{Key: key, Body: "words of " + key, Author: connector.AuthorCustomer, Time: time.Unix(1_770_000_000, 0)}
}
