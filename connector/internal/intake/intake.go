// Package intake is the webhooks' way in: it checks that a request is AISoule's,
// reads it, has the journal keep it, and only then answers 200.
//
// It never waits for a CRM and knows none. What is authentic and can't be used
// is quarantined and answered 200 all the same, since AISoule switches a webhook
// off that answers errors for long. What is not authentic is refused without a
// word that would help to forge it; the operator's log says more.
//
// Start with [New] and [Intake.ServeHTTP].
package intake

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// Defaults of Options.
const (
	// DefaultPath is a source's path.
	DefaultPath = "/webhook"
	// DefaultBodyLimit is WhatsApp's own limit for a batch of updates.
	DefaultBodyLimit = 3 << 20
	// DefaultBodyTimeout is how long a client may take to send a body.
	DefaultBodyTimeout = 20 * time.Second
	// DefaultRetryAfter is what a client is told while the journal can't write;
	// AISoule tries again after 10 seconds anyway.
	DefaultRetryAfter = 10 * time.Second
)

// Source is one endpoint for webhooks.
type Source struct {
	Name     string
	Business string
	// Path is DefaultPath when empty. No two sources share one.
	Path string
	// Secrets are the live ones; several while one is being replaced.
	Secrets [][]byte
	// Account is the business's account that events without one belong to.
	Account string
	// Placeholder accepts the documentation's literal signature, from this
	// machine alone. Only the demo sets it.
	Placeholder bool
}

// RouteFunc says which destinations take an event of a source, each with the
// event's lane there.
type RouteFunc func(source string, e *connector.Event) []journal.Route

// Hooks are told what happens, for metrics. All of them can be nil. They are
// called concurrently and must not wait.
type Hooks struct {
	// Answered is called once for each request, with an empty source where the
	// path belongs to none.
	Answered func(source string, status int, took time.Duration)
	// Taken is called for each element. The type is empty for what can't be
	// read, and the documentation's or "other" else, so that it can be a label.
	Taken func(source string, kind connector.EventType, fate journal.Fate)
}

// Pong is the fate of a ping, which the journal does not keep.
const Pong journal.Fate = "pong"

// Options are what an Intake is made of.
type Options struct {
	Journal journal.Intake
	Sources []Source
	Route   RouteFunc
	Log     logrus.FieldLogger
	// Now is the clock, time.Now when nil.
	Now   func() time.Time
	Hooks Hooks
	// The limits have defaults.
	BodyLimit   int64
	BodyTimeout time.Duration
	RetryAfter  time.Duration
}

// Intake is the handler of all sources.
type Intake struct {
	journal journal.Intake
	log     *quietLog
	nowFunc func() time.Time
	hooks   Hooks
	table   atomic.Pointer[table]
	// unverified is the room for long bodies that were not checked yet.
	unverified *room

	bodyLimit   int64
	bodyTimeout time.Duration
	retryAfter  time.Duration
}

var _ http.Handler = (*Intake)(nil)

// table is what a reload replaces as a whole.
type table struct {
	sources map[string]*source
	route   RouteFunc
}

// source is a Source, ready to be used.
type source struct {
	Source
	verifier *webhook.Verifier
}

// New makes an Intake. The error names what is wrong with a source.
func New(o Options) (*Intake, error) {
	if o.Journal == nil || o.Log == nil {
		return nil, errors.New("make the intake: a journal and a log are needed")
	}
	in := &Intake{
		journal: o.Journal, nowFunc: o.Now, hooks: o.Hooks, unverified: newRoom(unverifiedRoom),
		bodyLimit: o.BodyLimit, bodyTimeout: o.BodyTimeout, retryAfter: o.RetryAfter,
	}
	if in.nowFunc == nil {
		in.nowFunc = time.Now
	}
	if in.bodyLimit <= 0 {
		in.bodyLimit = DefaultBodyLimit
	}
	if in.bodyTimeout <= 0 {
		in.bodyTimeout = DefaultBodyTimeout
	}
	if in.retryAfter <= 0 {
		in.retryAfter = DefaultRetryAfter
	}
	in.log = newQuietLog(o.Log.WithField("component", "intake"), in.nowFunc)
	if in.bodyLimit >= unverifiedRoom {
		in.unverified = newRoom(in.bodyLimit + 1) // At least one must fit.
	}
	if err := in.Update(o.Sources, o.Route); err != nil {
		return nil, err
	}
	return in, nil
}

// Update replaces the sources and their routes while requests are served. A
// request sees the old ones or the new ones. After an error the old ones stay.
func (in *Intake) Update(sources []Source, route RouteFunc) error {
	if route == nil {
		return errors.New("update the sources: no routes")
	}
	t := &table{sources: make(map[string]*source, len(sources)), route: route}
	for _, s := range sources {
		if s.Path == "" {
			s.Path = DefaultPath
		}
		if other := t.sources[s.Path]; other != nil {
			return fmt.Errorf("update the sources: %s and %s both have the path %s", other.Name, s.Name, s.Path)
		}
		ready, err := prepare(s)
		if err != nil {
			return fmt.Errorf("update the sources: %s: %w", s.Name, err)
		}
		t.sources[s.Path] = ready
	}
	in.table.Store(t)
	return nil
}

func prepare(s Source) (*source, error) {
	if !strings.HasPrefix(s.Path, "/") {
		return nil, fmt.Errorf("the path %q does not begin with a slash", s.Path)
	}
	if !hasSecret(s.Secrets) && !s.Placeholder {
		return nil, errors.New("no secret, so nothing could be authentic")
	}
	s.Account = webhook.Account(s.Account)
	return &source{Source: s, verifier: webhook.NewVerifier(s.Secrets...)}, nil
}

func hasSecret(secrets [][]byte) bool {
	for _, s := range secrets {
		if len(s) > 0 {
			return true
		}
	}
	return false
}
