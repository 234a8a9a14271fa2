package adaptertest_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/crm-connector/crm-connector/adapters/adaptertest"
	"github.com/crm-connector/crm-connector/connector"
)

// fake is a CRM in memory.
type fake struct {
	mu            sync.Mutex
	last          int
	contacts      []*row
	tickets       []*row
	comments      map[string][]*row
	unchanged     bool
	ignoreFilters bool
}

// bench puts a reference adapter with a flaw on a fresh fake.
func bench(f flaw) func(connector.Deps) (adaptertest.Bench, error) {
	return func(deps connector.Deps) (adaptertest.Bench, error) {
		c := &fake{comments: map[string][]*row{}}
		web := httptest.NewServer(c.handler())
		a, err := newReference(web.URL, deps, f)
		if err != nil {
			web.Close()
			return adaptertest.Bench{}, err
		}
		set := func(b *bool) func(bool) {
			return func(on bool) {
				c.mu.Lock()
				defer c.mu.Unlock()
				*b = on
			}
		}
		edit := func(kind connector.Kind, id string, f func(*row)) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if r := byID(*c.table(kind), id); r != nil {
				f(r)
			}
		}
		return adaptertest.Bench{
			Adapter: a, Stop: web.Close, Count: c.count, Show: c.show,
			Solve:     func(id string) { edit(connector.KindTicket, id, func(r *row) { r.Status = connector.TicketSolved }) },
			Finish:    func(id string) { edit(connector.KindTicket, id, func(r *row) { r.Status = connector.TicketClosed }) },
			Delete:    func(k connector.Kind, id string) { edit(k, id, func(r *row) { r.Deleted = true }) },
			Merge:     func(k connector.Kind, id, into string) { edit(k, id, func(r *row) { r.MergedInto = into }) },
			Unchanged: set(&c.unchanged), IgnoreFilters: set(&c.ignoreFilters),
		}, nil
	}
}

func (c *fake) table(k connector.Kind) *[]*row {
	if k == connector.KindContact {
		return &c.contacts
	}
	return &c.tickets
}

func byID(rows []*row, id string) *row {
	if i := slices.IndexFunc(rows, func(r *row) bool { return r.ID == id }); i >= 0 {
		return rows[i]
	}
	return nil
}

func (r *row) alive() bool { return r != nil && !r.Deleted && r.MergedInto == "" }

func (c *fake) count(k connector.Kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range *c.table(k) {
		if r.alive() {
			n++
		}
	}
	return n
}

func (c *fake) show(k connector.Kind, id string) (adaptertest.Record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := byID(*c.table(k), id)
	if r == nil {
		return adaptertest.Record{}, false
	}
	out := adaptertest.Record{Phone: r.Phone, Name: r.Name, Subject: r.Subject, Status: r.Status, Contact: r.ContactID}
	for _, m := range c.comments[id] {
		out.Comments = append(out.Comments, adaptertest.Comment{ID: m.ID, Body: rendered(m), Public: m.Public})
	}
	return out, true
}

var tags = regexp.MustCompile(`<[^>]*>`)

// rendered is a comment as people read it.
func rendered(m *row) string {
	if !m.HTML {
		return m.Body
	}
	return html.UnescapeString(tags.ReplaceAllString(m.Body, ""))
}

func (c *fake) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /me", c.locked(func(*http.Request) (int, any) { return 200, map[string]string{"name": "Reference Ltd"} }))
	m.HandleFunc("POST /contacts/batch", c.locked(c.saveContacts))
	m.HandleFunc("GET /contacts", c.locked(func(r *http.Request) (int, any) { return 200, c.search(c.contacts, r) }))
	m.HandleFunc("GET /tickets", c.locked(func(r *http.Request) (int, any) { return 200, c.search(c.tickets, r) }))
	m.HandleFunc("POST /tickets", c.locked(c.openTicket))
	m.HandleFunc("PUT /tickets/{id}", c.locked(c.putTicket))
	m.HandleFunc("POST /tickets/{id}/comments", c.locked(c.addComment))
	m.HandleFunc("GET /tickets/{id}/comments", c.locked(func(r *http.Request) (int, any) {
		return 200, c.search(c.comments[r.PathValue("id")], r)
	}))
	return m
}

