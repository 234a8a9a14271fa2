package sandbox

import (
	"context"
	"slices"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// Observe looks records of one kind up in one call, or two where jobs, parents
// or merged tickets stand between.
func (a *Adapter) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	o := &observing{a: a, kind: refs[0].Kind, refs: slices.Clone(refs), out: make([]connector.Observation, len(refs)), known: make([]bool, len(refs))}
	if err := o.jobs(ctx); err != nil {
		return nil, err
	}
	look := o.records
	if o.kind == connector.KindComment {
		look = o.comments
	}
	if err := look(ctx); err != nil {
		return nil, err
	}
	return o.out, nil
}

// observing is one Observe on its way.
type observing struct {
	a    *Adapter
	kind connector.Kind
	refs []connector.Ref
	out  []connector.Observation
	// known are the refs whose observation is complete.
	known []bool
}

func (o *observing) know(i int, seen connector.Observation) { o.out[i], o.known[i] = seen, true }

func (o *observing) fail(i int, err *connector.Error) {
	o.know(i, connector.Observation{Err: err})
}

// jobs asks for the jobs that were to write the records. What a finished job
// wrote is then looked up by its id, and what a forgotten one wrote by its key.
func (o *observing) jobs(ctx context.Context) error {
	refs := make(map[int]jobRef)
	var ids []string
	for i := range o.refs {
		if ref, ok := parseJobRef(o.refs[i].Job); ok {
			refs[i] = ref
			ids = append(ids, ref.job)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	finished, resp, err := o.a.client.jobs(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	for i, ref := range refs {
		results, ok := finished[ref.job]
		switch {
		case ok && results == nil:
			o.fail(i, &connector.Error{Ending: connector.Pending, Op: resp.Request.Op, Job: o.refs[i].Job, Wait: jobWait})
		case ok && ref.item < len(results):
			o.finished(i, ref, resp, &results[ref.item])
		}
	}
	return nil
}

// finished takes over what a job says of one record.
func (o *observing) finished(i int, ref jobRef, resp *httpapi.Response, r *itemResult) {
	switch {
	case r.Status != resultOK:
		o.fail(i, explain(resp, r.Error))
	case o.kind == connector.KindComment:
		if ref.comment >= len(r.Comments) {
			return
		}
		c := &r.Comments[ref.comment]
		switch {
		case c.Status == resultOK && c.ID != "" && c.ExternalID == o.refs[i].Key:
			o.know(i, connector.Observation{Found: true, ID: c.ID, Condition: connector.Active})
		case c.Status == resultSkipped:
			o.fail(i, resp.Errorf(connector.Retry, "skipped", "a comment before it was not added"))
		case c.Status != resultOK:
			o.fail(i, explain(resp, c.Error))
		}
	case r.Record != nil && r.Record.ID != "" && o.refs[i].ID == "" && r.Record.ExternalID == o.refs[i].Key:
		o.refs[i].ID = r.Record.ID
	}
}

// records looks contacts or tickets up.
func (o *observing) records(ctx context.Context) error {
	s := o.question()
	answer, resp, err := o.a.client.find(ctx, o.kind, s)
	if err != nil {
		return err
	}
	in := indexed(answer)
	for i := range o.refs {
		if o.known[i] {
			continue
		}
		ref := &o.refs[i]
		if g, gone := in.gone[ref.ID]; gone && ref.ID != "" {
			o.know(i, connector.Observation{Found: true, ID: ref.ID, Condition: connector.Gone, Successor: g})
			continue
		}
		r := in.match(ref)
		switch {
		case r != nil:
			o.know(i, connector.Observation{
				Found: true, ID: r.ID, URL: o.a.link(o.kind, r.ID), Condition: condition(o.kind, r.Status),
			})
		case answer.More:
			o.fail(i, resp.Errorf(connector.Retry, "too_many", "the answer leaves rows out"))
		}
	}
	return nil
}

// question asks for every ref by whatever is known of it.
func (o *observing) question() search {
	var s search
	for i := range o.refs {
		ref := &o.refs[i]
		switch {
		case o.known[i]:
		case ref.ID != "":
			s.IDs = append(s.IDs, ref.ID)
		default:
			s.ExternalIDs = append(s.ExternalIDs, some(ref.Key)...)
			if o.kind == connector.KindContact {
				s.Phones = append(s.Phones, some(digits(ref.Identity.Phone))...)
				s.UserIDs = append(s.UserIDs, some(ref.Identity.UserID)...)
			}
		}
	}
	return s
}

// some is a list of the text, or of nothing.
func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// index finds rows by what they hold themselves, never by their place: a server
// may answer with more than it was asked for.
type index struct {
	id, key, phone, user map[string]*row
	gone                 map[string]string
}

func indexed(f *found) index {
	in := index{
		id: make(map[string]*row), key: make(map[string]*row), phone: make(map[string]*row),
		user: make(map[string]*row), gone: make(map[string]string),
	}
	for i := range f.Results {
		r := &f.Results[i]
		keep(in.id, r.ID, r)
		keep(in.key, r.ExternalID, r)
		keep(in.phone, digits(r.Phone), r)
		keep(in.user, r.UserID, r)
	}
	for _, g := range f.Gone {
		in.gone[g.ID] = g.MergedInto
	}
	return in
}

// keep remembers the oldest row of each value: where there are several by
// somebody's mistake, everybody takes the same one.
func keep(by map[string]*row, value string, r *row) {
	if value != "" && r.ID != "" && (by[value] == nil || older(r.ID, by[value].ID)) {
		by[value] = r
	}
}

// older compares ids, which the sandbox counts up.
func older(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

func (in *index) match(ref *connector.Ref) *row {
	if ref.ID != "" {
		return in.id[ref.ID]
	}
	if r := in.key[ref.Key]; r != nil {
		return r
	}
	if ref.Kind != connector.KindContact {
		return nil
	}
	if r := in.phone[digits(ref.Identity.Phone)]; r != nil {
		return r
	}
	return in.user[ref.Identity.UserID]
}

// comments looks comments up under their tickets.
func (o *observing) comments(ctx context.Context) error {
	parents, err := o.parents(ctx)
	if err != nil {
		return err
	}
	s := search{TicketIDs: parents.all()}
	for i := range o.refs {
		s.ExternalIDs = append(s.ExternalIDs, some(o.refs[i].Key)...)
	}
	if len(s.TicketIDs) == 0 {
		return nil
	}
	answer, resp, err := o.a.client.find(ctx, o.kind, s)
	if err != nil {
		return err
	}
	// The comments of a merged ticket are at its successor.
	moved := search{ExternalIDs: s.ExternalIDs}
	for _, g := range answer.Gone {
		if g.MergedInto != "" {
			moved.TicketIDs = append(moved.TicketIDs, g.MergedInto)
			parents.follow(g.ID, g.MergedInto)
		}
	}
	if len(moved.TicketIDs) > 0 {
		more, _, err := o.a.client.find(ctx, o.kind, moved)
		if err != nil {
			return err
		}
		answer.Results = append(answer.Results, more.Results...)
		answer.More = answer.More || more.More || len(more.Gone) > 0
	}
	o.pickComments(answer, parents, resp)
	return nil
}

// pickComments gives each ref the comment of its key under its ticket.
func (o *observing) pickComments(answer *found, parents parents, resp *httpapi.Response) {
	type place struct{ ticket, key string }
	at := make(map[place]string)
	for _, r := range answer.Results {
		p := place{r.TicketID, r.ExternalID}
		if at[p] == "" || older(r.ID, at[p]) {
			at[p] = r.ID
		}
	}
	for i := range o.refs {
		for _, ticket := range parents[i] {
			if id := at[place{ticket, o.refs[i].Key}]; id != "" && !o.known[i] {
				o.know(i, connector.Observation{Found: true, ID: id, Condition: connector.Active})
			}
		}
		if !o.known[i] && answer.More {
			o.fail(i, resp.Errorf(connector.Retry, "too_many", "the answer leaves rows out"))
		}
	}
}

// parents are the tickets under which each ref is looked for.
type parents [][]string

func (p parents) all() []string {
	all := slices.Concat(p...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (p parents) follow(from, to string) {
	for i := range p {
		if slices.Contains(p[i], from) {
			p[i] = append(p[i], to)
		}
	}
}

// parents finds the tickets of the refs, by key where no id is known. Keys need
// not be unique, so there can be several.
func (o *observing) parents(ctx context.Context) (parents, error) {
	ids := make(parents, len(o.refs))
	var s search
	for i := range o.refs {
		parent := o.refs[i].Parent
		switch {
		case o.known[i]:
		case o.refs[i].Key == "" || parent == nil || (parent.ID == "" && parent.Key == ""):
			o.fail(i, connector.Errorf(connector.Refused, "look up comments", "no_parent", "a comment is found by its key and its ticket only"))
		case parent.ID != "":
			ids[i] = []string{parent.ID}
		default:
			s.ExternalIDs = append(s.ExternalIDs, parent.Key)
		}
	}
	answer, _, err := o.a.client.find(ctx, connector.KindTicket, s)
	if err != nil {
		return nil, err
	}
	for i := range o.refs {
		if o.known[i] || len(ids[i]) > 0 {
			continue
		}
		for _, r := range answer.Results {
			if r.ExternalID == o.refs[i].Parent.Key {
				ids[i] = append(ids[i], r.ID)
			}
		}
	}
	return ids, nil
}
