package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/adapters/sandbox"
	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
)

// reason says how a result ended, in short.
func reason(err *connector.Error) string {
	if err == nil {
		return "done"
	}
	return string(err.Ending) + " " + err.Code
}

func callReason(err error) string {
	if err == nil {
		return "done"
	}
	return reason(connector.AsError("test", err))
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, config, want string }{
		"nothing":     {"every key has a default", "", ""},
		"unknown key": {"keys are strict", "urls: x", "urls"},
		"no url":      {"a host is needed", "url: localhost", "url"},
		"batch":       {"the server takes a hundred", "batch: 101", "batch"},
		"quota":       {"a quota needs a time", "quota: {calls: 5, per: 0s}", "quota"},
		"concurrency": {"one at least", "concurrency: 0", "concurrency"},
		"times":       {"no negative times", "settling: -1s\nlag: -1s\ntimeout: 0s", "settling"},
	}
	for name, c := range cases {
		_, err := sandbox.New(settings(c.config), connector.Deps{})
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want it to name %q: %s", name, err, c.want, c.reason)
		}
	}
}

// TestSample holds the sample against the defaults: with every key uncommented
// it must describe the same adapter as no configuration at all.
func TestSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimPrefix(line, "# ")
		if key, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.Contains(key, " ") {
			lines = append(lines, line)
		}
	}
	sample := strings.Join(lines, "")
	var keys map[string]any
	if err := yaml.Unmarshal([]byte(sample), &keys); err != nil || len(keys) != 10 {
		t.Fatalf("the sample has %d keys, want all 10: %v\n%s", len(keys), err, sample)
	}
	fromSample, err := sandbox.New(settings(sample), connector.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	fromNothing, err := sandbox.New(settings(""), connector.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", fromSample.Describe()), fmt.Sprintf("%+v", fromNothing.Describe()); a != b {
		t.Errorf("the sample says %s, the defaults are %s", a, b)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	plain := setup(t, "").adapter.Describe()
	if plain.Contact.Create != connector.Found || plain.Contact.Settling != 90*time.Second || !plain.Guarded || plain.Quota != nil {
		t.Errorf("got %+v", plain)
	}
	d := setup(t, "unique_keys: true\nlag: 3s\nguarded: false\nbatch: 7\nquota: {calls: 100, per: 10s}").adapter.Describe()
	if d.Ticket.Create != connector.Keyed || d.Comment.Create != connector.Keyed || d.Contact.Lag != 3*time.Second || d.Comment.Lag != 0 ||
		d.Guarded || d.Contact.Batch != 7 || d.Quota[0] != (connector.Window{Calls: 100, Per: 10 * time.Second}) {
		t.Errorf("got %+v", d)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	if me, err := b.adapter.Check(b.ctx); err != nil || me.Name != "Sandbox" {
		t.Errorf("got %+v, %v", me, err)
	}
	wrong, err := sandbox.New(settings("token: wrong-token"), connector.Deps{HTTP: &http.Client{Transport: wire{b.server.Handler()}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.(connector.Checker).Check(b.ctx)
	if got := callReason(err); got != "broken unauthorized" {
		t.Errorf("got %s", got)
	}
}

func TestApplyWritesWhatWasAsked(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	c := person("wa:1", "+918856879188")
	c.Identity.UserID = "IN.42"
	c.Set.Standard[connector.FieldTags] = []string{"b", "a"}
	c.Set.Custom = connector.Fields{"city": "Pune", "age": int64(7), "vip": true, "score": 1.5}
	c.Fill = connector.Write{Standard: connector.Fields{connector.FieldName: "Nobody", connector.FieldEmail: "a@example.com"}}
	id := b.made(c)
	ticket := b.apply(matter("t1", id, words("m1"), words("m2")))
	if ticket.Err != nil || ticket.Condition != connector.Active || ticket.URL == "" || ticket.Comments[1].ID == "" {
		t.Fatalf("got %+v", ticket)
	}
	var contacts []map[string]any
	b.api("GET", "/api/contacts?phone=918856879188", "", &contacts)
	got := fmt.Sprint(contacts[0]["name"], contacts[0]["email"], contacts[0]["user_id"], contacts[0]["fields"], contacts[0]["tags"])
	if want := "Ashaa@example.comIN.42map[age:7 city:Pune score:1.5 vip:true] [b a]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var comments []map[string]any
	b.api("GET", "/api/tickets/"+ticket.ID+"/comments", "", &comments)
	if comments[1]["external_id"] != "m2" || comments[1]["written_at"] != "2026-02-02T02:40:00Z" {
		t.Errorf("got %v", comments)
	}
	clear := connector.Change{Kind: connector.KindContact, Key: "wa:1", ID: id, Set: connector.Write{
		Standard: connector.Fields{connector.FieldName: nil, connector.FieldTags: []string{}}, Custom: connector.Fields{"city": nil},
	}}
	if r := b.apply(clear); r.Err != nil {
		t.Errorf("clearing fields: %v", r.Err)
	}
}

func TestResultsOfOneRecordAlone(t *testing.T) {
	t.Parallel()
	long := connector.Comment{Key: "long", Body: strings.Repeat("x", 70_000), Author: connector.AuthorBusiness}
	cases := map[string]struct {
		reason    string
		before    func(b *bench, contact, ticket string)
		change    func(contact, ticket string) connector.Change
		want      string
		condition connector.Condition
		comments  string
	}{
		"comments": {
			reason:    "an open ticket takes them",
			change:    func(c, t string) connector.Change { return onto(t, c, words("m1"), words("m2")) },
			want:      "done",
			condition: connector.Active, comments: "done, done",
		},
		"solved": {
			reason: "the guard notices, and no comment is swallowed",
			before: func(b *bench, _, t string) { b.api("PUT", "/api/tickets/"+t+"/status", `{"status":"solved"}`, nil) },
			change: func(c, t string) connector.Change {
				change := onto(t, c, words("m1"))
				change.Guard = true
				return change
			},
			want:      "stale ticket_solved",
			condition: connector.Closed,
		},
		"solved and meant": {
			reason:    "without the guard the comment belongs on the ticket as it is",
			before:    func(b *bench, _, t string) { b.api("PUT", "/api/tickets/"+t+"/status", `{"status":"solved"}`, nil) },
			change:    func(c, t string) connector.Change { return onto(t, c, words("m1")) },
			want:      "done",
			condition: connector.Closed, comments: "done",
		},
		"reopened": {
			reason: "reopening comes first",
			before: func(b *bench, _, t string) { b.api("PUT", "/api/tickets/"+t+"/status", `{"status":"solved"}`, nil) },
			change: func(c, t string) connector.Change {
				change := onto(t, c, words("m1"))
				change.Reopen = true
				return change
			},
			want: "done", condition: connector.Active, comments: "done",
		},
		"closed": {
			reason:    "closed is for good",
			before:    func(b *bench, _, t string) { b.api("PUT", "/api/tickets/"+t+"/status", `{"status":"closed"}`, nil) },
			change:    func(c, t string) connector.Change { return onto(t, c, words("m1")) },
			want:      "stale ticket_closed",
			condition: connector.Final,
		},
		"deleted": {
			reason:    "the ticket is gone",
			before:    func(b *bench, _, t string) { b.api("DELETE", "/api/tickets/"+t, "", nil) },
			change:    func(c, t string) connector.Change { return onto(t, c, words("m1")) },
			want:      "stale ticket_gone",
			condition: connector.Gone,
		},
		"never was": {
			reason:    "a server that forgot everything is like a deletion",
			change:    func(c, _ string) connector.Change { return onto("999", c, words("m1")) },
			want:      "stale not_found",
			condition: connector.Gone,
		},
		"contact deleted": {
			reason: "not the ticket is stale",
			before: func(b *bench, c, _ string) { b.api("DELETE", "/api/contacts/"+c, "", nil) },
			change: func(c, t string) connector.Change { return onto(t, c, words("m1")) },
			want:   "stale contact_gone of contact",
		},
		"bad value": {
			reason: "refused, with the field",
			change: func(_, t string) connector.Change {
				return connector.Change{Kind: connector.KindTicket, ID: t, Set: connector.Write{Standard: connector.Fields{connector.FieldPriority: "soon"}}}
			},
			want: "refused invalid_value in priority",
		},
		"long comment": {
			reason:    "the ones before it stand, the ones behind it wait",
			change:    func(c, t string) connector.Change { return onto(t, c, words("m1"), long, words("m2")) },
			want:      "done",
			condition: connector.Active, comments: "done, refused invalid_value in body, retry skipped",
		},
		"long comment before the status": {
			reason: "the status waits for the comments",
			change: func(c, t string) connector.Change {
				change := onto(t, c, long)
				change.Set = connector.Write{Standard: connector.Fields{connector.FieldStatus: "solved"}}
				return change
			},
			want: "done", condition: connector.Active, comments: "refused invalid_value in body",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "")
			contact, ticket := b.ticket()
			if c.before != nil {
				c.before(b, contact, ticket)
			}
			r := b.apply(c.change(contact, ticket))
			var comments []string
			for _, one := range r.Comments {
				comments = append(comments, full(one.Err))
			}
			if full(r.Err) != c.want || r.Condition != c.condition || strings.Join(comments, ", ") != c.comments {
				t.Errorf("got %s, %q, [%s]\nwant %s, %q, [%s]: %s", full(r.Err), r.Condition, strings.Join(comments, ", "), c.want, c.condition, c.comments, c.reason)
			}
		})
	}
}

// full is the reason with the record and the field that it speaks of.
func full(err *connector.Error) string {
	s := reason(err)
	if err != nil && err.Stale != "" {
		s += " of " + string(err.Stale)
	}
	if err != nil && err.Field != "" {
		s += " in " + err.Field
	}
	return s
}

func TestMergedRecordsNameTheirSuccessor(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	contact, ticket := b.ticket()
	other := b.made(person("wa:2", "+447700900123"))
	second := b.made(matter("t2", contact))
	b.apply(onto(ticket, contact, words("m1")))
	b.api("POST", "/api/tickets/"+ticket+"/merge", `{"into":"`+second+`"}`, nil)
	b.api("POST", "/api/contacts/"+contact+"/merge", `{"into":"`+other+`"}`, nil)

	if r := b.apply(onto(ticket, other, words("m2"))); r.Err == nil || r.Err.Successor != second {
		t.Errorf("ticket: got %+v", r)
	}
	if r := b.apply(onto(second, contact, words("m2"))); r.Err == nil || r.Err.Stale != connector.KindContact || r.Err.Successor != other {
		t.Errorf("comment: got %+v", r)
	}
	change := person("wa:1", "+918856879188")
	change.ID = contact
	if r := b.apply(change); r.Err == nil || r.Err.Ending != connector.Stale || r.Err.Stale != "" || r.Err.Successor != other || r.Condition != connector.Gone {
		t.Errorf("contact: got %+v", r)
	}
	seen := b.observe(connector.Ref{Kind: connector.KindTicket, ID: ticket}, connector.Ref{Kind: connector.KindTicket, ID: second})
	if seen[0].Condition != connector.Gone || seen[0].Successor != second || seen[1].Condition != connector.Active {
		t.Errorf("observe: got %+v", seen)
	}
	moved := b.observe(connector.Ref{Kind: connector.KindComment, Key: "m1", Parent: &connector.Ref{Kind: connector.KindTicket, ID: ticket}})
	if !moved[0].Found {
		t.Error("a comment that moved with a merge was not found")
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	for _, everything := range []bool{false, true} {
		t.Run(fmt.Sprint("filters ignored: ", everything), func(t *testing.T) {
			t.Parallel()
			b := setup(t, "", func(s *crm.Settings) { s.IgnoreFilters = everything })
			contact, ticket := b.ticket()
			stranger := person("wa:9", "+928856879188") // the same last digits
			stranger.Identity.UserID = "IN.9"
			other := b.made(stranger)
			b.made(matter("t2", other, words("m9")))
			added := b.apply(onto(ticket, contact, words("m1")))
			phone := func(number string) connector.Ref {
				return connector.Ref{Kind: connector.KindContact, Key: "no such key", Identity: connector.Identity{Phone: number}}
			}
			seen := b.observe(
				connector.Ref{Kind: connector.KindContact, Key: "wa:1"}, phone("+92 8856 879188"), phone("+938856879188"), phone(""),
				connector.Ref{Kind: connector.KindContact, ID: other}, connector.Ref{Kind: connector.KindContact, Identity: connector.Identity{UserID: "IN.9"}},
				connector.Ref{Kind: connector.KindContact, Key: "wa:1", Identity: connector.Identity{Phone: "+928856879188"}},
			)
			want := []string{contact, other, "", "", other, other, contact}
			for i, o := range seen {
				if o.ID != want[i] || o.Found != (want[i] != "") {
					t.Errorf("contact %d: got %+v, want %q", i, o, want[i])
				}
			}
			tickets := b.observe(connector.Ref{Kind: connector.KindTicket, Key: "t1"}, connector.Ref{Kind: connector.KindTicket, Key: "t9"})
			if tickets[0].ID != ticket || tickets[1].Found {
				t.Errorf("tickets: got %+v", tickets)
			}
			under := func(key string, parent connector.Ref) connector.Ref {
				return connector.Ref{Kind: connector.KindComment, Key: key, Parent: &parent}
			}
			comments := b.observe(under("m1", connector.Ref{ID: ticket}), under("m1", connector.Ref{Key: "t1"}), under("m2", connector.Ref{ID: ticket}),
				under("m9", connector.Ref{ID: ticket}), under("m1", connector.Ref{Key: "t9"}), connector.Ref{Kind: connector.KindComment, Key: "m1"})
			for i, found := range []bool{true, true, false, false, false} {
				if comments[i].Found != found || (found && comments[i].ID != added.Comments[0].ID) {
					t.Errorf("comment %d: got %+v", i, comments[i])
				}
			}
			if reason(comments[5].Err) != "refused no_parent" {
				t.Errorf("a comment without a ticket: got %+v", comments[5])
			}
		})
	}
}

func TestNothingAsked(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.ticket()
	if r, err := b.adapter.Apply(b.ctx, nil); len(r) != 0 || err != nil {
		t.Errorf("apply: %v, %v", r, err)
	}
	if seen := b.observe(); len(seen) != 0 {
		t.Errorf("observe: %v", seen)
	}
	if seen := b.observe(connector.Ref{Kind: connector.KindContact}); seen[0].Found {
		t.Error("a ref that says nothing found something")
	}
}

func TestSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		set    func(*crm.Settings)
		want   string
	}{
		"locked":    {"a lock passes", func(s *crm.Settings) { s.Faults.Partial = 1 }, "retry locked"},
		"unchanged": {"ok, but no record to see", func(s *crm.Settings) { s.Faults.Unchanged = 1 }, "ambiguous unconfirmed"},
		"whole":     {"one bad record alone is refused by name", func(s *crm.Settings) { s.Batch = crm.BatchWhole; s.Required["contact"] = []string{"city"} }, "refused required in city"},
		"required":  {"the same in other modes", func(s *crm.Settings) { s.Required["contact"] = []string{"city"} }, "refused required in city"},
		"down":      {"an outage", func(s *crm.Settings) { s.Down = "503" }, "retry 503"},
		"storm":     {"too many calls", func(s *crm.Settings) { s.Faults.Storm = 1 }, "retry rate_limited"},
		"reset":     {"nobody knows", func(s *crm.Settings) { s.Faults.Reset = 1 }, "ambiguous transport"},
		"slow":      {"slow is not wrong", func(s *crm.Settings) { s.Faults.Slow = 1 }, "done"},
		"hang":      {"nobody knows", func(s *crm.Settings) { s.Faults.Hang = 1 }, "ambiguous time-out"},
		"quota":     {"none left", func(s *crm.Settings) { s.Quota.Calls = 1 }, "retry rate_limited"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, "timeout: 5s", c.set)
				if name == "quota" {
					b.observe(connector.Ref{Kind: connector.KindContact, ID: "1"})
				}
				results, err := b.adapter.Apply(b.ctx, []connector.Change{person("wa:1", "+918856879188")})
				got := callReason(err)
				if err == nil {
					got = full(results[0].Err)
				}
				if got != c.want {
					t.Errorf("got %s, want %s: %s", got, c.want, c.reason)
				}
				if e := connector.AsError("", err); e != nil && e.Ending == connector.Retry && e.Code == "rate_limited" && e.Wait <= 0 {
					t.Error("no wait was taken from the answer")
				}
			})
		})
	}
}

