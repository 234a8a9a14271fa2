package adaptertest

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crm-connector/crm-connector/connector"
)

// limits are texts and answers of awkward kinds and sizes.
func limits() []kase {
	return []kase{
		{"awkward text", "markup, right-to-left text and emoji arrive as they were written", nil, awkwardText},
		{"long comments", "a comment of the CRM's own limit arrives whole; a longer one is shortened or refused", nil, longComments},
		{"slow answers", "an answer that never ends is bounded by the context", nil, slowAnswers},
		{"endless answers", "an answer is read up to a limit", nil, endlessAnswers},
	}
}

// ownMaxBody is the size of a comment that any CRM is expected to take.
const ownMaxBody = 60_000

func awkwardText(s *stage) {
	c := s.contact()
	oneLine := strings.ReplaceAll(awkward, "\n", " ")
	c.Set.Standard[connector.FieldName] = oneLine
	if made := s.one(c); s.done("create a contact with an awkward name", made) {
		s.holds(made.ID, c)
	}
	t := s.ticket()
	if _, ok := t.Set.Standard[connector.FieldSubject]; ok {
		t.Set.Standard[connector.FieldSubject] = oneLine
	}
	made := s.one(t)
	if !s.done("create a ticket with an awkward subject", made) {
		return
	}
	s.holds(made.ID, t)
	change := update(made.ID, t)
	change.Comments = []connector.Comment{s.comment()}
	change.Comments[0].Body = awkward
	if s.done("add an awkward comment", s.one(change)) {
		s.comments(made.ID, append(t.Comments, change.Comments...)...)
	}
}

func longComments(s *stage) {
	limit := s.config.MaxBody
	if limit == 0 {
		limit = ownMaxBody
	}
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	change.Comments[0].Body = wide(limit)
	if !s.done("add a comment of the CRM's limit", s.one(change)) {
		return
	}
	s.comments(id, append(opened.Comments, change.Comments...)...)

	change.Comments = []connector.Comment{s.comment()}
	change.Comments[0].Body = wide(3 * limit)
	r := s.one(change)
	if e := r.Comments[0].Err; e != nil {
		s.ended("add a comment that is too long", e, connector.Refused)
		return
	}
	for _, shown := range s.show(connector.KindTicket, id).Comments {
		if !utf8.ValidString(shown.Body) || strings.ContainsRune(shown.Body, utf8.RuneError) {
			s.errorf("a comment was cut inside a character")
		}
	}
}

// wide is a text of at most n bytes whose characters have four each.
func wide(n int) string {
	return "x" + strings.Repeat("\U0001F600", (n-1)/4)
}

func slowAnswers(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	s.wire.set(anyCall, -1, dribbles)
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.ctx, short)
	defer cancel()
	if s.observe(ctx, refOf(change))[0].Err == nil {
		s.errorf("half an answer is taken for an observation")
	}
	s.wire.set(onWrites, -1, dribbles)
	ctx, cancel = context.WithTimeout(s.ctx, short)
	defer cancel()
	s.ended("create a ticket whose answer never ends", s.apply(ctx, change)[0].Err, connector.Ambiguous)
	if took := time.Since(began); took > 2*soon {
		s.errorf("two calls took %s with contexts of %s", took, short)
	}
}

func endlessAnswers(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	s.wire.set(onWrites, -1, s.wire.floods)
	s.ended("create a ticket whose answer is endless", s.one(change).Err, connector.Ambiguous)
	s.wire.set(anyCall, -1, s.wire.floods)
	if s.see(refOf(change)).Err == nil {
		s.errorf("an endless answer is taken for an observation")
	}
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	if s.wire.greedy {
		s.errorf("the adapter read more than %d MiB of an answer", endless>>20)
	}
}
