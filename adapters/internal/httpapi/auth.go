package httpapi

import (
	"context"
	"net/http"

	"github.com/crm-connector/crm-connector/connector"
)

// Auth puts credentials on a request. Schemes that fetch a token first, such as
// OAuth, implement it too; a *connector.Error from Authorize decides how the
// call ends, any other error is a Retry.
type Auth interface {
	Authorize(ctx context.Context, req *http.Request) error
	// Secrets are the values that must never show in an error.
	Secrets() []connector.Secret
}

// Bearer sends "Authorization: Bearer …".
func Bearer(token connector.Secret) Auth { return Header("Authorization", "Bearer ", token) }

// Header sends a secret in a header of its own, behind a prefix.
func Header(name, prefix string, secret connector.Secret) Auth {
	return headerAuth{name: name, prefix: prefix, secret: secret}
}

// Basic sends a user's name and password.
func Basic(user string, password connector.Secret) Auth {
	return basicAuth{user: user, password: password}
}

type headerAuth struct {
	name, prefix string
	secret       connector.Secret
}

func (a headerAuth) Authorize(_ context.Context, req *http.Request) error {
	req.Header.Set(a.name, a.prefix+a.secret.Reveal())
	return nil
}

func (a headerAuth) Secrets() []connector.Secret { return []connector.Secret{a.secret} }

type basicAuth struct {
	user     string
	password connector.Secret
}

func (a basicAuth) Authorize(_ context.Context, req *http.Request) error {
	req.SetBasicAuth(a.user, a.password.Reveal())
	return nil
}

// Secrets holds the user too: at some CRMs the API key is sent in its place.
func (a basicAuth) Secrets() []connector.Secret {
	return []connector.Secret{a.password, connector.Secret(a.user + ":" + a.password.Reveal())}
}