func TestUnchangedUpdates(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	contact, ticket := b.ticket()
	b.change(func(s *crm.Settings) { s.Faults.Unchanged = 1 })
	rename := connector.Change{Kind: connector.KindContact, ID: contact, Set: connector.Write{Standard: connector.Fields{connector.FieldName: "Usha"}}}
	if r := b.apply(rename); full(r.Err) != "retry unchanged in name" {
		t.Errorf("a field that stayed: got %s", full(r.Err))
	}
	if r := b.apply(onto(ticket, contact, words("m1"))); reason(r.Comments[0].Err) != "ambiguous unconfirmed" {
		t.Errorf("a comment that is not shown: got %+v", r)
	}
	solved := connector.Change{Kind: connector.KindTicket, ID: ticket, Reopen: true}
	b.api("PUT", "/api/tickets/"+ticket+"/status", `{"status":"solved"}`, nil)
	if r := b.apply(solved); full(r.Err) != "retry unchanged in status" {
		t.Errorf("a ticket that stayed solved: got %s", full(r.Err))
	}
}

func TestWholeBatchIsRefusedWhole(t *testing.T) {
	t.Parallel()
	b := setup(t, "", func(s *crm.Settings) { s.Batch = crm.BatchWhole })
	bad := person("wa:2", "none")
	results, err := b.adapter.Apply(b.ctx, []connector.Change{person("wa:1", "+918856879188"), bad})
	if results != nil || callReason(err) != "refused invalid_batch" {
		t.Errorf("got %v, %v", results, err)
	}
	if n := b.count("/api/contacts"); n != 0 {
		t.Errorf("%d contacts were saved", n)
	}
}

