package crm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
)

// bundle is a server and a caller without a network between.
type bundle struct {
	t      *testing.T
	server *crm.Server
	token  string
	now    time.Time
}

func setup(t *testing.T, change ...func(*crm.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	o := crm.Options{Settings: crm.DefaultSettings(), Now: func() time.Time { return b.now }}
	for _, f := range change {
		f(&o)
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	b.server, b.token = crm.New(o), o.Token
	return b
}

// answer is what came back, decoded as far as the tests look.
type answer struct {
	Status int
	Header http.Header
	Body   string
	data   any
}

// at gives a member by its path, like "results.0.record.id".
func (a *answer) at(path string) string {
	v := a.data
	for part := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(at) {
				return "<none>"
			}
			v = at[i]
		default:
			return "<none>"
		}
	}
	return fmt.Sprint(v)
}

func (a *answer) len() int {
	list, _ := a.data.([]any)
	return len(list)
}

func (b *bundle) call(method, path, body string) *answer {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, r)
	a := &answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &a.data); err != nil && !errors.Is(err, io.EOF) {
			b.t.Fatalf("%s %s: not JSON: %s", method, path, a.Body)
		}
	}
	return a
}

// want fails unless the answer has the status.
func (b *bundle) want(status int, method, path, body string) *answer {
	b.t.Helper()
	a := b.call(method, path, body)
	if a.Status != status {
		b.t.Fatalf("%s %s: got %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a
}

// contact makes a contact and gives its id.
func (b *bundle) contact(key, phone string) string {
	b.t.Helper()
	a := b.want(200, "POST", "/v1/contacts/batch", `{"items":[{"external_id":"`+key+`","set":{"phone":"`+phone+`","name":"Asha"}}]}`)
	return a.at("results.0.record.id")
}

// ticket makes a ticket and gives its id.
func (b *bundle) ticket(key, contact string) string {
	b.t.Helper()
	a := b.want(200, "POST", "/v1/tickets/batch", `{"items":[{"external_id":"`+key+`","contact_id":"`+contact+`","set":{"subject":"Help"}}]}`)
	return a.at("results.0.record.id")
}

func (b *bundle) update(id, rest string) *answer {
	b.t.Helper()
	return b.call("POST", "/v1/tickets/batch", `{"items":[{"id":"`+id+`",`+rest+`}]}`)
}

func says(key string) string {
	return `"comments":[{"external_id":"` + key + `","body":"hello","author":"customer"}]`
}

func TestReadBackIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *crm.Options) { o.Settings.Lag = crm.Duration(time.Hour) })
	first := b.contact("wa:1", "+91 88568-79188")
	b.contact("wa:2", "+92 88568-79188")
	ticket := b.ticket("t1", first)
	b.update(ticket, says("m1"))
	b.update(ticket, says("m2"))

	all := b.want(200, "GET", "/api/contacts", "")
	if all.len() != 2 || all.at("0.external_id") != "wa:1" || all.at("0.created_at") != "2026-03-01T12:00:00Z" || all.at("0.name") != "Asha" {
		t.Errorf("contacts: %s", all.Body)
	}
	one := b.want(200, "GET", "/api/contacts?phone=%2B918856879188", "")
	if one.len() != 1 || one.at("0.id") != first {
		t.Errorf("by phone, which two share in its last digits: %s", one.Body)
	}
	tickets := b.want(200, "GET", "/api/tickets?contact_id="+first, "")
	if tickets.len() != 1 || tickets.at("0.subject") != "Help" || tickets.at("0.status") != "open" || tickets.at("0.contact_id") != first {
		t.Errorf("tickets: %s", tickets.Body)
	}
	comments := b.want(200, "GET", "/api/tickets/"+ticket+"/comments", "")
	if comments.len() != 2 || comments.at("1.external_id") != "m2" || comments.at("1.body") != "hello" ||
		comments.at("1.author") != "customer" || comments.at("1.public") != "true" {
		t.Errorf("comments: %s", comments.Body)
	}
	stats := b.want(200, "GET", "/api/stats", "")
	if stats.at("calls") != "5" || stats.at("records_written") != "7" || stats.at("worst_window") != "5" || stats.at("by_endpoint.POST /v1/tickets/batch") != "3" {
		t.Errorf("stats: %s", stats.Body)
	}
	if none := b.want(200, "GET", "/api/contacts?phone=123456", ""); none.Body != "[]\n" {
		t.Errorf("nothing found must be an empty list, got %q", none.Body)
	}
}

func TestSearchLagsAndIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *crm.Options) { o.Settings.Lag = crm.Duration(5 * time.Second) })
	id := b.contact("wa:1", "+918856879188")
	cases := map[string]struct {
		reason, question string
		after            time.Duration
		want             string
	}{
		"by key at once":  {"the index has not seen it", `{"external_ids":["wa:1"]}`, 0, "<none>"},
		"by id at once":   {"an id needs no index", `{"ids":["` + id + `"]}`, 0, id},
		"by key later":    {"the index has caught up", `{"external_ids":["wa:1"]}`, 5 * time.Second, id},
		"by phone":        {"other spelling and country, same last digits", `{"phones":["0 88568 79188"]}`, 5 * time.Second, id},
		"unknown filter":  {"what is not known is ignored", `{"phone_exact":["+1"]}`, 0, id},
		"no such key":     {"absence is an empty list", `{"external_ids":["wa:9"]}`, time.Minute, "<none>"},
		"empty id filter": {"an empty filter is none", `{"ids":[]}`, 0, id},
	}
	start := b.now
	for name, c := range cases {
		b.now = start.Add(c.after)
		if got := b.want(200, "POST", "/v1/contacts/search", c.question).at("results.0.id"); got != c.want {
			t.Errorf("%s: got %s, want %s: %s", name, got, c.want, c.reason)
		}
	}
	b.now = start.Add(time.Hour)
	if got := b.want(200, "GET", "/v1/contacts?external_id=wa:1", "").at("results.0.id"); got != id {
		t.Errorf("by query: got %s", got)
	}
}

func TestTicketStatuses(t *testing.T) {
	t.Parallel()
	const expect = `"expect_open":true,`
	cases := map[string]struct {
		reason, status, change string
		code, after            string
		comments               int
	}{
		"open":             {"an open ticket takes comments", "open", says("m"), "<none>", "open", 1},
		"pending, guarded": {"pending is open enough", "pending", expect + says("m"), "<none>", "pending", 1},
		"solved":           {"a solved ticket swallows", "solved", says("m"), "<none>", "solved", 1},
		"solved, guarded":  {"the guard leaves no comment", "solved", expect + says("m"), "ticket_solved", "solved", 0},
		"reopened":         {"reopening comes first", "solved", `"reopen":true,` + expect + says("m"), "<none>", "open", 1},
		"closed":           {"closed is for good", "closed", says("m"), "ticket_closed", "closed", 0},
		"closed, reopened": {"closed is for good", "closed", `"reopen":true`, "ticket_closed", "closed", 0},
		"closed, changed":  {"closed is for good", "closed", `"set":{"subject":"x"}`, "ticket_closed", "closed", 0},
		"status last":      {"comments come before the status", "open", expect + `"set":{"status":"closed"},` + says("m"), "<none>", "closed", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.ticket("t", b.contact("c", "+918856879188"))
			b.want(204, "PUT", "/api/tickets/"+id+"/status", `{"status":"`+c.status+`"}`)
			got := b.update(id, c.change).at("results.0.error.code")
			if got != c.code {
				t.Errorf("code: got %s, want %s: %s", got, c.code, c.reason)
			}
			if status := b.want(200, "GET", "/v1/tickets/"+id, "").at("status"); status != c.after {
				t.Errorf("status: got %s, want %s: %s", status, c.after, c.reason)
			}
			if n := b.want(200, "GET", "/api/tickets/"+id+"/comments", "").len(); n != c.comments {
				t.Errorf("comments: got %d, want %d: %s", n, c.comments, c.reason)
			}
		})
	}
}

