package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/config"
)

// demo is what the command's flags say, and what the texts are made of.
type demo struct {
	Listen  string
	Sandbox string
	Admin   string
	Data    string
	Secret  string
	Token   string
}

func demoCommand(s streams) *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the connector and a sandbox CRM, to see it work",
		Long: `Run the connector and a sandbox CRM in one process, and print what to try. The
signature that AISoule's documentation prints as a placeholder is accepted from
this machine alone. Without --data everything is gone at the end.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context(), s) },
	}
	fs := c.Flags()
	fs.StringVar(&d.Listen, "listen", "127.0.0.1:8080", "`address` for webhooks")
	fs.StringVar(&d.Sandbox, "sandbox", sandboxAddress, "`address` of the sandbox CRM and its page")
	fs.StringVar(&d.Admin, "admin", "127.0.0.1:8090", "`address` of the connector's state and metrics")
	fs.StringVar(&d.Data, "data", "", "`directory` of the journal (default: a temporary one)")
	return c
}

func (d *demo) run(ctx context.Context, s streams) error {
	if d.Data == "" {
		dir, err := os.MkdirTemp("", program+"-demo-")
		if err != nil {
			return failed(fmt.Errorf("make a directory for the journal: %w", err), program+" demo --data DIR")
		}
		defer os.RemoveAll(dir) //nolint:errcheck // What is left over is in the directory for what may be left over.
		d.Data = dir
	}
	listeners, err := d.listenAll(ctx)
	if err != nil {
		return err
	}
	cfg, err := d.config()
	if err != nil {
		return usage(err, program+" demo --help")
	}
	return d.both(ctx, s, cfg, listeners)
}

// listenAll opens the three listeners, and puts the addresses that they really
// have in place of those that were asked for.
func (d *demo) listenAll(ctx context.Context) (out [3]net.Listener, err error) {
	for i, l := range []struct {
		flag, what string
		address    *string
	}{{"listen", "webhooks", &d.Listen}, {"sandbox", "the sandbox", &d.Sandbox}, {"admin", "the connector's state", &d.Admin}} {
		out[i], err = (&net.ListenConfig{}).Listen(ctx, "tcp", *l.address)
		if err != nil {
			for _, open := range out[:i] {
				_ = open.Close() // The demo ends anyway.
			}
			return out, failed(fmt.Errorf("listen for %s: %w", l.what, err), program+" demo --"+l.flag+" 127.0.0.1:0   # any free port")
		}
		*l.address = out[i].Addr().String()
	}
	return out, nil
}

// both runs the sandbox and the connector until one of them ends.
func (d *demo) both(ctx context.Context, s streams, cfg *config.Config, listeners [3]net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, 2)
	var parts sync.WaitGroup
	parts.Go(func() {
		defer stop()
		errs[0] = serve(ctx, listeners[1], crm.New(crm.Options{Token: d.Token, Settings: crm.DefaultSettings()}).Handler())
	})
	parts.Go(func() {
		defer stop()
		errs[1] = runApp(ctx, "demo", app.Options{
			Config: cfg, Adapters: adapters.All(), Log: newLogger(s.err, cfg.Log), Version: thisBuild().Version,
			Listener: listeners[0], AdminListener: listeners[2],
			Ready: func() { _ = guide.Execute(s.err, d) }, // When nobody reads, nobody misses it.
		})
	})
	parts.Wait()
	if errs[1] != nil {
		return errs[1]
	}
	return errs[0]
}

// SandboxURL is where the connector finds the sandbox.
func (d *demo) SandboxURL() string { return "http://" + dialable(d.Sandbox) }

// config makes the configuration. Receipts wait two seconds and not sixty, since
// somebody watches.
func (d *demo) config() (*config.Config, error) {
	data, err := filepath.Abs(d.Data)
	if err != nil {
		return nil, fmt.Errorf("find the directory of the journal: %w", err)
	}
	d.Data, d.Secret, d.Token = data, rand.Text(), rand.Text()
	var text strings.Builder
	if err := demoConfig.Execute(&text, d); err != nil {
		return nil, fmt.Errorf("make the demo's configuration: %w", err)
	}
	none := func(string) (string, bool) { return "", false }
	cfg, err := config.Parse("demo", []byte(text.String()), none)
	if err != nil {
		return nil, err
	}
	cfg.Sources[0].Placeholder = true
	return cfg, nil
}

var demoConfig = template.Must(template.New("config").Parse(`
listen: {{printf "%q" .Listen}}
admin: {listen: {{printf "%q" .Admin}}}
data: {{printf "%q" .Data}}
log: {level: warning}
sources: [{secret: {{.Secret}}}]
destinations:
  - adapter: sandbox
    settings: {url: {{printf "%q" .SandboxURL}}, token: {{.Token}}}
    fresh_within: 2s
`))

var guide = template.Must(template.New("guide").Parse(`
The demo runs. It accepts the placeholder signature of AISoule's documentation,
from this machine alone; never use it for real webhooks.

  the CRM, live          http://{{.Sandbox}}/
  the connector's state  http://{{.Admin}}/api/status

Try this, once and then again:

curl -X POST "http://{{.Listen}}/webhook" \
  -H "Content-Type: application/json" \
  -H "X-AISoule-Signature: sha256=MOCK_SIGNATURE" \
  -d '{ "event": "message.received", "timestamp": 1780369298,
        "data": { "message_id": "msg_90a82b7194689c1", "sender": "918856879188",
                  "type": "text", "body": "Hi there! I need pricing info." } }'

Or a hundred customers at once:

crm-connector send --url http://{{.Listen}}/webhook --secret {{.Secret}} \
  --count 1000 --conversations 100 --connections 16

Ctrl-C ends it.
`))
