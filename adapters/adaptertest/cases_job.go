package adaptertest

import "github.com/crm-connector/crm-connector/connector"

// asynchronous are changes that the CRM takes as jobs and carries out later.
func asynchronous() []kase {
	takes := needs("takes jobs", func(b *Bench) bool { return b.FinishJobs != nil })
	return []kase{
		{"a job", "what the CRM has taken is Pending until it is done, and then found by the job, with its comments", takes, jobDone},
		{"a job that is refused", "an observation by the job tells the refusal, and whom it is about", takes, jobRefused},
		{"a job whose ticket goes stale", "a job that found its ticket gone is never taken for done", takes, jobStale},
	}
}

// taken sends a change that the CRM must take as a job.
func (s *stage) taken(what string, c connector.Change) (connector.Ref, bool) {
	e := s.send(s.ctx, c)[0].Err
	s.ended(what, e, connector.Pending)
	ref := refOf(c)
	ref.ID = c.ID
	if e == nil || e.Ending != connector.Pending {
		return ref, false
	}
	ref.Job = e.Job
	o := s.see(ref)
	s.ended(what+", before it is done", o.Err, connector.Pending)
	if o.Err != nil && o.Err.Ending == connector.Pending && o.Err.Job == "" {
		s.errorf("%s: the job is lost from the observation", what)
	}
	return ref, true
}

func jobDone(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	change.Comments = append(change.Comments, s.comment())
	ref, ok := s.taken("create a ticket", change)
	if !ok {
		return
	}
	s.finishJobs()
	o := s.see(ref)
	if o.Err != nil || !o.Found {
		s.errorf("what a finished job made is not found: %v", o.Err)
		return
	}
	s.count(connector.KindTicket, 1, "after a job")
	s.comments(o.ID, change.Comments...)
	for i, r := range s.awaitComments(s.ctx, o.ID, ref.Job, change) {
		if r.Err != nil {
			s.errorf("comment %d of a finished job: %v", i, r.Err)
		}
	}
	never := commentRef(o.ID, change, s.comment())
	never.Job = ref.Job
	s.absent("a comment that the job never had", never)
}

func jobRefused(s *stage) {
	good, bad := s.contact(), s.contact()
	bad.Set = extended(bad.Set, s.config.BadContact)
	refOfGood, ok := s.taken("create a contact", good)
	if !ok {
		return
	}
	if !s.config.BadContact.Empty() {
		// A CRM may see the fault at once.
		e := s.one(bad).Err
		s.ended("create a bad contact", e, connector.Refused)
	}
	s.finishJobs()
	if o := s.see(refOfGood); o.Err != nil || !o.Found {
		s.errorf("a good contact's job is not done: %v", o.Err)
	}
	s.count(connector.KindContact, 1, "after a good job and a bad one")
}

func jobStale(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	ref, ok := s.taken("comment", change)
	if !ok || s.bench.Delete == nil {
		return
	}
	s.bench.Delete(connector.KindTicket, id)
	s.finishJobs()
	switch o := s.see(ref); {
	case o.Err != nil:
		s.ended("a job whose ticket was deleted", o.Err, connector.Stale)
	case o.Found && o.Condition != connector.Gone:
		s.errorf("a job whose ticket was deleted is taken for a success")
	}
	lost := commentRef(id, opened, change.Comments[0])
	lost.Job = ref.Job
	if o := s.see(lost); o.Err != nil {
		s.ended("a comment whose ticket was deleted", o.Err, connector.Stale)
	} else if o.Found {
		s.errorf("a comment whose ticket was deleted is found")
	}
}