func TestMergeAndDelete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	asha, twin := b.contact("c1", "+918856879188"), b.contact("c2", "+447700900123")
	first, second := b.ticket("t1", asha), b.ticket("t2", asha)
	b.update(first, says("m1"))
	b.update(second, says("m2"))

	b.want(204, "POST", "/api/tickets/"+first+"/merge", `{"into":"`+second+`"}`)
	if gone := b.want(410, "GET", "/v1/tickets/"+first, ""); gone.at("error.successor") != second {
		t.Errorf("merged ticket: %s", gone.Body)
	}
	if p := b.update(first, says("m3")); p.at("results.0.error.code") != "ticket_gone" || p.at("results.0.error.successor") != second {
		t.Errorf("update of a merged ticket: %s", p.Body)
	}
	if list := b.want(200, "GET", "/api/tickets/"+second+"/comments", ""); list.len() != 2 || list.at("0.external_id") != "m1" {
		t.Errorf("comments move with a merge, in order: %s", list.Body)
	}

	b.want(204, "POST", "/api/contacts/"+asha+"/merge", `{"into":"`+twin+`"}`)
	if got := b.want(200, "GET", "/v1/tickets/"+second, "").at("contact_id"); got != twin {
		t.Errorf("tickets move with a merge: %s", got)
	}
	p := b.update(second, `"comments":[{"external_id":"m","body":"x","author":"customer","contact_id":"`+asha+`"}]`)
	if p.at("results.0.error.code") != "contact_gone" || p.at("results.0.error.successor") != twin {
		t.Errorf("comment of a merged contact: %s", p.Body)
	}
	b.want(204, "DELETE", "/api/contacts/"+twin, "")
	if gone := b.want(410, "GET", "/v1/contacts/"+asha, ""); gone.at("error.successor") != "<nil>" {
		t.Errorf("a successor that is deleted is none: %s", gone.Body)
	}
	if p := b.update(second, says("m4")); p.at("results.0.error.code") != "contact_gone" {
		t.Errorf("comment of a deleted contact: %s", p.Body)
	}
	if n := b.want(200, "GET", "/api/contacts", "").len(); n != 0 {
		t.Errorf("%d contacts are left, want none", n)
	}
	b.want(422, "POST", "/api/tickets/"+second+"/merge", `{"into":"`+second+`"}`)
	b.want(404, "DELETE", "/api/tickets/999", "")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	const twice = `{"items":[{"external_id":"t","contact_id":"1","set":{"subject":"Help","status":"open"},` +
		`"comments":[{"external_id":"m1","body":"a","author":"customer"},{"external_id":"m2","body":"b","author":"customer"}]}]}`
	for _, unique := range []bool{true, false} {
		t.Run(fmt.Sprint("unique ", unique), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *crm.Options) { o.Settings.UniqueKeys = unique })
			b.contact("c", "+918856879188")
			b.contact("c", "+918856879188")
			first := b.want(200, "POST", "/v1/tickets/batch", twice)
			b.want(204, "PUT", "/api/tickets/"+first.at("results.0.record.id")+"/status", `{"status":"closed"}`)
			second := b.want(200, "POST", "/v1/tickets/batch", twice)
			same := first.at("results.0.comments.1.id") == second.at("results.0.comments.1.id")
			want, same2 := 2, false
			if unique {
				want, same2 = 1, true
			}
			if n := b.want(200, "GET", "/api/contacts", "").len(); n != want {
				t.Errorf("contacts: got %d, want %d", n, want)
			}
			if n := b.want(200, "GET", "/api/tickets", "").len(); n != want || same != same2 {
				t.Errorf("tickets: got %d, want %d: %s", n, want, second.Body)
			}
		})
	}
}

func TestItemsAreRefusedOneByOne(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, item, code, field string }{
		"long name":     {"255 characters", `{"set":{"name":"` + strings.Repeat("n", 256) + `"}}`, "invalid_value", "name"},
		"bad phone":     {"no number", `{"set":{"phone":"n/a"}}`, "invalid_value", "phone"},
		"bad mail":      {"no address", `{"set":{"email":"nobody"}}`, "invalid_value", "email"},
		"bad tags":      {"tags are texts", `{"set":{"tags":[1]}}`, "invalid_value", "tags"},
		"unknown field": {"not a name", `{"set":{"No Such":"x"}}`, "unknown_field", "No Such"},
		"object":        {"not a value", `{"set":{"city":{}}}`, "invalid_value", "city"},
		"no record":     {"never was", `{"id":"99"}`, "not_found", "<nil>"},
		"required":      {"asked for by the settings", `{"set":{"name":"x"}}`, "required", "city"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.want(200, "PUT", "/api/control", `{"required":{"contact":["city"]}}`)
			a := b.want(207, "POST", "/v1/contacts/batch", `{"items":[{"set":{"city":"Pune"}},`+c.item+`]}`)
			if a.at("results.0.status") != "ok" || a.at("results.1.error.code") != c.code || a.at("results.1.error.field") != c.field {
				t.Errorf("%s: %s", c.reason, a.Body)
			}
		})
	}
}

func TestCommentsStopAtTheFirstBadOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.ticket("t", b.contact("c", "+918856879188"))
	a := b.update(id, `"set":{"status":"solved"},"comments":[{"external_id":"a","body":"a","author":"business"},{"external_id":"b","body":" ","author":"business"},{"external_id":"c","body":"c","author":"business"}]`)
	got := []string{a.at("results.0.comments.0.status"), a.at("results.0.comments.1.error.code"), a.at("results.0.comments.2.status"), a.at("results.0.record.status")}
	if want := []string{"ok", "required", "skipped", "open"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v: the status waits for all comments", got, want)
	}
}

func TestBatchModes(t *testing.T) {
	t.Parallel()
	const mixed = `{"items":[{"set":{"name":"good"}},{"set":{"phone":"bad"}}]}`
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(o *crm.Options) { o.Settings.Batch = crm.BatchWhole })
		if a := b.want(422, "POST", "/v1/contacts/batch", mixed); strings.Contains(a.Body, "phone") {
			t.Errorf("the answer must not help: %s", a.Body)
		}
		if a := b.want(422, "POST", "/v1/contacts/batch", `{"items":[{"set":{"phone":"bad"}}]}`); a.at("results.0.error.field") != "phone" {
			t.Errorf("one record alone leaves no doubt: %s", a.Body)
		}
		if n := b.want(200, "GET", "/api/contacts", "").len(); n != 0 {
			t.Errorf("%d contacts were saved of refused batches", n)
		}
		b.contact("c", "+918856879188")
	})
	t.Run("job", func(t *testing.T) {
		t.Parallel()
		var later []func()
		b := setup(t, func(o *crm.Options) {
			o.Settings.Batch = crm.BatchJob
			o.AfterFunc = func(_ time.Duration, f func()) { later = append(later, f) }
		})
		job := b.want(202, "POST", "/v1/contacts/batch", mixed).at("job.id")
		if a := b.want(200, "GET", "/v1/jobs?ids="+job, ""); a.at("jobs.0.status") != "queued" {
			t.Errorf("before: %s", a.Body)
		}
		later[0]()
		a := b.want(200, "GET", "/v1/jobs?ids="+job+",job-99", "")
		if a.at("jobs.0.status") != "completed" || a.at("jobs.0.results.0.record.name") != "good" || a.at("jobs.0.results.1.error.code") != "invalid_value" || a.at("jobs.1") != "<none>" {
			t.Errorf("after: %s", a.Body)
		}
	})
	t.Run("sizes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.want(400, "POST", "/v1/contacts/batch", `{"items":[]}`)
		b.want(200, "POST", "/v1/contacts/batch", `{"items":[`+strings.Repeat(`{},`, 99)+`{}]}`)
		b.want(400, "POST", "/v1/contacts/batch", `{"items":[`+strings.Repeat(`{},`, 100)+`{}]}`)
		b.want(400, "POST", "/v1/contacts/batch", `{"items":[{"id":"1"},{"id":"1"}]}`)
		b.want(400, "POST", "/v1/contacts/batch", `{"items":`)
	})
}

func TestToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *crm.Options) { o.Token = "right" })
	b.want(200, "GET", "/v1/me", "")
	b.token = "wrong"
	for _, path := range []string{"/v1/me", "/v1/contacts", "/v1/nothing"} {
		b.want(401, "GET", path, "")
	}
	b.want(200, "GET", "/api/contacts", "")
	b.want(200, "GET", "/", "")
	b.token = "right"
	b.want(404, "GET", "/v1/nothing", "")
}

