package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/crm-connector/crm-connector/connector"
)

// verdict says what an answer means, before the vendor's Judge.
func (c *Client) verdict(r *Response) *connector.Error {
	if r.Status >= 200 && r.Status < 300 && !c.overridden(r) {
		return nil
	}
	e := &connector.Error{Ending: c.ending(r), Op: r.Request.Op}
	e.Code, e.Text = c.options.Reason(r)
	if e.Code == "" {
		e.Code = strconv.Itoa(r.Status)
	}
	if e.Text == "" {
		e.Text = http.StatusText(r.Status)
	}
	if e.Ending == connector.Retry || e.Ending == connector.Broken {
		e.Wait = waitFor(r.Header, c.options.Resets, c.now())
	}
	return e
}

func (c *Client) overridden(r *Response) bool {
	_, own := r.Request.Endings[r.Status]
	_, vendor := c.options.Endings[r.Status]
	return own || vendor
}

func (c *Client) ending(r *Response) connector.Ending {
	if e, ok := r.Request.Endings[r.Status]; ok {
		return e
	}
	if e, ok := c.options.Endings[r.Status]; ok {
		return e
	}
	return byStatus(r.Status, r.Request, c.options.Checks)
}

// byStatus is what a status means where nobody knows better. 409 is a refusal:
// most vendors mean that the record exists, and those that mean a lock say so
// in their own table.
func byStatus(status int, r *Request, checks bool) connector.Ending {
	switch status {
	case http.StatusForbidden:
		if checks {
			return connector.Broken
		}
		return connector.Refused
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusProxyAuthRequired:
		return connector.Broken
	case http.StatusNotFound, http.StatusGone:
		if r.Linked {
			return connector.Stale
		}
		return connector.Refused
	case http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return connector.Retry
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return connector.Refused
	case http.StatusRequestTimeout:
		return r.unknown()
	}
	switch {
	case status >= 500:
		return r.unknown()
	case status >= 400:
		return connector.Refused
	case status >= 300:
		// The base URL is wrong, or the session is over and this is the login.
		return connector.Broken
	}
	return r.unknown()
}

// transportError says what it means that no whole answer came.
func (c *Client) transportError(ctx context.Context, r *Request, err error) *connector.Error {
	e := &connector.Error{Ending: r.unknown(), Op: r.Op, Code: "transport"}
	cause := withoutURL(err)
	switch {
	case untrusted(cause):
		e.Ending, e.Code = connector.Broken, "certificate"
	case refusedConnection(cause) || notSent(cause):
		e.Ending, e.Code = connector.Retry, "not sent"
	case errors.Is(cause, errTooLong):
		e.Code = "too long"
	case ctx.Err() != nil:
		e.Code, cause = "time-out", context.Cause(ctx)
		if errors.Is(cause, context.Canceled) {
			e.Code = "cancelled"
		}
	}
	e.Cause = cause
	return e
}

// withoutURL takes off the wrapping that repeats the request's whole URL.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// notSent asks the transport below, which sees what reached the connection. It
// is asked by method, since the engine's packages are closed to adapters.
func notSent(err error) bool {
	var n interface{ NotSent() bool }
	return errors.As(err, &n) && n.NotSent()
}

// refusedConnection reports that no connection came about, so that nothing can
// have been sent.
func refusedConnection(err error) bool {
	if o, ok := errors.AsType[*net.OpError](err); ok && (o.Op == "dial" || o.Op == "proxyconnect") {
		return true
	}
	_, dns := errors.AsType[*net.DNSError](err)
	return dns || errors.Is(err, syscall.ECONNREFUSED)
}

// brokenConnection reports that a connection failed or never came about, as
// against a request that nobody can send or a server that nobody should trust.
func brokenConnection(err error) bool {
	if untrusted(err) || notSent(err) && !refusedConnection(err) {
		return false
	}
	_, network := errors.AsType[net.Error](withoutURL(err))
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func untrusted(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	return verify || authority || host
}