func TestPartialFailure(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	changes := make([]connector.Change, 100)
	for i := range changes {
		changes[i] = person(fmt.Sprint("wa:", i), fmt.Sprint("+9188568", 10000+i))
	}
	changes[41].Identity.Phone = "x"
	results, err := b.adapter.Apply(b.ctx, changes)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if (r.Err != nil) != (i == 41) {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
	refs := make([]connector.Ref, len(changes))
	for i := range refs {
		refs[i] = connector.Ref{Kind: connector.KindContact, Key: changes[i].Key}
	}
	for i, o := range b.observe(refs...) {
		if o.ID != results[i].ID {
			t.Errorf("%d: observed %q, made %q", i, o.ID, results[i].ID)
		}
	}
	if _, err := b.adapter.Apply(b.ctx, append(changes, person("one more", ""))); callReason(err) != "refused batch_size" {
		t.Errorf("one over: got %v", err)
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, "")
		contact, old := b.ticket()
		b.change(func(s *crm.Settings) { s.Batch = crm.BatchJob })
		bad := connector.Comment{Key: "m2", Author: connector.AuthorSystem}
		r := b.apply(matter("t2", contact, words("m1"), bad, words("m3")))
		wrong := b.apply(person("wa:9", "x"))
		gone := b.apply(onto(old, contact, words("m4")))
		if reason(r.Err) != "pending " || r.Err.Job == "" || r.Err.Wait <= 0 {
			t.Fatalf("got %+v", r)
		}
		ticket := connector.Ref{Kind: connector.KindTicket, Key: "t2", Job: r.Err.Job}
		if seen := b.observe(ticket); reason(seen[0].Err) != "pending " || seen[0].Err.Job != r.Err.Job || seen[0].Err.Wait <= 0 {
			t.Errorf("too early: got %+v", seen)
		}
		b.api("DELETE", "/api/tickets/"+old, "", nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		seen := b.observe(ticket, connector.Ref{Kind: connector.KindTicket, Key: "t1", ID: old, Job: gone.Err.Job})
		if !seen[0].Found || seen[0].Condition != connector.Active || full(seen[1].Err) != "stale ticket_gone" {
			t.Fatalf("done: got %+v", seen)
		}
		comment := func(key string) connector.Ref {
			return connector.Ref{
				Kind: connector.KindComment, Key: key, Job: r.Err.Job,
				Parent: &connector.Ref{Kind: connector.KindTicket, ID: seen[0].ID, Key: "t2"},
			}
		}
		comments := b.observe(comment("m1"), comment("m2"), comment("m3"))
		if !comments[0].Found || full(comments[1].Err) != "refused required in body" || comments[2].Found || comments[2].Err != nil {
			t.Errorf("comments: got %+v, want the first, a refusal of the second, and nothing of the third", comments)
		}
		contacts := b.observe(
			connector.Ref{Kind: connector.KindContact, Key: "wa:9", Job: wrong.Err.Job},
			connector.Ref{Kind: connector.KindContact, Key: "wa:1", Job: "job-999/0"},
		)
		if full(contacts[0].Err) != "refused invalid_value in phone" || contacts[1].ID != contact {
			t.Errorf("got %+v, want the refusal, and a forgotten job's record found by its key", contacts)
		}
	})
}

