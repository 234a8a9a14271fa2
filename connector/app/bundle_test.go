package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// patience bounds every wait of the tests.
const patience = 15 * time.Second

// secret signs the webhooks of the source that has one.
var secret = []byte("the secret of the tests")

// bundle is a connector with a sandbox, both in this process.
type bundle struct {
	t       *testing.T
	dir     string
	crm     *httptest.Server
	sandbox *crm.Server
	log     *logtest.Hook

	app   *app.App
	hooks string
	pages string
	stop  func()
}

// settings is the configuration of most tests. The source demo takes the
// documentation's signature.
const settings = `
data: data
sources:
  - {name: support, path: /webhook, secret: the secret of the tests}
  - {name: demo, path: /demo, secret: another}
destinations:
  - name: desk
    adapter: sandbox
    settings: {url: %q, token: token}
    fresh_within: 20ms
`

func setup(t *testing.T, options ...func(*crm.Options)) *bundle {
	t.Helper()
	o := crm.Options{Token: "token", Settings: crm.DefaultSettings()}
	for _, change := range options {
		change(&o)
	}
	b := &bundle{t: t, dir: t.TempDir(), sandbox: crm.New(o)}
	b.crm = httptest.NewServer(b.sandbox.Handler())
	t.Cleanup(b.crm.Close)
	b.write("connector.yaml", fmt.Sprintf(settings, b.crm.URL))
	return b
}

// started is a bundle whose connector runs.
func started(t *testing.T, options ...func(*crm.Options)) *bundle {
	t.Helper()
	b := setup(t, options...)
	b.start()
	return b
}

func (b *bundle) write(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) load() (*config.Config, error) {
	c, err := config.Load(filepath.Join(b.dir, "connector.yaml"))
	if err == nil {
		for i := range c.Sources {
			c.Sources[i].Placeholder = c.Sources[i].Name == "demo"
		}
	}
	return c, err
}

// start runs the connector until the test ends or stop is called.
func (b *bundle) start() {
	b.t.Helper()
	c, err := b.load()
	if err != nil {
		b.t.Fatal(err)
	}
	hooks, pages := b.listen(), b.listen()
	b.hooks, b.pages = "http://"+hooks.Addr().String(), "http://"+pages.Addr().String()
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	b.log = hook
	ready := make(chan struct{})
	b.app, err = app.New(app.Options{
		Config: c, Adapters: adapters.All(), Log: logger, Version: "test",
		Listener: hooks, AdminListener: pages, Load: b.load, Ready: func() { close(ready) },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.app.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the run ended with: %v", err)
		}
		b.stop = func() {}
	}
	b.t.Cleanup(func() { b.stop() })
	select {
	case <-ready:
	case err := <-done:
		b.t.Fatalf("the connector did not start: %v", err)
	case <-time.After(patience):
		b.t.Fatal("the connector did not get ready")
	}
}

func (b *bundle) listen() net.Listener {
	b.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// answer is what a webhook was answered.
type answer struct {
	Code        int    `json:"-"`
	Status      string `json:"status"`
	ID          int64  `json:"id"`
	Revision    int    `json:"revision"`
	Accepted    int    `json:"accepted"`
	Duplicate   int    `json:"duplicate"`
	Quarantined int    `json:"quarantined"`
}

// post sends a webhook that is signed as the dialect does it.
func (b *bundle) post(body []byte, d sample.Dialect) answer {
	b.t.Helper()
	name, value := sample.Sign(secret, body, d)
	return b.postWith("/webhook", body, name, value)
}

// accept sends a webhook that must be accepted.
func (b *bundle) accept(body []byte, d sample.Dialect) answer {
	b.t.Helper()
	a := b.post(body, d)
	if a.Code != http.StatusOK || a.Status != "accepted" {
		b.t.Fatalf("the webhook was answered %+v, want it accepted", a)
	}
	return a
}

func (b *bundle) postWith(path string, body []byte, header, value string) (a answer) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.hooks+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set(header, value)
	a.Code = b.do(request, &a)
	return a
}

// ask gets or posts JSON.
func (b *bundle) ask(method, url, body string, into any) int {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(request, into)
}

func (b *bundle) do(request *http.Request, into any) int {
	b.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if text, ok := into.(*string); ok {
		*text = string(content)
	} else if into != nil {
		if err := json.Unmarshal(content, into); err != nil {
			b.t.Fatalf("%s answered %s, which can't be read: %v", request.URL, content, err)
		}
	}
	return response.StatusCode
}

type contact struct{ ID, ExternalID, Phone, Name string }

type ticket struct {
	ID      string `json:"id"`
	Contact string `json:"contact_id"`
	Subject string `json:"subject"`
	Status  string `json:"status"`
}

type comment struct {
	ID, Body, Author string
	Public           bool
}

func (b *bundle) contacts() (out []contact) {
	b.ask(http.MethodGet, b.crm.URL+"/api/contacts", "", &out)
	return out
}

func (b *bundle) tickets() (out []ticket) {
	b.ask(http.MethodGet, b.crm.URL+"/api/tickets", "", &out)
	return out
}

func (b *bundle) comments(ticket string) (out []comment) {
	b.ask(http.MethodGet, b.crm.URL+"/api/tickets/"+ticket+"/comments", "", &out)
	return out
}

// bodies gives what all comments say, ticket by ticket.
func (b *bundle) bodies() (out []string) {
	for _, t := range b.tickets() {
		for _, c := range b.comments(t.ID) {
			out = append(out, c.Body)
		}
	}
	return out
}

// status is what the tests read of the admin API's status.
type status struct {
	Ready  bool `json:"ready"`
	Config struct {
		Generation int    `json:"generation"`
		Refused    string `json:"refused"`
	} `json:"config"`
	Journal struct {
		Accepted    int `json:"accepted"`
		Quarantined int `json:"quarantined"`
	} `json:"journal"`
	Destinations []struct {
		Name       string         `json:"name"`
		State      string         `json:"state"`
		Backlog    int            `json:"backlog"`
		Generation string         `json:"mapping_generation"`
		Outcomes   map[string]int `json:"outcomes"`
		Quota      []struct {
			Limit, Used int
		} `json:"quota"`
	} `json:"destinations"`
}

func (b *bundle) status() (s status) {
	b.t.Helper()
	if code := b.ask(http.MethodGet, b.pages+"/api/status", "", &s); code != http.StatusOK {
		b.t.Fatalf("the status was answered %d", code)
	}
	return s
}

// settle waits until nothing is pending any more: what has not happened by then
// does not happen.
func (b *bundle) settle() {
	b.t.Helper()
	b.await("nothing to be pending", func() bool {
		for _, d := range b.status().Destinations {
			if d.Backlog > 0 {
				return false
			}
		}
		return true
	})
}

func (b *bundle) await(what string, is func() bool) {
	b.t.Helper()
	for until := time.Now().Add(patience); !is(); {
		if time.Now().After(until) {
			b.t.Fatalf("waited %s for %s; the status is %+v", patience, what, b.status())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// message is a customer's message of now.
func message(conversation, sequence int, d sample.Dialect) []byte {
	return sample.Event(connector.MessageReceived, d, sample.Options{
		Conversation: conversation, Sequence: sequence, Time: now().Add(time.Duration(sequence) * time.Second),
	})
}

// now is the time of the tests' webhooks, the same for all of a run so that the
// same message is the same webhook.
var now = func() func() time.Time {
	t := time.Now().Add(-time.Hour).Truncate(time.Second)
	return func() time.Time { return t }
}()
