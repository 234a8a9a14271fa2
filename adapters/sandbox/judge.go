package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// judge turns what the sandbox says of an item into a result. It believes what
// the answer shows, not its status.
func (a *Adapter) judge(resp *httpapi.Response, c *connector.Change, it *item, r *itemResult) connector.Result {
	if r.Status != resultOK {
		return refused(resp, c.Kind, r.Error)
	}
	if !shows(c, r) {
		return connector.Result{Err: resp.Errorf(connector.Ambiguous, "unconfirmed", "the answer does not show the record")}
	}
	id := r.Record.text(fieldID)
	res := connector.Result{ID: id, URL: a.link(c.Kind, id), Condition: condition(c.Kind, r.Record.text(connector.FieldStatus))}
	all := true
	for i := range c.Comments {
		err := commentUndone(resp, c.Comments[i].Key, id, r.comment(i))
		all = all && err == nil
		res.Comments = append(res.Comments, connector.CommentResult{ID: r.comment(i).ID, Err: err})
	}
	if field := differs(c, it, r, all); field != "" {
		// Fields of a known record can be set again. Of a new one nobody knows
		// whether the rest is still to come, and comments would be doubled.
		ending := connector.Retry
		if c.ID == "" || len(c.Comments) > 0 {
			ending = connector.Ambiguous
		}
		res.Err = resp.Errorf(ending, "unchanged", "the record does not show what was asked for")
		res.Err.Field = field
	}
	return res
}

// shows reports whether the answer is about the very record that was meant.
func shows(c *connector.Change, r *itemResult) bool {
	if c.ID != "" {
		return r.Record.text(fieldID) == c.ID
	}
	if r.Record.text(fieldID) == "" || r.Record.text(fieldExternalID) != c.Key {
		return false
	}
	return c.Kind != connector.KindTicket || r.Existing || r.Record.text(fieldContactID) == c.Contact.ID
}

// differs names a field that the record does not hold as it was asked for. A
// create that found its record was late: its status is the agents' by now. A
// status also waits for the comments, when not all of them are done.
func differs(c *connector.Change, it *item, r *itemResult, commented bool) string {
	for name, asked := range it.Set {
		if name == connector.FieldStatus && (r.Existing || !commented) {
			continue
		}
		if !same(name, asked, r.Record.field(name)) {
			return name
		}
	}
	for name, asked := range it.Fill {
		if text(asked) != "" && text(r.Record.field(name)) == "" {
			return name
		}
	}
	_, given := it.Set[connector.FieldStatus]
	if c.Reopen && !given && condition(c.Kind, r.Record.text(connector.FieldStatus)) != connector.Active {
		return connector.FieldStatus
	}
	return ""
}

// comment is what the sandbox says of the i-th comment, if anything.
func (r *itemResult) comment(i int) *commentResult {
	if i >= len(r.Comments) {
		return &commentResult{}
	}
	return &r.Comments[i]
}

// commentUndone says why the answer does not confirm the comment of a key.
func commentUndone(resp *httpapi.Response, key, ticket string, got *commentResult) *connector.Error {
	switch {
	case got.Status == resultSkipped:
		return resp.Errorf(connector.Retry, resultSkipped, "a comment before it was not added")
	case got.Status != resultOK:
		return explain(resp, connector.KindComment, got.Error)
	case got.ID == "" || got.ExternalID != key || got.TicketID != ticket:
		return resp.Errorf(connector.Ambiguous, "unconfirmed", "the answer shows another comment")
	}
	return nil
}

// refused is the result of an item that the sandbox has something against.
func refused(resp *httpapi.Response, kind connector.Kind, p *problem) connector.Result {
	r := connector.Result{Err: explain(resp, kind, p)}
	if r.Err.Ending == connector.Stale && r.Err.Stale == "" {
		r.Condition = connector.Gone
		if p.State != "" {
			r.Condition = condition(kind, p.State)
		}
	}
	return r
}

// explain translates the sandbox's codes for a record of a kind; the README has
// the table. A code that nobody knows is a refusal, since nothing was saved.
func explain(resp *httpapi.Response, kind connector.Kind, p *problem) *connector.Error {
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
		ending = connector.Stale
		if kind != connector.KindContact {
			stale = connector.KindContact
		}
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

// same compares what was asked for with what the record shows, by meaning.
func same(name string, asked, got any) bool {
	if name == connector.FieldPhone {
		return digits(text(asked)) == digits(text(got))
	}
	return text(asked) == text(got)
}

// text writes a value in one way whatever its type was: numbers by their value,
// lists as sets, and blanks as nothing.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if strings.TrimSpace(v) == "" {
			return ""
		}
		return v
	case int64:
		return text(float64(v))
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return text(f)
		}
	case []any:
		texts := make([]string, len(v))
		for i, e := range v {
			texts[i] = text(e)
		}
		return text(texts)
	case []string:
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(v))), "\n")
	}
	return fmt.Sprint(v)
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
