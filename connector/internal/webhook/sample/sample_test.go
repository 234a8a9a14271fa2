package sample_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

func TestEverySampleIsReadableAndRepeatable(t *testing.T) {
	t.Parallel()
	for _, dialect := range sample.Dialects() {
		for _, kind := range append(connector.EventTypes(), connector.Ping) {
			o := sample.Options{Conversation: 3, Sequence: 4}
			body := sample.Event(kind, dialect, o)
			if !bytes.Equal(body, sample.Event(kind, dialect, o)) {
				t.Errorf("%s in %s differs from itself", kind, dialect)
			}
			if r, err := webhook.Read(body); err != nil || r.Event.Type != kind {
				t.Errorf("%s in %s reads as %s, %v", kind, dialect, r.Event.Type, err)
			}
			h := http.Header{}
			h.Set(sample.Sign([]byte("secret"), body, dialect))
			if !webhook.NewVerifier([]byte("secret")).Verify(h, body) {
				t.Errorf("%s in %s is not authentic", kind, dialect)
			}
		}
	}
}

func TestEveryErrorCodeHasATitle(t *testing.T) {
	t.Parallel()
	for _, code := range sample.ErrorCodes() {
		body := sample.Event(connector.MessageFailed, sample.App, sample.Options{ErrorCode: code})
		r, err := webhook.Read(body)
		if err != nil || r.Event.Message.Error == nil || r.Event.Message.Error.Code != code || r.Event.Message.Error.Title == "" {
			t.Errorf("%d reads as %+v, %v", code, r.Event.Message, err)
		}
	}
}

func TestOptionsChangeTheSample(t *testing.T) {
	t.Parallel()
	body := sample.Event(connector.MessageReceived, sample.Developer, sample.Options{
		UserID: "US.1349", NoPhone: true, MessageID: "msg_x", Text: "a <b> & c",
	})
	e, err := webhook.Read(body)
	if err != nil {
		t.Fatal(err)
	}
	if e.Event.Identity != (connector.Identity{UserID: "US.1349"}) || e.Event.Message.ID != "msg_x" || e.Event.Message.Text != "a <b> & c" {
		t.Errorf("%s reads as %+v", body, e.Event)
	}
	if !json.Valid(sample.Array(body, body)) || !bytes.Contains(body, []byte("<b>")) {
		t.Errorf("%s", body)
	}
}
