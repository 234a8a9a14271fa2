package config

import (
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Config is one configuration file. The comments of its fields are the text of
// docs/configuration.md.
type Config struct {
	located
	// Listen is the address on which AISoule's webhooks come in.
	Listen string `yaml:"listen"`
	// BodyLimit is the largest webhook that is taken.
	BodyLimit Size `yaml:"body_limit"`
	// TLS is how the connector speaks HTTPS itself. Leave it out behind a proxy that does.
	TLS TLS `yaml:"tls"`
	// Admin is the listener of the pages, the health checks and the metrics.
	Admin Admin `yaml:"admin"`
	// Data is the directory of the journal. A relative path starts at the configuration file.
	Data string `yaml:"data"`
	// Log is what the connector tells on stderr.
	Log Log `yaml:"log"`
	// Business is the name of the business whose sources and destinations follow. It is part of customers' keys, so choose it once.
	Business string `yaml:"business"`
	// Sources are the webhook endpoints of the business.
	Sources []Source `yaml:"sources"`
	// Destinations are the CRM accounts that the business's events go to.
	Destinations []Destination `yaml:"destinations"`
	// Businesses are several in one file. They take the place of business, sources and destinations above.
	Businesses []Business `yaml:"businesses"`
}

// All gives the businesses, whether the file names one or several. The sources
// and destinations are the configuration's own.
func (c *Config) All() []Business {
	if len(c.Sources) == 0 && len(c.Destinations) == 0 {
		return c.Businesses
	}
	own := Business{located: c.located, Name: c.Business, Sources: c.Sources, Destinations: c.Destinations}
	return append([]Business{own}, c.Businesses...)
}

// Business is a tenant. Identities never cross businesses.
type Business struct {
	located
	// Name is the business's name, unique in the file.
	Name string `yaml:"name"`
	// Sources are the webhook endpoints of the business.
	Sources []Source `yaml:"sources"`
	// Destinations are the CRM accounts that the business's events go to.
	Destinations []Destination `yaml:"destinations"`
}

// TLS says how the connector speaks HTTPS: with files, or with certificates
// that it gets by itself.
type TLS struct {
	located
	// CertFile is the certificate chain in PEM. It is read again when it changes.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the certificate's private key in PEM.
	KeyFile string `yaml:"key_file"`
	// ACME is for certificates that the connector gets by itself from Let's Encrypt.
	ACME ACME `yaml:"acme"`
}

// Enabled reports whether the webhooks' listener speaks HTTPS.
func (t *TLS) Enabled() bool { return t.CertFile != "" || len(t.ACME.Domains) > 0 }

// ACME gets certificates by itself. The listener must be reachable on port 443.
type ACME struct {
	located
	// Domains are the host names that certificates are asked for.
	Domains []string `yaml:"domains"`
	// Email is where the certificate authority writes to when something is wrong.
	Email string `yaml:"email"`
	// Cache is the directory that keeps keys and certificates. Empty means acme in the data directory.
	Cache string `yaml:"cache"`
}

// Admin is the listener for people and monitors. It has no password: keep it on
// loopback or in a private network.
type Admin struct {
	located
	// Listen is the address of the pages, /healthz, /readyz and /metrics.
	Listen string `yaml:"listen"`
	// Hosts are the names with a dot that the pages are asked for by. Addresses and names without a dot always work; other names are refused, since any page could point its own here.
	Hosts []string `yaml:"hosts"`
}

// Log says what is logged and how.
type Log struct {
	located
	// Level is the least severity that is logged.
	Level string `yaml:"level" enum:"debug,info,warning,error"`
	// Format is text for people or json for machines.
	Format string `yaml:"format" enum:"text,json"`
}

// Source is a webhook endpoint.
type Source struct {
	located
	// Name is the source's name, unique in the file. Left out, it is the path without its slashes.
	Name string `yaml:"name"`
	// Path is where AISoule posts to.
	Path string `yaml:"path"`
	// Secret is the webhook's secret from AISoule's panel. Write it as ${NAME} to take it from the environment, or use secret_file.
	Secret connector.Secret `yaml:"secret"`
	// Secrets are further secrets that are valid at the same time, for changing one without a gap.
	Secrets []connector.Secret `yaml:"secrets"`
	// Account is the WhatsApp number or account id of events that name none.
	Account string `yaml:"account"`
	// Placeholder accepts the signature that AISoule's documentation prints. No
	// file can set it: it is for the demo, on loopback.
	Placeholder bool `yaml:"-"`
}

// Keys gives all secrets that are valid.
func (s *Source) Keys() []connector.Secret {
	if s.Secret == "" {
		return s.Secrets
	}
	return append([]connector.Secret{s.Secret}, s.Secrets...)
}

// Destination is a CRM account that events go to.
type Destination struct {
	located
	// Name is the destination's name, unique in the file; the journal knows it by this name. Left out, it is the adapter's.
	Name string `yaml:"name"`
	// Adapter is the kind of CRM.
	Adapter string `yaml:"adapter"`
	// shown is the adapter as an error may repeat it.
	shown string
	// Settings are the adapter's own: its README lists them.
	Settings Settings `yaml:"settings"`
	// Mapping is the file of rules, relative to the configuration file, or builtin: and the name of one that ships inside.
	Mapping string `yaml:"mapping"`
	// Sources are the names of the sources that the destination takes from. Left out, it takes from all of its business.
	Sources []string `yaml:"sources"`
	// FreshWithin is how long receipts and the like may wait, so that many travel in one call.
	FreshWithin time.Duration `yaml:"fresh_within"`
	// Timezone is the zone in which the mapping writes dates.
	Timezone *time.Location `yaml:"timezone"`
	// Quota is the bound of the calls to the CRM.
	Quota Quota `yaml:"quota"`
}

// Quota bounds a destination's calls below what the CRM allows.
type Quota struct {
	located
	// Share is the part of the CRM's limits that the connector may use. Leave the rest to people and other programs.
	Share Percent `yaml:"share"`
	// Windows are limits that take the place of those that the adapter knows of, for a plan that allows more or less.
	Windows []Window `yaml:"windows"`
}

// Limits gives the windows that hold: the file's or else the adapter's, both cut
// to the share. A share never cuts a window to nothing.
func (q *Quota) Limits(adapters []connector.Window) []connector.Window {
	limits := make([]connector.Window, 0, len(q.Windows)+len(adapters))
	for _, w := range q.Windows {
		limits = append(limits, connector.Window{Calls: w.Calls, Per: w.Per})
	}
	if len(limits) == 0 {
		limits = append(limits, adapters...)
	}
	if q.Share == 0 {
		return limits
	}
	for i := range limits {
		limits[i].Calls = max(1, int(q.Share.Of(limits[i].Calls)))
	}
	return limits
}

// Window is a limit of calls in any stretch of time.
type Window struct {
	located
	// Calls is how many calls may be made in any stretch of the length per.
	Calls int `yaml:"calls"`
	// Per is the length of the stretch.
	Per time.Duration `yaml:"per"`
}

// Default gives a configuration with every default and without any source or
// destination.
func Default() *Config {
	return &Config{
		Listen:    ":8080",
		BodyLimit: 3 << 20,
		Admin:     Admin{Listen: "127.0.0.1:8090"},
		Data:      "data",
		Log:       Log{Level: "info", Format: "text"},
		Business:  "main",
	}
}

func (s *Source) setDefaults() {
	s.Path = "/webhook"
}

func (d *Destination) setDefaults() {
	d.Mapping = "builtin:support-desk"
	d.FreshWithin = time.Minute
	d.Timezone = time.UTC
	d.Quota.Share = 100
}
