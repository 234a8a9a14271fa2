package mappings_test

import (
	"strings"
	"testing"
	"text/template"

	"github.com/crm-connector/crm-connector/mappings"
)

// eightFields writes eight fields from a text message.
const eightFields = `
rules:
  - name: eight
    on: message.received
    when: message.type == "text"
    contact:
      make: true
      phone: ${contact.phone}
      name: ${default(contact.name, contact.phone)}
      fields:
        last_message: ${truncate(message.text, 20)}
        account: ${event.account}
        city: ${data.city}
    ticket:
      open: true
      subject: "WhatsApp: ${truncate(message.text, 20)}"
      fields:
        message_id: ${message.id}
    comment:
      body: "${contact.name}: ${message.text}"
`

// eightTemplates do the same work with text/template.
func eightTemplates(b *testing.B) []*template.Template {
	funcs := template.FuncMap{
		"cut": func(s string, n int) string {
			s = strings.Join(strings.Fields(s), " ")
			if r := []rune(s); len(r) > n {
				return string(r[:n-1]) + "…"
			}
			return s
		},
		"or2": func(a, c string) string {
			if a == "" {
				return c
			}
			return a
		},
	}
	var all []*template.Template
	for _, text := range []string{
		`{{if eq .Message.Type "text"}}{{.Identity.Phone}}{{end}}`, `{{or2 .ContactName .Identity.Phone}}`, `{{cut .Message.Text 20}}`,
		`{{.Account}}`, `{{.Data.city}}`, `WhatsApp: {{cut .Message.Text 20}}`, `{{.Message.ID}}`, `{{.ContactName}}: {{.Message.Text}}`,
	} {
		t, err := template.New("").Funcs(funcs).Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, t)
	}
	return all
}

func BenchmarkMap(b *testing.B) {
	e := received("Hi there! I need pricing info, please.")
	e.Data = map[string]any{"city": "Pune"}
	b.Run("mapping", func(b *testing.B) {
		m, err := mappings.Load("eight.yaml", []byte(eightFields), mappings.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Map(e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("template", func(b *testing.B) {
		templates := eightTemplates(b)
		b.ReportAllocs()
		for b.Loop() {
			out := make(map[string]string, len(templates))
			for _, t := range templates {
				var s strings.Builder
				if err := t.Execute(&s, e); err != nil {
					b.Fatal(err)
				}
				out[t.Name()] = s.String()
			}
		}
	})
}
