package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/crm-connector/crm-connector/connector"
)

// The limits that hold where Options does not say otherwise.
const (
	// DefaultMaxBody takes a batch of a hundred records with all their fields.
	DefaultMaxBody = 4 << 20
	// DefaultTimeout bounds calls whose context has no deadline.
	DefaultTimeout = 30 * time.Second
	// DefaultUserAgent names the product to the vendor's support.
	DefaultUserAgent = "crm-connector"
)

// The transport's own retries: few and quick. What outlasts them is for the
// engine, which knows the quota, the order and the other customers.
const (
	repeats    = 2
	repeatWait = 50 * time.Millisecond
	redirects  = 3
)

// Options says what is particular about one vendor's API.
type Options struct {
	// Base is the URL that paths are appended to.
	Base string
	// Auth signs each request; nil sends it as it is.
	Auth Auth
	// Header is sent with each request.
	Header http.Header
	// UserAgent, MaxBody and Timeout have defaults.
	UserAgent string
	MaxBody   int64
	Timeout   time.Duration
	// Checks says that the adapter is a connector.Checker. A 403 is then Broken:
	// the engine asks Check who we are, and takes the record for refused when that
	// is answered. Without it nobody can be asked, and a 403 is Refused.
	Checks bool
	// Endings overrides what a status means at this vendor.
	Endings map[int]connector.Ending
	// Judge has the last word on an answer. It is given the verdict so far, nil
	// for a 2xx, and returns its own. It must not block.
	Judge func(r *Response, verdict *connector.Error) *connector.Error
	// Reason takes the vendor's code and words from an answer that is an error.
	// What it returns is cleaned and shortened afterwards. Nil means [Reason].
	Reason func(r *Response) (code, text string)
	// Resets names the headers beside Retry-After that say when to come back.
	Resets []Reset
	// Speakable names fields of requests whose values are our own words and may
	// be repeated in an error, beside the ones that every CRM has (status,
	// priority, queue …). All other values are taken out of vendors' texts.
	Speakable []string
}

// Client talks to one CRM. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL
	now     func() time.Time
	// once is for writes: it repeats nothing that may have reached the CRM.
	// repeating is for reads.
	once      *retryablehttp.Client
	repeating *retryablehttp.Client
	secrets   []string
}

// New makes a client over the destination's HTTP client.
func New(deps connector.Deps, o Options) (*Client, error) {
	base, err := parseBase(o.Base)
	if err != nil {
		return nil, err
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.UserAgent == "" {
		o.UserAgent = DefaultUserAgent
	}
	if o.Reason == nil {
		o.Reason = Reason
	}
	c := &Client{options: o, base: base, now: deps.Now}
	if c.now == nil {
		c.now = time.Now
	}
	if o.Auth != nil {
		c.secrets = spellings(o.Auth.Secrets())
	}
	c.once = newRetrying(deps.HTTP, repeatUnsent)
	c.repeating = newRetrying(deps.HTTP, repeatTransport)
	return c, nil
}

func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		// The parser's error repeats the URL, which may hold credentials.
		return nil, errors.New("base url: not a url")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("base url %s: want http:// or https:// and a host", u.Redacted())
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("base url %s://%s: must hold neither credentials nor a query", u.Scheme, u.Host)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func newRetrying(base *http.Client, check retryablehttp.CheckRetry) *retryablehttp.Client {
	own := &http.Client{}
	if base != nil {
		copied := *base
		own = &copied
	}
	own.CheckRedirect = followReads
	// The context bounds a call; a second clock would only blur its end.
	own.Timeout = 0
	c := retryablehttp.NewClient()
	c.HTTPClient = own
	c.Logger = nil
	c.RetryMax = repeats
	c.RetryWaitMin = repeatWait
	c.RetryWaitMax = 4 * repeatWait
	c.CheckRetry = check
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return c
}

// followReads follows redirects of reads inside one host only. A followed write
// would turn into a read, and another host would be shown our credentials.
func followReads(req *http.Request, via []*http.Request) error {
	first := via[0]
	reads := first.Method == http.MethodGet || first.Method == http.MethodHead
	if !reads || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || len(via) > redirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// repeatUnsent repeats only what surely never left us.
func repeatUnsent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	return err != nil && ctx.Err() == nil && refusedConnection(err), nil
}

// repeatTransport repeats whatever the connection spoiled. Answers are never
// repeated here, whatever their status: that is the engine's to decide.
func repeatTransport(ctx context.Context, _ *http.Response, err error) (bool, error) {
	return err != nil && ctx.Err() == nil && brokenConnection(err), nil
}

// Do sends a request and reads the whole answer. The error, if any, is a
// *connector.Error. The response is there whenever the CRM answered, also
// beside an error, so that an adapter can read more from it.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	req, err := c.build(ctx, &r)
	if err != nil {
		return nil, err
	}
	send := c.once
	if r.reads() {
		send = c.repeating
	}
	answer, err := send.Do(req)
	if err != nil {
		if answer != nil && answer.Body != nil {
			_ = answer.Body.Close()
		}
		return nil, c.transportError(ctx, &r, err)
	}
	return c.finish(ctx, &r, answer)
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.options.Timeout)
}

// Get sends a read and decodes its answer.
func (c *Client) Get(ctx context.Context, op, path string, query url.Values, into any) (*Response, error) {
	return c.Call(ctx, Request{Op: op, Method: http.MethodGet, Path: path, Query: query}, into)
}

// Call sends a request and decodes the JSON answer of a success into a value,
// if there is one.
func (c *Client) Call(ctx context.Context, r Request, into any) (*Response, error) {
	resp, err := c.Do(ctx, r)
	if err != nil || into == nil {
		return resp, err
	}
	return resp, resp.Decode(into)
}
