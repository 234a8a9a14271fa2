package send_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/send"
)

const secret = "s3cret"

// receiver notes what it is sent and whether the signature is right.
type receiver struct {
	mu     sync.Mutex
	bodies []map[string]any
	forged int
	server *httptest.Server
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	got := request.Header.Get("X-AISoule-Signature") + request.Header.Get("X-Webhook-Signature")
	var event map[string]any
	_ = json.Unmarshal(body, &event)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, event)
	if strings.TrimPrefix(got, "sha256=") != hex.EncodeToString(mac.Sum(nil)) {
		r.forged++
	}
	_, _ = io.WriteString(w, `{"status":"accepted"}`)
}

func (r *receiver) options() send.Options {
	return send.Options{
		URL: r.server.URL, Secret: secret, Count: 1, Conversations: 1, Connections: 1,
		Types: []connector.EventType{connector.MessageReceived}, Kind: "text", Dialect: "developer",
		Name: "test", Start: time.Unix(1_800_000_000, 0), Client: r.server.Client(),
	}
}

func TestEachConversationIsInOrder(t *testing.T) {
	t.Parallel()
	for _, dialect := range send.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			o := r.options()
			o.Count, o.Conversations, o.Connections, o.Dialect = 60, 7, 3, dialect
			report, err := send.Run(t.Context(), o)
			if err != nil || report.OK != 60 || report.Answers["200 accepted"] != 60 {
				t.Fatalf("report %+v, error %v", report, err)
			}
			if r.forged > 0 {
				t.Errorf("%d webhooks were signed wrongly", r.forged)
			}
			last := map[string]string{}
			for _, body := range r.bodies {
				data := body["data"].(map[string]any)
				id := data["message_id"].(string)
				customer, message := id[:strings.LastIndex(id, "_")], id[strings.LastIndex(id, "_")+1:]
				if len(message) < len(last[customer]) || (len(message) == len(last[customer]) && message <= last[customer]) {
					t.Errorf("%s came after message %s", id, last[customer])
				}
				last[customer] = message
			}
			if len(last) != 7 {
				t.Errorf("%d customers, want 7", len(last))
			}
		})
	}
}

func TestReceiptsBelongToTheirMessage(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	o := r.options()
	o.Count = 4
	o.Types = []connector.EventType{connector.MessageSent, connector.MessageRead}
	if _, err := send.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, body := range r.bodies {
		ids = append(ids, body["data"].(map[string]any)["message_id"].(string))
	}
	if ids[0] != ids[1] || ids[2] != ids[3] || ids[1] == ids[2] {
		t.Errorf("the ids are %v, want two messages with two receipts each", ids)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	o := r.options()
	o.Count, o.Conversations, o.Connections, o.Rate = 11, 4, 4, 100
	report, err := send.Run(t.Context(), o)
	if err != nil || report.Seconds < 0.1 {
		t.Errorf("11 at 100/s took %.3f s, want at least 0.1; error %v", report.Seconds, err)
	}
}

func TestCancelledRunReportsWhatWasSent(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := r.options()
	o.Count, o.Sent = 1000, cancel
	report, err := send.Run(ctx, o)
	if err == nil || report.Sent == 0 || report.Sent > 2 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	o := r.options()
	r.server.Close()
	o.Count = 1_000_000
	report, err := send.Run(t.Context(), o)
	if err == nil || report.Sent > 100 {
		t.Errorf("it went on: %d sent, error %v", report.Sent, err)
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	t.Parallel()
	o := send.Options{URL: "nowhere", Rate: -1, Types: []connector.EventType{"message.red"}}
	err := o.Validate()
	for _, want := range []string{"url must be", "secret is needed", "count, conversations", "rate must not", `type "message.red"`, "dialect", "kind"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}
