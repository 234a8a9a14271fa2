package intake_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// FuzzServeHTTP sends authentic bodies of any content: each is answered 200 with
// JSON, and whatever is not a ping is kept.
func FuzzServeHTTP(f *testing.F) {
	for _, dialect := range sample.Dialects() {
		for _, kind := range append(connector.EventTypes(), connector.Ping) {
			f.Add(string(sample.Event(kind, dialect, sample.Options{})))
		}
	}
	f.Add(`[{"event":"ping"},{"event":"message.read","data":{"message_id":"m"}},oops,]`)
	f.Add(`[`)
	f.Add("")
	f.Fuzz(func(t *testing.T, body string) {
		b := setup(t)
		w := b.post(body)
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		kept := len(b.journal.entries)
		if kept == 0 && !strings.Contains(w.Body.String(), "pong") {
			t.Fatalf("%q: %s, and nothing was kept", body, w.Body)
		}
	})
}

// FuzzHeaders sends a body that nobody signed: it is never taken.
func FuzzHeaders(f *testing.F) {
	f.Add("/webhook", "sha256=MOCK_SIGNATURE", "", "POST")
	f.Add("/demo", "sha256=MOCK_SIGNATURE", "gzip", "GET")
	f.Fuzz(func(t *testing.T, path, signature, encoding, method string) {
		b := setup(t)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text(1, 0)))
		r.Method, r.URL.Path = method, path
		r.Header.Set("X-AISoule-Signature", signature)
		r.Header.Set("Content-Encoding", encoding)
		if w := b.do(r); w.Code == http.StatusOK || len(b.journal.entries) > 0 {
			t.Fatalf("%s %q with %q was taken", method, path, signature)
		}
	})
}

func BenchmarkServeHTTP(b *testing.B) {
	bundle := setup(b)
	body := text(1, 0)
	b.ReportAllocs()
	for b.Loop() {
		if w := bundle.post(body); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
