package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	body := sample.Playground()
	_, prefixed := sample.Sign([]byte("new"), body, sample.Developer)
	_, bare := sample.Sign([]byte("new"), body, sample.App)
	_, old := sample.Sign([]byte("old"), body, sample.App)
	_, foreign := sample.Sign([]byte("foreign"), body, sample.App)
	_, empty := sample.Sign(nil, body, sample.App)
	verifier := webhook.NewVerifier([]byte("old"), nil, []byte("new"))
	cases := []struct {
		header http.Header
		want   bool
		hint   string
		reason string
	}{
		{headers(webhook.HeaderDeveloper, prefixed), true, "", "the developer documentation's"},
		{headers(webhook.HeaderApp, bare), true, "", "the help centre's"},
		{headers(webhook.HeaderApp, prefixed), true, "", "a prefix in the other header"},
		{headers(webhook.HeaderDeveloper, strings.ToUpper(bare)), true, "", "upper case"},
		{headers(webhook.HeaderDeveloper, " SHA256="+bare+" "), true, "", "an upper-case prefix and space"},
		{headers(webhook.HeaderDeveloper, old), true, "", "every live secret counts"},
		{headers(webhook.HeaderDeveloper, "sha256="+foreign, webhook.HeaderApp, bare), true, "", "one good header is enough"},
		{headers(webhook.HeaderApp, foreign, webhook.HeaderApp, bare), true, "", "one good value is enough"},
		{headers(webhook.HeaderApp, foreign), false, "no secret of this source", "another secret"},
		{headers(webhook.HeaderApp, empty), false, "no secret of this source", "an empty secret is none"},
		{headers(webhook.HeaderApp, bare[:62]), false, "64 hexadecimal", "cut off"},
		{headers(webhook.HeaderApp, strings.Repeat("z", 64)), false, "64 hexadecimal", "no hexadecimal digits"},
		{headers(sample.PlaygroundSignature()), false, "placeholder", "the documentation's placeholder"},
		{http.Header{}, false, "no X-AISoule-Signature", "no signature"},
		{headers(webhook.HeaderApp, ""), false, "64 hexadecimal", "an empty one"},
	}
	for _, c := range cases {
		if got := verifier.Verify(c.header, body); got != c.want {
			t.Errorf("Verify with %v = %t, want %t: %s", c.header, got, c.want, c.reason)
		}
		if !c.want && !strings.Contains(webhook.Hint(c.header), c.hint) {
			t.Errorf("Hint for %v = %q, want %q: %s", c.header, webhook.Hint(c.header), c.hint, c.reason)
		}
		if verifier.Verify(c.header, append([]byte(" "), body...)) {
			t.Errorf("a changed body is authentic with %v", c.header)
		}
	}
	if webhook.NewVerifier().Verify(headers(webhook.HeaderApp, bare), body) {
		t.Error("without a secret something is authentic")
	}
}

// headers makes a header of names and values in turn.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// FuzzVerify checks that no header makes a body authentic but its signature.
func FuzzVerify(f *testing.F) {
	f.Add("sha256=MOCK_SIGNATURE", []byte(`{"event":"ping"}`))
	f.Add(strings.Repeat("0", 64), []byte(""))
	verifier := webhook.NewVerifier([]byte("a secret that no fuzzer guesses"))
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		for _, name := range []string{webhook.HeaderDeveloper, webhook.HeaderApp} {
			if verifier.Verify(http.Header{http.CanonicalHeaderKey(name): {value}}, body) {
				t.Fatalf("%q makes %q authentic", value, body)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := sample.Event(connector.MessageReceived, sample.Developer, sample.Options{})
	h := headers(sample.Sign([]byte("secret"), body, sample.Developer))
	verifier := webhook.NewVerifier([]byte("secret"))
	b.ReportAllocs()
	for b.Loop() {
		if !verifier.Verify(h, body) {
			b.Fatal("not authentic")
		}
	}
}