// locked answers a function's result as JSON, to those who have the token.
func (c *fake) locked(f func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		status, body := 401, any(map[string]string{"message": "unauthorized"})
		if r.Header.Get("Authorization") == "Bearer "+referenceToken {
			status, body = f(r)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

// search filters by whatever is asked for, numbers by their end as many do.
func (c *fake) search(rows []*row, r *http.Request) []row {
	q := r.URL.Query()
	out := []row{}
	for _, e := range rows {
		match := (!q.Has("id") || e.ID == q.Get("id")) && (!q.Has("external_id") || e.ExternalID == q.Get("external_id")) &&
			(!q.Has("phone") || strings.HasSuffix(e.Phone, strings.TrimPrefix(q.Get("phone"), "+")) || strings.HasPrefix(q.Get("phone"), e.Phone))
		if !e.Deleted && (match || c.ignoreFilters) {
			out = append(out, *e)
		}
	}
	return out
}

func (c *fake) next() string {
	c.last++
	return "r" + strconv.Itoa(c.last)
}

func read(r *http.Request, into any) bool { return json.NewDecoder(r.Body).Decode(into) == nil }

func (c *fake) saveContacts(r *http.Request) (int, any) {
	var asked []row
	if !read(r, &asked) || len(asked) > 10 {
		return 400, map[string]string{"message": "at most 10 contacts"}
	}
	out := make([]row, len(asked))
	for i, a := range asked {
		out[i] = c.saveContact(a)
	}
	return 200, out
}

func (c *fake) saveContact(a row) row {
	if a.Bad != "" {
		return row{Error: "unknown field bad"}
	}
	have := byID(c.contacts, a.ID)
	if a.ID == "" {
		if i := slices.IndexFunc(c.contacts, func(r *row) bool { return r.ExternalID == a.ExternalID && r.alive() }); i >= 0 {
			have = c.contacts[i]
		}
	}
	switch {
	case have == nil && a.ID == "" && c.unchanged:
		return row{}
	case have == nil && a.ID == "":
		a.ID = c.next()
		c.contacts = append(c.contacts, &a)
		return a
	case !have.alive():
		gone := row{Error: "gone"}
		if have != nil {
			gone.MergedInto = have.MergedInto
		}
		return gone
	}
	c.merge(have, a)
	return *have
}

func (c *fake) merge(into *row, a row) {
	if c.unchanged {
		return
	}
	for to, from := range map[*string]string{
		&into.Name: a.Name, &into.Phone: a.Phone, &into.Subject: a.Subject, &into.Status: a.Status,
	} {
		if from != "" {
			*to = from
		}
	}
}

func (c *fake) openTicket(r *http.Request) (int, any) {
	var a row
	switch {
	case !read(r, &a) || a.Bad != "":
		return 422, map[string]string{"message": "unknown field"}
	case !byID(c.contacts, a.ContactID).alive():
		return 422, map[string]string{"message": "no such contact", "code": "contact gone"}
	case c.unchanged:
		return 200, row{}
	}
	a.ID = c.next()
	c.tickets = append(c.tickets, &a)
	return 201, a
}

func (c *fake) putTicket(r *http.Request) (int, any) {
	var a row
	t := byID(c.tickets, r.PathValue("id"))
	if !t.alive() || !read(r, &a) {
		return 404, nil
	}
	c.merge(t, a)
	return 200, *t
}

func (c *fake) addComment(r *http.Request) (int, any) {
	var a row
	t := byID(c.tickets, r.PathValue("id"))
	switch {
	case !t.alive() || !read(r, &a):
		return 404, nil
	case t.Status == connector.TicketClosed:
		return 409, map[string]string{"message": "the ticket is closed for good"}
	case c.unchanged:
		return 200, row{}
	}
	a.ID = c.next()
	c.comments[t.ID] = append(c.comments[t.ID], &a)
	return 201, a
}
