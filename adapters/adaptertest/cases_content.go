package adaptertest

import (
	"slices"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// contents are what a comment can carry beside plain text.
func contents() []kase {
	return []kase{
		{"HTML comments", "HTML is shown as people read it, never as markup", nil, htmlComments},
		{"attachments", "a file is uploaded, or its link is shown; none is dropped in silence", nil, attachments},
	}
}

func htmlComments(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	c := s.comment()
	c.HTML, c.Body = true, "<p>The <b>zither</b> &amp; the harp</p>"
	change.Comments = []connector.Comment{c}
	s.remember("zither</b> &amp; the harp")
	if !s.done("add a comment in HTML", s.one(change)) {
		return
	}
	shown := s.show(connector.KindTicket, id).Comments
	if len(shown) != len(opened.Comments)+1 {
		s.errorf("the ticket has %d comments, want %d", len(shown), len(opened.Comments)+1)
		return
	}
	body := strings.Join(strings.Fields(shown[len(shown)-1].Body), " ")
	if !strings.Contains(body, "The zither & the harp") {
		s.errorf("a comment in HTML is shown as %q", body)
	}
}

// attachments adds two files beside words, and one without any.
func attachments(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	file := func(name string) connector.Attachment {
		link := "https://" + mediaHost + "/" + name + "?signature=5f2a9b7c"
		s.remember(link)
		return connector.Attachment{Name: name, URL: link}
	}
	both, bare := s.comment(), s.comment()
	both.Attachments = []connector.Attachment{file("string.png"), file("bridge.pdf")}
	bare.Body, bare.Attachments = "", []connector.Attachment{file("tuning.ogg")}
	for _, c := range []connector.Comment{both, bare} {
		change.Comments = []connector.Comment{c}
		if !s.done("add a comment with files", s.one(change)) {
			return
		}
		shown := s.show(connector.KindTicket, id).Comments
		if len(shown) == 0 {
			s.errorf("a comment with files is not shown")
			return
		}
		s.showsFiles(shown[len(shown)-1], c)
	}
}

func (s *stage) showsFiles(shown Comment, c connector.Comment) {
	if !strings.Contains(shown.Body, c.Body) {
		s.errorf("a comment with files does not show its words")
	}
	for _, f := range c.Attachments {
		apart := slices.ContainsFunc(shown.Files, func(s string) bool { return s == f.Name || s == f.URL })
		if !apart && !strings.Contains(shown.Body, f.URL) {
			s.errorf("the file %s is neither there nor linked", f.Name)
		}
	}
}
