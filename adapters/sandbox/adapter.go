// Package sandbox connects to the sandbox CRM, and is the adapter to read before
// writing one. It shows how each promise of [connector.Adapter] is kept: one
// result for each record and comment, nothing believed that the answer does not
// show, and every end told in the engine's words.
//
// It keeps no state, decides nothing about conversations, and neither waits nor
// repeats. The CRM itself is in the package crm beneath.
//
// Start with [New] and [Adapter.Apply]. observe.go looks records up, judge.go
// compares answers with what was asked, and client.go is the API on the wire.
package sandbox

import (
	"context"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// Adapter speaks with one sandbox.
type Adapter struct {
	config config
	client *client
}

var (
	_ connector.Constructor = New
	_ connector.Adapter     = (*Adapter)(nil)
	_ connector.Checker     = (*Adapter)(nil)
)

// New makes the adapter of a destination.
func New(settings connector.Settings, deps connector.Deps) (connector.Adapter, error) {
	cfg := defaults()
	if err := settings.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	c, err := newClient(&cfg, deps)
	if err != nil {
		return nil, err
	}
	return &Adapter{config: cfg, client: c}, nil
}

// Describe says what the sandbox can do, as far as the configuration tells how
// it was started.
func (a *Adapter) Describe() connector.Description {
	kind := connector.KindDescription{
		Create: connector.Found, Settling: a.config.Settling, Lag: a.config.Lag, Batch: a.config.Batch,
	}
	if a.config.UniqueKeys {
		kind.Create = connector.Keyed
	}
	contact, ticket, comment := kind, kind, kind
	contact.Standard = []string{connector.FieldPhone, connector.FieldName, connector.FieldEmail, connector.FieldTags}
	ticket.Standard = []string{connector.FieldSubject, connector.FieldStatus, connector.FieldPriority, connector.FieldTags}
	// A ticket's own comments need no index to be found.
	comment.Lag, comment.Batch = 0, 0
	d := connector.Description{
		CRM: "Sandbox", Contact: contact, Ticket: ticket, Comment: comment,
		ObserveBatch: a.config.Batch, FirstComment: connector.FirstCommentTaken, Comments: 50,
		Guarded: a.config.Guarded, Fills: true,
		Concurrency: a.config.Concurrency, CallTimeout: a.config.Timeout,
	}
	if a.config.Quota.Calls > 0 {
		d.Quota = []connector.Window{{Calls: a.config.Quota.Calls, Per: a.config.Quota.Per}}
	}
	return d
}

// Check says who we are at the sandbox.
func (a *Adapter) Check(ctx context.Context) (connector.Account, error) {
	name, err := a.client.me(ctx)
	if err != nil {
		return connector.Account{}, err
	}
	return connector.Account{Name: name, URL: a.config.URL}, nil
}

// Apply saves contacts or tickets in one call.
func (a *Adapter) Apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	kind := changes[0].Kind
	b := batch{kind: kind, op: "save " + string(kind) + "s", keyed: a.config.UniqueKeys}
	switch kind {
	case connector.KindContact:
		for i := range changes {
			b.items = append(b.items, contactItem(&changes[i]))
		}
	case connector.KindTicket:
		for i := range changes {
			b.items = append(b.items, a.ticketItem(&changes[i]))
		}
	default:
		return nil, connector.Errorf(connector.Refused, b.op, "kind", "only contacts and tickets can be saved")
	}
	answer, err := a.client.save(ctx, b)
	if err != nil {
		return nil, err
	}
	results := make([]connector.Result, len(changes))
	for i := range changes {
		if answer.job != "" {
			results[i] = pending(b.op, jobRef{answer.job, i, 0}, &changes[i])
			continue
		}
		results[i] = a.judge(answer, &changes[i], &b.items[i], &answer.results[i])
	}
	return results, nil
}

// contactItem translates a change of a contact. A new one is given its identity
// beside what the mapping says.
func contactItem(c *connector.Change) item {
	it := item{ID: c.ID, Set: flat(c.Set), Fill: flat(c.Fill)}
	if c.ID != "" {
		return it
	}
	it.ExternalID = c.Key
	for name, id := range map[string]string{connector.FieldPhone: c.Identity.Phone, fieldUserID: c.Identity.UserID} {
		if _, given := it.Set[name]; !given && id != "" {
			it.Set[name] = id
		}
	}
	return it
}

// ticketItem translates a change of a ticket with its comments.
func (a *Adapter) ticketItem(c *connector.Change) item {
	it := item{ID: c.ID, Set: flat(c.Set), Fill: flat(c.Fill), Reopen: c.Reopen}
	it.ExpectOpen = a.config.Guarded && len(c.Comments) > 0 && !c.Reopen
	if c.ID == "" {
		it.ExternalID, it.ContactID, it.FollowUpOf = c.Key, c.Contact.ID, c.FollowUp
	}
	for i := range c.Comments {
		it.Comments = append(it.Comments, commentItem(&c.Comments[i], c.Contact.ID))
	}
	return it
}

func commentItem(c *connector.Comment, contactID string) comment {
	out := comment{
		ExternalID: c.Key, Body: c.Body, HTML: c.HTML, Author: string(c.Author), Private: c.Private,
	}
	if !c.Time.IsZero() {
		out.WrittenAt = c.Time.UTC().Format(timeLayout)
	}
	if c.Author == connector.AuthorCustomer {
		out.ContactID = contactID
	}
	for _, f := range c.Attachments {
		out.Attachments = append(out.Attachments, attachment{Name: f.Name, URL: f.URL})
	}
	return out
}

// flat joins the standard fields and the CRM's own: the sandbox knows both by
// their names.
func flat(w connector.Write) map[string]any {
	fields := make(map[string]any, len(w.Standard)+len(w.Custom))
	for name, value := range w.Standard {
		fields[name] = value
	}
	for name, value := range w.Custom {
		fields[name] = value
	}
	return fields
}

// pending is the result of a change that the sandbox has taken as a job.
func pending(op string, ref jobRef, c *connector.Change) connector.Result {
	wait := func(at jobRef) *connector.Error {
		return &connector.Error{Ending: connector.Pending, Op: op, Job: at.String(), Wait: jobWait}
	}
	r := connector.Result{Err: wait(ref)}
	for i := range c.Comments {
		r.Comments = append(r.Comments, connector.CommentResult{Err: wait(jobRef{ref.job, ref.item, i})})
	}
	return r
}