// TestJobThatDidNothing is a record that was locked: it is as if the job had
// never been, so that the engine sends the change again.
func TestJobThatDidNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, "")
		contact, _ := b.ticket()
		b.change(func(s *crm.Settings) { s.Batch, s.Faults.Partial = crm.BatchJob, 1 })
		change := person("wa:1", "+918856879188")
		change.ID = contact
		r := b.apply(change)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		ref := connector.Ref{Kind: connector.KindContact, Key: "wa:1", ID: contact, Job: r.Err.Job}
		if seen := b.observe(ref); seen[0].Found || seen[0].Err != nil {
			t.Errorf("got %+v", seen)
		}
	})
}

// TestUpdatesOfUnknownEnd may be carried out after a newer one, so they are no
// Retry, and nothing sends them twice.
func TestUpdatesOfUnknownEnd(t *testing.T) {
	t.Parallel()
	for fault, set := range map[string]func(*crm.Settings){
		"reset": func(s *crm.Settings) { s.Faults.Reset = 1 },
		"late":  func(s *crm.Settings) { s.Faults.Late = 1 },
		"hang":  func(s *crm.Settings) { s.Faults.Hang = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, "timeout: 5s")
			contact, _ := b.ticket()
			b.change(set)
			change := person("wa:1", "+918856879188")
			change.ID = contact
			_, err := b.adapter.Apply(b.ctx, []connector.Change{change})
			if e := connector.AsError("", err); e == nil || e.Ending != connector.Ambiguous {
				t.Errorf("%s: got %v", fault, err)
			}
			var stats struct {
				ByEndpoint map[string]int `json:"by_endpoint"`
			}
			b.api("GET", "/api/stats", "", &stats)
			if n := stats.ByEndpoint["POST /v1/contacts/batch"]; n != 2 {
				t.Errorf("%s: %d calls %v, want the create and one update", fault, n, stats.ByEndpoint)
			}
		})
	}
}

