package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// judge turns what the sandbox says of an item into a result. It believes what
// the answer shows, not its status.
func (a *Adapter) judge(answer *saved, c *connector.Change, it *item, r *itemResult) connector.Result {
	if r.Status != resultOK {
		return a.refused(answer.response, c, r.Error)
	}
	if r.Record == nil || !shows(c, r) {
		return failed(c, answer.response.Errorf(connector.Ambiguous, "unconfirmed", "the answer does not show the record"))
	}
	res := connector.Result{ID: r.Record.ID, URL: a.link(c.Kind, r.Record.ID), Condition: condition(c.Kind, r.Record.Status)}
	if field := differs(c, it, r); field != "" {
		// The fields of a known record can be set again. Of a new one nobody
		// knows whether the rest is still to come.
		ending := connector.Retry
		if c.ID == "" {
			ending = connector.Ambiguous
		}
		res.Err = answer.response.Errorf(ending, "unchanged", "the record does not show what was asked for")
		res.Err.Field = field
	}
	for i := range c.Comments {
		res.Comments = append(res.Comments, commentJudged(answer.response, &c.Comments[i], r, i))
	}
	return res
}

// shows reports whether the answer is about the very record that was meant.
func shows(c *connector.Change, r *itemResult) bool {
	if c.ID != "" {
		return r.Record.ID == c.ID
	}
	if r.Record.ID == "" || r.Record.ExternalID != c.Key {
		return false
	}
	return c.Kind != connector.KindTicket || r.Existing || r.Record.ContactID == c.Contact.ID
}

// differs names a field that the record does not hold as it was asked for. A
// create that found its record was late: its status is the agents' by now.
func differs(c *connector.Change, it *item, r *itemResult) string {
	for name, asked := range it.Set {
		if name == connector.FieldStatus && r.Existing {
			continue
		}
		if !same(name, asked, r.Record.field(name)) {
			return name
		}
	}
	for name, asked := range it.Fill {
		if !same(name, asked, nil) && same(name, nil, r.Record.field(name)) {
			return name
		}
	}
	_, given := it.Set[connector.FieldStatus]
	if c.Reopen && !given && condition(c.Kind, r.Record.Status) != connector.Active {
		return connector.FieldStatus
	}
	return ""
}

// commentJudged is the result of a change's i-th comment.
func commentJudged(resp *httpapi.Response, asked *connector.Comment, r *itemResult, i int) connector.CommentResult {
	if i >= len(r.Comments) {
		return connector.CommentResult{Err: resp.Errorf(connector.Ambiguous, "unconfirmed", "the answer does not show the comment")}
	}
	got := &r.Comments[i]
	switch {
	case got.Status == resultSkipped:
		return connector.CommentResult{Err: resp.Errorf(connector.Retry, "skipped", "a comment before it was not added")}
	case got.Status != resultOK:
		return connector.CommentResult{Err: explain(resp, got.Error)}
	case got.ID == "" || got.ExternalID != asked.Key || got.TicketID != r.Record.ID:
		return connector.CommentResult{Err: resp.Errorf(connector.Ambiguous, "unconfirmed", "the answer shows another comment")}
	}
	return connector.CommentResult{ID: got.ID}
}

// refused is the result of an item that the sandbox has something against.
func (a *Adapter) refused(resp *httpapi.Response, c *connector.Change, p *problem) connector.Result {
	err := explain(resp, p)
	if err.Stale == c.Kind {
		err.Stale = ""
	}
	r := failed(c, err)
	if err.Ending != connector.Stale || err.Stale != "" {
		return r
	}
	r.Condition = connector.Gone
	if p.State != "" {
		r.Condition = condition(c.Kind, p.State)
	}
	return r
}

// failed is the result of a change of which nothing is known to be done.
func failed(c *connector.Change, err *connector.Error) connector.Result {
	r := connector.Result{Err: err}
	for range c.Comments {
		r.Comments = append(r.Comments, connector.CommentResult{Err: err})
	}
	return r
}

// explain translates the sandbox's codes; the README has the table. A code that
// nobody knows is a refusal, since the sandbox saved nothing.
func explain(resp *httpapi.Response, p *problem) *connector.Error {
	if p == nil {
		return resp.Errorf(connector.Ambiguous, "unconfirmed", "the answer says neither yes nor why not")
	}
	ending, stale := connector.Refused, connector.Kind("")
	switch p.Code {
	case "locked":
		ending = connector.Retry
	case "ticket_closed", "ticket_solved", "ticket_gone", "not_found":
		ending = connector.Stale
	case "contact_gone":
		ending, stale = connector.Stale, connector.KindContact
	}
	err := resp.Errorf(ending, p.Code, "%s", p.Message)
	err.Stale, err.Successor, err.Field = stale, p.Successor, p.Field
	return err
}

// condition is what a record of that status can take.
func condition(kind connector.Kind, status string) connector.Condition {
	switch {
	case kind != connector.KindTicket || status == connector.TicketOpen || status == connector.TicketPending:
		return connector.Active
	case status == connector.TicketClosed:
		return connector.Final
	}
	return connector.Closed
}

// link opens a ticket on the sandbox's page.
func (a *Adapter) link(kind connector.Kind, id string) string {
	if kind != connector.KindTicket {
		return ""
	}
	return a.config.URL + "/#" + id
}

// field gives a row's value by the name under which it is set.
func (r *row) field(name string) any {
	switch name {
	case connector.FieldPhone:
		return r.Phone
	case connector.FieldName:
		return r.Name
	case connector.FieldEmail:
		return r.Email
	case fieldUserID:
		return r.UserID
	case connector.FieldSubject:
		return r.Subject
	case connector.FieldStatus:
		return r.Status
	case connector.FieldPriority:
		return r.Priority
	case connector.FieldTags:
		return r.Tags
	}
	return r.Fields[name]
}

// same compares what was asked for with what the record shows, by meaning:
// numbers by their digits, tags as a set, and nothing as an empty text.
func same(name string, asked, got any) bool {
	if name == connector.FieldPhone {
		return digits(text(asked)) == digits(text(got))
	}
	a, aList := asked.([]string)
	g, gList := list(got)
	if aList || gList {
		return sameSet(a, g)
	}
	return text(asked) == text(got)
}

// text writes a scalar in one way whatever its type was.
func text(v any) string {
	switch v := v.(type) {
	case string:
		if strings.TrimSpace(v) == "" {
			return ""
		}
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return ""
}

func list(v any) ([]string, bool) {
	switch v := v.(type) {
	case []string:
		return v, len(v) > 0
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, text(e))
		}
		return out, true
	}
	return nil, false
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// digits gives the digits of a phone number.
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
}
