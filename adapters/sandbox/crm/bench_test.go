package crm_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
)

// BenchmarkBatch measures tickets with a comment each, in batches of a hundred,
// without the network. An operation is one batch.
func BenchmarkBatch(b *testing.B) {
	s := crm.New(crm.Options{})
	post := func(path, body string) string { return benchCall(b, s, path, body) }
	post("/v1/contacts/batch", `{"items":[{"external_id":"c","set":{"phone":"+918856879188"}}]}`)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		var items strings.Builder
		for i := range 100 {
			if i > 0 {
				items.WriteByte(',')
			}
			n++
			fmt.Fprintf(&items, `{"external_id":"t%d","contact_id":"1","set":{"subject":"Help"},"comments":[{"external_id":"m%d","body":"hello","author":"customer"}]}`, n, n)
		}
		post("/v1/tickets/batch", `{"items":[`+items.String()+`]}`)
	}
	b.ReportMetric(float64(2*n)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkReadBack measures reading a hundred thousand contacts.
func BenchmarkReadBack(b *testing.B) {
	s := crm.New(crm.Options{})
	for batch := range 1000 {
		items := make([]string, 100)
		for i := range items {
			items[i] = fmt.Sprintf(`{"external_id":"wa:%d","set":{"phone":"+9188%08d","name":"Asha"}}`, batch*100+i, batch*100+i)
		}
		benchCall(b, s, "/v1/contacts/batch", `{"items":[`+strings.Join(items, ",")+`]}`)
	}
	for b.Loop() {
		if got := strings.Count(benchGet(b, s, "/api/contacts"), `"external_id"`); got != 100_000 {
			b.Fatalf("%d contacts", got)
		}
	}
}

func benchCall(b *testing.B, s *crm.Server, path, body string) string {
	b.Helper()
	return benchDo(b, s, "POST", path, body)
}

func benchGet(b *testing.B, s *crm.Server, path string) string {
	b.Helper()
	return benchDo(b, s, "GET", path, "")
}

func benchDo(b *testing.B, s *crm.Server, method, path, body string) string {
	b.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body)))
	if w.Code != 200 {
		b.Fatalf("%s %s: %d %.300s", method, path, w.Code, w.Body.String())
	}
	return w.Body.String()
}
