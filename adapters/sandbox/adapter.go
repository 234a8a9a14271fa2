// Package sandbox connects to the sandbox CRM, and is the adapter to read before
// writing one. It shows how each promise of [connector.Adapter] is kept: one
// result for each record and comment, nothing believed that the answer does not
// show, and every end told in the engine's words.
//
// It keeps no state, decides nothing about conversations, and neither waits nor
// repeats. The CRM itself is in the package crm beneath.
//
// Start with [New] and [Adapter.Apply]. judge.go compares answers with what was
// asked, observe.go looks records up, and client.go is the API on the wire.
package sandbox

import (
	"context"
	"maps"
	"strings"
	"time"

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
	items := make([]item, len(changes))
	for i := range changes {
		items[i] = a.item(&changes[i])
	}
	answer, err := a.client.save(ctx, changes[0].Kind, items)
	if err != nil {
		return nil, err
	}
	results := make([]connector.Result, len(changes))
	for i := range changes {
		if answer.job != "" {
			results[i].Err = answer.Errorf(connector.Pending, "", "taken as a job")
			results[i].Err.Job, results[i].Err.Wait = jobRef{answer.job, i}.String(), jobWait
			continue
		}
		results[i] = a.judge(answer.Response, &changes[i], &items[i], &answer.results[i])
	}
	return results, nil
}

// item translates a change. A new contact is given its identity beside what the
// mapping says.
func (a *Adapter) item(c *connector.Change) item {
	it := item{ID: c.ID, Set: flat(c.Set), Fill: flat(c.Fill), Reopen: c.Reopen, ExpectOpen: c.Guard && a.config.Guarded}
	if c.ID == "" {
		it.ExternalID, it.ContactID, it.FollowUpOf = c.Key, c.Contact.ID, c.FollowUp
	}
	if c.ID == "" && c.Kind == connector.KindContact {
		for name, id := range map[string]string{connector.FieldPhone: c.Identity.Phone, fieldUserID: c.Identity.UserID} {
			if _, given := it.Set[name]; !given && id != "" {
				it.Set[name] = id
			}
		}
	}
	for i := range c.Comments {
		it.Comments = append(it.Comments, commentItem(&c.Comments[i], c.Contact.ID))
	}
	return it
}

func commentItem(c *connector.Comment, contactID string) comment {
	out := comment{
		ExternalID: c.Key, Body: c.Body, HTML: c.HTML, Author: c.Author, Private: c.Private, Attachments: c.Attachments,
	}
	if !c.Time.IsZero() {
		out.WrittenAt = c.Time.UTC().Format(time.RFC3339)
	}
	if c.Author == connector.AuthorCustomer {
		out.ContactID = contactID
	}
	return out
}

// flat joins the standard fields and the CRM's own: the sandbox knows both by
// their names.
func flat(w connector.Write) map[string]any {
	fields := make(map[string]any, len(w.Standard)+len(w.Custom))
	maps.Copy(fields, w.Standard)
	maps.Copy(fields, w.Custom)
	return fields
}
