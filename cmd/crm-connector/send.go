package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/send"
)

// sendFlags are what the command takes beside what the package does.
type sendFlags struct {
	send.Options
	config, secret string
	types          []string
	timeout        time.Duration
	json           bool
}

func sendCommand(s streams) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send",
		Short: "Post signed sample webhooks to a connector",
		Long: `Post signed sample webhooks to a connector and sum up its answers. Without --url
and --secret both come from the configuration's first source. The exit code is 0
when every webhook was answered 200.`,
		Example: `  crm-connector send
  crm-connector send --count 10000 --conversations 1000 --connections 64 --rate 500
  crm-connector send --url http://127.0.0.1:8080/webhook --secret "$SECRET" \
    --type message.received,message.sent,message.delivered,message.read --count 40`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.complete(); err != nil {
				return err
			}
			return f.run(c.Context(), s)
		},
	}
	configFlag(c, &f.config)
	fs := c.Flags()
	fs.StringVar(&f.URL, "url", "", "`address` of the webhook")
	fs.StringVar(&f.secret, "secret", "", "the webhook's secret")
	fs.IntVarP(&f.Count, "count", "n", 1, "how many webhooks to send")
	fs.Float64Var(&f.Rate, "rate", 0, "webhooks a second, 0 for as fast as it goes")
	fs.IntVar(&f.Conversations, "conversations", 1, "how many customers they come from")
	fs.IntVar(&f.Connections, "connections", 1, "how many are in flight at once")
	fs.StringSliceVar(&f.types, "type", []string{string(connector.MessageReceived)}, "event types, which each customer gets in turn")
	fs.StringVar(&f.Kind, "kind", "text", "kind of message: "+strings.Join(send.Kinds(), ", "))
	fs.StringVar(&f.Dialect, "dialect", send.Dialects()[0], "the webhooks' dialect: "+strings.Join(send.Dialects(), ", "))
	fs.StringVar(&f.Name, "name", "", "part of the messages' ids; the same name again sends duplicates (default: the time)")
	fs.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for an answer")
	fs.BoolVar(&f.json, "json", false, "write the summary as JSON")
	return c
}

// complete fills in what the flags leave open.
func (f *sendFlags) complete() error {
	f.Secret = connector.Secret(f.secret)
	if f.URL == "" || f.Secret == "" {
		if err := f.fromConfig(); err != nil {
			return err
		}
	}
	for _, t := range f.types {
		f.Types = append(f.Types, connector.EventType(t))
	}
	f.Start = time.Now().Truncate(time.Second)
	f.Name = cmp.Or(f.Name, strconv.FormatInt(time.Now().UnixMilli(), 36))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = f.Connections
	transport.MaxConnsPerHost = f.Connections
	f.Client = &http.Client{Transport: transport, Timeout: f.timeout}
	if err := f.Validate(); err != nil {
		return usage(err, program+" send --help")
	}
	return nil
}

// fromConfig takes the address and the secret from the first source.
func (f *sendFlags) fromConfig() error {
	if !exists(f.config) {
		return usage(errors.New("neither --url and --secret nor a configuration says where to send to"),
			program+" send --url http://127.0.0.1:8080/webhook --secret SECRET")
	}
	c, err := config.Load(f.config)
	if err != nil {
		return invalid(err, program+" validate --config "+f.config)
	}
	scheme := "http"
	if c.TLS.Enabled() {
		scheme = "https"
	}
	source := &c.All()[0].Sources[0]
	f.URL = cmp.Or(f.URL, scheme+"://"+dialable(c.Listen)+source.Path)
	f.Secret = cmp.Or(f.Secret, source.Keys()[0])
	return nil
}

// run sends, shows how far it is where a person looks, and sums up.
func (f *sendFlags) run(ctx context.Context, s streams) error {
	if isTerminal(s.err) {
		bar := progressbar.NewOptions(f.Count, progressbar.OptionSetWriter(s.err),
			progressbar.OptionSetDescription("sending"), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionEnableColorCodes(coloured(s.err)))
		f.Sent = func() { _ = bar.Add(1) }
		defer bar.Finish() //nolint:errcheck // A bar that can't be drawn does no harm.
	}
	report, err := send.Run(ctx, f.Options)
	if f.json {
		if err := writeJSON(s.out, report); err != nil {
			return err
		}
	} else if err := report.Write(s.out); err != nil {
		return failed(err, "")
	}
	switch {
	case errors.Is(err, context.Canceled):
		return failed(fmt.Errorf("interrupted after %d of %d", report.Sent, f.Count), "")
	case err != nil:
		return failed(err, program+" run --config "+f.config)
	case report.OK < report.Sent:
		return failed(fmt.Errorf("%d of %d were not answered 200", report.Sent-report.OK, report.Sent), f.help(report))
	}
	return nil
}

// help names the command that most probably explains the answers.
func (f *sendFlags) help(r send.Report) string {
	for answer := range r.Answers {
		switch {
		case strings.HasPrefix(answer, "401"):
			return program + " send --secret SECRET   # the secret is not that of the source"
		case strings.HasPrefix(answer, "404"):
			return program + " send --config " + f.config + "   # the path is that of no source; the configuration has it"
		}
	}
	if len(r.Answers) == 1 && !r.Answered() {
		return program + " run --config " + f.config
	}
	return program + " health --ready"
}