func TestQuota(t *testing.T) {
	t.Parallel()
	at := func(seconds ...float64) []float64 { return seconds }
	cases := map[string]struct {
		reason, kind string
		times        []float64
		refused      int
		wait         string
		worst        string
	}{
		"fixed, over the edge":   {"a fixed window forgets at its edge", "fixed", at(9, 9, 9, 10, 10, 10), 0, "", "3"},
		"sliding, over the edge": {"a sliding window does not", "sliding", at(9, 9, 9, 10, 10, 10), 3, "9", "6"},
		"sliding, in time":       {"each call leaves the window after its length", "sliding", at(0, 1, 2, 10, 11, 12), 0, "", "3"},
		"fixed, too many":        {"the fourth is over", "fixed", at(1, 1, 1, 4), 1, "6", "4"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *crm.Options) {
				o.Settings.Quota = crm.Quota{Calls: 3, Window: crm.Duration(10 * time.Second), Kind: c.kind}
			})
			start, refused, wait := b.now.Truncate(10*time.Second), 0, ""
			for _, s := range c.times {
				b.now = start.Add(time.Duration(s * float64(time.Second)))
				a := b.call("GET", "/v1/me", "")
				if a.Status == http.StatusTooManyRequests {
					refused++
					wait = a.Header.Get("Retry-After")
				}
				if a.Header.Get("X-RateLimit-Limit") != "3" {
					t.Errorf("limit header: %q", a.Header.Get("X-RateLimit-Limit"))
				}
				b.call("GET", "/api/contacts", "")
			}
			stats := b.want(200, "GET", "/api/stats", "")
			if refused != c.refused || wait != c.wait || stats.at("worst_window") != c.worst {
				t.Errorf("%d refused, wait %s, worst %s: %s", refused, wait, stats.at("worst_window"), c.reason)
			}
		})
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.want(200, "PUT", "/api/control", `{"faults":0.5,"lag":"3s","required":{"ticket":["category"]}}`)
	if a.at("faults.late") != "0.5" || a.at("lag") != "3s" {
		t.Errorf("changed: %s", a.Body)
	}
	a = b.want(200, "PUT", "/api/control", `{"faults":{"late":0},"required":{"ticket":[]}}`)
	if a.at("faults.late") != "0" || a.at("faults.hang") != "0.5" || a.at("lag") != "3s" || a.at("required.ticket.0") != "<none>" {
		t.Errorf("changed in part: %s", a.Body)
	}
	for _, wrong := range []string{
		`{"faults":2}`, `{"faults":{"lightning":1}}`, `{"lag":"soon"}`, `{"lag":"-1s"}`, `{"batch":"some"}`, `{"no":1}`, `x`,
		`{"quota":{"kind":"square"}}`, `{"quota":{"calls":-1}}`, `{"required":{"deal":["x"]}}`, `{"down":"hard"}`, `{"faults":"all"}`,
	} {
		b.want(400, "PUT", "/api/control", wrong)
	}
	if got := b.want(200, "GET", "/api/control", "").at("faults.hang"); got != "0.5" {
		t.Errorf("a refused change changed something: %s", got)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.want(200, "GET", "/", "")
	if !strings.Contains(page.Body, "/page/board.js") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page: %v", page.Header)
	}
	b.want(200, "GET", "/page/board.js", "")
	b.want(200, "GET", "/page/board.css", "")
	b.want(404, "GET", "/page/", "")

	older := b.ticket("t1", b.contact("c1", "+918856879188"))
	newer := b.ticket("t2", b.contact("c2", "+447700900123"))
	b.update(older, says("m1"))
	a := b.want(200, "GET", "/api/board", "")
	if a.at("latest.0.id") != older || a.at("latest.1.id") != newer || a.at("latest.0.last") != "hello" || a.at("tickets") != "2" {
		t.Errorf("the latest activity comes first: %s", a.Body)
	}
	b.want(204, "GET", "/api/board?revision="+a.at("revision"), "")
	b.want(204, "DELETE", "/api/tickets/"+older, "")
	if a := b.want(200, "GET", "/api/board?revision="+a.at("revision"), ""); a.at("latest.0.id") != newer || a.at("latest.1") != "<none>" || a.at("comments") != "0" {
		t.Errorf("deleted tickets leave: %s", a.Body)
	}
}

func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.contact("c", "+918856879188")
	r := httptest.NewRequestWithContext(t.Context(), "DELETE", "/api/contacts/"+id, nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a page of another site got %d", w.Code)
	}
}