// TestForms finds contacts that somebody stored under another form of a number.
func TestForms(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	stored := b.made(person("by hand", "+55 51 8765-4321"))
	ref := connector.Ref{
		Kind: connector.KindContact, Key: "wa:5551987654321", Identity: connector.Identity{Phone: "+5551987654321"},
		Phones: []string{"+5551987654321", "+555187654321"},
	}
	if seen := b.observe(ref); seen[0].ID != stored {
		t.Errorf("got %+v, want the older form found", seen)
	}
	likelier := b.made(person("by hand too", "+5551987654321"))
	if seen := b.observe(ref); seen[0].ID != likelier {
		t.Errorf("got %+v, want the likelier form, though it is newer", seen)
	}
	known := person("by hand three", "+447700900123")
	known.Identity.UserID, ref.Identity.UserID = "BR.7", "BR.7"
	person := b.made(known)
	if seen := b.observe(ref); seen[0].ID != person {
		t.Errorf("got %+v, want the user id before the number", seen)
	}
	ref.Identity.UserID = ""
	ref.Key, ref.Phones = "", nil
	if seen := b.observe(ref); seen[0].ID != likelier {
		t.Errorf("got %+v, want the number alone to do", seen)
	}
}

// TestQuotas tells a burst, after which the engine goes on, from a quota that is
// spent for the day, for which it pauses the destination.
func TestQuotas(t *testing.T) {
	t.Parallel()
	for per, want := range map[time.Duration]string{10 * time.Second: "retry rate_limited", 24 * time.Hour: "broken quota_spent"} {
		b := setup(t, "", func(s *crm.Settings) { s.Quota.Calls, s.Quota.Window = 1, crm.Duration(per) })
		b.made(person("wa:1", "+918856879188"))
		_, err := b.adapter.Observe(b.ctx, []connector.Ref{{Kind: connector.KindContact, ID: "1"}})
		if e := connector.AsError("", err); reason(e) != want || e.Wait <= 0 || e.Wait > per {
			t.Errorf("%s: got %v after %s, want %s", per, err, e.Wait, want)
		}
	}
}

func TestKeyedCreatesAreRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t, "unique_keys: true", func(s *crm.Settings) { s.UniqueKeys = true })
	contact, _ := b.ticket()
	create := matter("t2", contact, words("m1"), words("m2"))
	first := b.apply(create)
	b.api("PUT", "/api/tickets/"+first.ID+"/status", `{"status":"closed"}`, nil)
	again := b.apply(create)
	if again.Err != nil || again.ID != first.ID || again.Comments[1].ID != first.Comments[1].ID || again.Condition != connector.Final {
		t.Errorf("got %+v, then %+v", first, again)
	}
	if n := b.count("/api/tickets"); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}

// TestLateCommit is the worst end of a call: the record appears long after we
// stopped waiting, within the time that Describe allows for.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, "timeout: 5s", func(s *crm.Settings) { s.Faults.Late = 1 })
		_, err := b.adapter.Apply(b.ctx, []connector.Change{person("wa:1", "+918856879188")})
		if got := callReason(err); got != "ambiguous time-out" {
			t.Fatalf("got %s", got)
		}
		b.change(func(s *crm.Settings) { s.Faults.Late = 0 })
		ref := connector.Ref{Kind: connector.KindContact, Key: "wa:1"}
		if b.observe(ref)[0].Found {
			t.Error("it is there already")
		}
		time.Sleep(b.adapter.Describe().Contact.Settling)
		synctest.Wait()
		if !b.observe(ref)[0].Found {
			t.Error("it is not there after settling")
		}
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.adapter.Apply(ctx, []connector.Change{person("wa:1", "+918856879188")}); err == nil {
		t.Error("a cancelled call succeeded")
	}
	_, err := b.adapter.Observe(ctx, []connector.Ref{{Kind: connector.KindContact, Key: "wa:1"}})
	if e, ok := errors.AsType[*connector.Error](err); !ok || e.Ending != connector.Retry {
		t.Errorf("observe: got %v", err)
	}
}
