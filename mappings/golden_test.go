package mappings_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/mappings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const separator = "\n-- expected --\n"

// golden compares what each file of a folder gives with what stands behind its
// separator.
func golden(t *testing.T, pattern string, give func(t *testing.T, name, input string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files at %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(b), separator)
			got := give(t, filepath.Base(file), input) + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("run the test with -update if this is right; got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestMistakes holds the loader to naming every mistake at its place.
func TestMistakes(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/mistakes/*.txt", func(t *testing.T, _, input string) string {
		m, err := mappings.Load("m.yaml", []byte(input), mappings.Options{})
		if err == nil {
			var lines []string
			for _, w := range m.Warnings() {
				lines = append(lines, w.String())
			}
			return strings.Join(lines, "\n")
		}
		if _, ok := errors.AsType[mappings.Errors](err); !ok {
			t.Errorf("the error is a %T, want mappings.Errors", err)
		}
		return err.Error()
	})
}

// TestShippedMappings maps one event of every kind with a shipped mapping.
func TestShippedMappings(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/shipped/*.txt", func(t *testing.T, _, input string) string {
		var out strings.Builder
		name := strings.TrimSpace(input)
		src, ok := mappings.Builtin(name)
		if !ok {
			t.Fatalf("no mapping %s ships", name)
		}
		m, err := mappings.Load(name+".yaml", src, mappings.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Warnings()) > 0 {
			t.Errorf("a shipped mapping has warnings: %v", m.Warnings())
		}
		for _, s := range samples() {
			b, err := json.MarshalIndent(mapped(t, m, s.event), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString("# " + s.name + "\n" + string(b) + "\n")
		}
		return strings.TrimSpace(out.String())
	})
}

type sample struct {
	name  string
	event *connector.Event
}

// samples are an event of every kind.
func samples() []sample {
	media := func(kind, caption string) *connector.Event {
		return event(connector.MessageReceived, &connector.Message{
			ID: "wamid.media", Type: kind, Caption: caption,
			Media: &connector.Media{ID: "m1", URL: "https://files.example/m1", MIMEType: "image/jpeg", Filename: "bike.jpg", Expires: moment.AddDate(0, 0, 2)},
		})
	}
	inbound := func(kind string, data map[string]any) *connector.Event {
		e := event(connector.MessageReceived, &connector.Message{ID: "wamid." + kind, Type: kind})
		e.Data = data
		return e
	}
	edited := received("Hi there! I need pricing info, please.")
	edited.Revision = 1
	nameless := received("hello")
	nameless.ContactName = ""
	hidden := received("hello")
	hidden.Identity, hidden.ContactName = connector.Identity{UserID: "US.13491208655302741918"}, ""
	moved := inbound("system", nil)
	moved.Message.NewPhone = "+918856879199"
	list := []sample{
		{"text", received("Hi there! I need pricing info.")},
		{"edited text", edited},
		{"text without a name", nameless},
		{"text without a phone", hidden},
		{"image", media("image", "my bike")},
		{"document without a caption", media("document", "")},
		{"location", inbound("location", map[string]any{"location": map[string]any{"latitude": 18.52, "longitude": 73.85, "name": "Pune"}})},
		{"contacts", inbound("contacts", map[string]any{"contacts": []any{map[string]any{
			"name": map[string]any{"formatted_name": "Ravi"}, "phones": []any{map[string]any{"phone": "+91 1"}},
		}}})},
		{"order", inbound("order", map[string]any{"order": map[string]any{"product_items": []any{1, 2}, "text": "soon please"}})},
		{"sticker", inbound("sticker", nil)},
		{"unsupported", inbound("unsupported", nil)},
		{"number change", moved},
		{"reaction", event(connector.MessageReceived, &connector.Message{ID: "wamid.r", Type: "reaction", Text: "👍", ReplyTo: "wamid.x"})},
		{"reaction removed", event(connector.MessageReceived, &connector.Message{ID: "wamid.r2", Type: "reaction", ReplyTo: "wamid.x"})},
		{"business's text", event(connector.MessageSent, &connector.Message{ID: "wamid.b", Type: "text", Text: "We open at 9.", Status: connector.StatusSent})},
		{"contact updated", event(connector.ContactUpdated, nil)},
		{"campaign completed", event(connector.CampaignCompleted, nil)},
		{"message without anything", event(connector.MessageReceived, nil)},
		{"unknown type", event("message.pinned", nil)},
	}
	for _, s := range []connector.Status{connector.StatusSent, connector.StatusDelivered, connector.StatusRead} {
		list = append(list, sample{"receipt " + string(s), event(connector.EventType("message."+s), &connector.Message{ID: "wamid.b", Status: s})})
	}
	for _, code := range []int{131026, 131050, 131047, 0} {
		m := &connector.Message{ID: "wamid.b", Status: connector.StatusFailed, Error: &connector.MessageError{Code: code, Title: "Undeliverable"}}
		list = append(list, sample{"failure", event(connector.MessageFailed, m)})
	}
	return list
}
