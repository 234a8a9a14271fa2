package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

func TestErrorsSayWhyAndNothingElse(t *testing.T) {
	t.Parallel()
	words := "my card is 4111, please <call> me & my wife \U0001F600 soon"
	req := httpapi.Request{
		Op: "create ticket", Method: "POST", Path: "/t", Query: url.Values{"key": {"hunter2"}},
		JSON: map[string]any{"body": words, "name": "Ивáн", "status": "bogus", "note": `say "<hi>" now`, "contact": map[string]any{"phone": "+7 (916) 123-45-67"}},
	}
	body := func(message string) string {
		b, _ := json.Marshal(map[string]string{"message": message, "code": "VALIDATION"})
		return string(b)
	}
	cases := []struct {
		reason, body string
		keep         string
		hide         []string
	}{
		{"the vendor's own words stay", body("Queue 'General' is disabled"), "Queue 'General' is disabled", nil},
		{"our own vocabulary stays", body("status bogus is not valid"), "bogus", nil},
		{"the customer's words go", body("too long: " + words), "too long", []string{"card", "wife"}},
		{"a shortened echo goes", body("too long: " + words[:20] + "…"), "too long", []string{"my card"}},
		{"an echo of the whole request goes", body(`cannot read {"note":"say \"<hi>\" now"}`), "cannot read", []string{"hi", "say", "now"}},
		{"names go", body("Ивáн exists"), "exists", []string{"Ивáн"}},
		{"the number goes however it is written", body("phone +79161234567, +7 916 123-45-67, 8(916)1234567 taken"), "taken", []string{"916"}},
		{"addresses go", body("ivan@example.com is taken"), "is taken", []string{"ivan@"}},
		{"secrets go", body("bad token s3cr3t-t0ken"), "bad token", []string{"s3cr3t"}},
		{"query strings go", body("see https://crm.example/x?token=abc123"), "https://crm.example/x", []string{"abc123"}},
		{"html says nothing", "<html>" + words, "Unprocessable", []string{"card"}},
		{"plain text is taken", "Name in use", "Name in use", nil},
		{"lists of sentences are joined", `["Subject blank","Status blank"]`, "Subject blank; Status blank", nil},
		{"field lists are found", `{"details":{"status":[{"description":"closed prevents update"}]}}`, "closed prevents update", nil},
	}
	for _, tc := range cases {
		c := client(t, httpapi.Options{Auth: httpapi.Bearer("s3cr3t-t0ken")}, func(*http.Request) (*http.Response, error) {
			return answer(422, tc.body), nil
		})
		_, err := c.Do(t.Context(), req)
		text := asError(t, err).Error()
		if !strings.Contains(text, tc.keep) {
			t.Errorf("%s: %q lacks %q", tc.reason, text, tc.keep)
		}
		for _, h := range append(tc.hide, "hunter2", "4567", "\n") {
			if strings.Contains(text, h) {
				t.Errorf("%s: %q shows %q", tc.reason, text, h)
			}
		}
	}
}

func TestTransportErrorsHideTheURL(t *testing.T) {
	t.Parallel()
	c := client(t, httpapi.Options{}, func(*http.Request) (*http.Response, error) { return nil, errors.New("boom") })
	_, err := c.Do(t.Context(), httpapi.Request{Op: "observe", Query: url.Values{"phone": {"+79161234567"}}})
	if text := asError(t, err).Error(); strings.Contains(text, "916") || !strings.Contains(text, "boom") {
		t.Errorf("got %q", text)
	}
}

func FuzzReason(f *testing.F) {
	for _, s := range []string{`{"message":"x"}`, `[{"errorCode":"A","message":"b"}]`, `["a"]`, `"x"`, `<html>`, ``, `{"error":{"errors":[[[[[[["deep"]]]]]]]}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		secret := "s3cr3t-t0ken"
		c, err := httpapi.New(connector.Deps{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return answer(400, body), nil
		})}}, httpapi.Options{Base: "http://x", Auth: httpapi.Bearer(connector.Secret(secret))})
		if err != nil {
			t.Fatal(err)
		}
		_, got := c.Do(t.Context(), httpapi.Request{Op: "op", Method: "POST", JSON: map[string]string{"text": "words of a customer"}})
		text := asError(t, got).Error()
		if strings.Contains(text, secret) || strings.Contains(text, "words of a customer") || len(text) > 4*500 {
			t.Errorf("%q shows too much", text)
		}
	})
}
