package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
	"github.com/crm-connector/crm-connector/mappings"
)

const mapping = `
rules:
  - name: %s
    on: message.received
    contact: {make: true, phone: "${contact.phone}"}
    ticket: {open: true, create: {subject: "${message.text}"}}
    comment: {body: "%s"}
`

// mapped is a bundle that runs on a mapping of its own.
func mapped(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.write("mapping.yaml", fmt.Sprintf(mapping, "first", "${message.text}"))
	b.write("connector.yaml", fmt.Sprintf(settings, b.crm.URL)+"    mapping: mapping.yaml\n")
	b.start()
	return b
}

func (b *bundle) reload() error { return b.app.Reload(b.t.Context()) }

func TestMappingChangedAndReplayed(t *testing.T) {
	t.Parallel()
	b := mapped(t)
	const d = sample.Developer
	b.accept(message(1, 0, d), d)
	b.settle()
	before := b.status()
	b.write("mapping.yaml", fmt.Sprintf(mapping, "second", "new: ${message.text}"))
	if err := b.reload(); err != nil {
		t.Fatal(err)
	}
	after := b.status()
	if after.Config.Generation != 2 || after.Destinations[0].Generation == before.Destinations[0].Generation {
		t.Errorf("after the reload the status is %+v", after)
	}
	var replayed struct{ Queued int }
	code := b.ask(http.MethodPost, b.pages+"/api/replay", `{"destination":"desk","state":"delivered"}`, &replayed)
	if code != http.StatusOK || replayed.Queued != 1 {
		t.Errorf("the replay was answered %d %+v", code, replayed)
	}
	b.accept(message(1, 1, d), d)
	b.settle()
	want := []string{"Message 1 of customer 2.", "new: Message 2 of customer 2."}
	if got := b.bodies(); !slices.Equal(got, want) || len(b.tickets()) != 1 {
		t.Errorf("comments %q in %d tickets, want %q in one", got, len(b.tickets()), want)
	}
}

func TestBadConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(settings, "http://127.0.0.1:9") // Nothing of it is called.
	cases := map[string]struct {
		config, mapping string
		want            string
		reason          string
	}{
		"key":     {good + "lisen: x\n", "", "lisen", "an unknown key"},
		"mapping": {good + "    mapping: mapping.yaml\n", "rules: [{on: message.received, contct: {}}]", "contct", "an unknown key in the mapping"},
		"missing": {good + "    mapping: nowhere.yaml\n", "", "nowhere.yaml", "no mapping"},
		"adapter": {strings.Replace(good, "token: token", "tokn: token", 1), "", "tokn", "an unknown key of the adapter"},
		"listen":  {"listen: 127.0.0.1:1\n" + good, "", "restart", "what a running connector can't change"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := mapped(t)
			b.write("connector.yaml", c.config)
			if c.mapping != "" {
				b.write("mapping.yaml", c.mapping)
			}
			if err := b.reload(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the reload said %v, want %q", c.reason, err, c.want)
			}
			if s := b.status(); s.Config.Generation != 1 || !strings.Contains(s.Config.Refused, c.want) {
				t.Errorf("%s: the status is %+v", c.reason, s.Config)
			}
			b.accept(message(1, 0, sample.Developer), sample.Developer)
			b.settle()
			if n := len(b.bodies()); n != 1 {
				t.Errorf("%s: %d comments after it, want the old ones at work", c.reason, n)
			}
		})
	}
}

func TestNewConfigurationTakesOverWhole(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.Developer
	b.accept(message(1, 0, d), d)
	b.settle()
	changed := strings.Replace(fmt.Sprintf(settings, b.crm.URL), "secret: the secret of the tests", "secret: a new one", 1)
	b.write("connector.yaml", changed+fmt.Sprintf(
		"  - {name: second, adapter: sandbox, fresh_within: 20ms, settings: {url: %q, token: token}}\n", b.crm.URL))
	if err := b.reload(); err != nil {
		t.Fatal(err)
	}
	body := message(1, 1, d)
	if a := b.post(body, d); a.Code != http.StatusUnauthorized {
		t.Errorf("the old secret was answered %d", a.Code)
	}
	header, value := sample.Sign([]byte("a new one"), body, d)
	if a := b.postWith("/webhook", body, header, value); a.Status != "accepted" {
		t.Errorf("the new secret was answered %+v", a)
	}
	b.settle()
	s := b.status()
	if len(s.Destinations) != 2 || s.Destinations[0].Outcomes["delivered"] != 2 || s.Destinations[1].Outcomes["delivered"] != 1 {
		t.Errorf("the status is %+v", s)
	}
}

func TestNewNamesMistakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write("mapping.yaml", "rules: [{on: message.received, contct: {}}]")
	b.write("connector.yaml", fmt.Sprintf(settings, b.crm.URL)+"    mapping: mapping.yaml\n")
	c, err := b.load()
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.New(app.Options{Config: c, Adapters: adapters.All(), Log: quiet()})
	if _, ok := err.(mappings.Errors); !ok { //nolint:errorlint // Whether it can be found is the command's to test.
		t.Errorf("a wrong mapping gives %T %v", err, err)
	}
	b.write("connector.yaml", strings.Replace(fmt.Sprintf(settings, b.crm.URL), "token: token", "tokn: token", 1))
	if c, err = b.load(); err != nil {
		t.Fatal(err)
	}
	_, err = app.New(app.Options{Config: c, Adapters: adapters.All(), Log: quiet()})
	if _, ok := err.(config.Problems); !ok { //nolint:errorlint // As above.
		t.Errorf("a wrong setting gives %T %v", err, err)
	}
}
