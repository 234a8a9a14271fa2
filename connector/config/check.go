package config

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// checker holds what must be unique in the whole file.
type checker struct {
	problems *Problems
	// written is what the file has at the places of values from the environment.
	written      map[Position]string
	businesses   map[string]Position
	sources      map[string]Position
	paths        map[string]Position
	destinations map[string]Position
}

// check notes what the types can't say.
func check(c *Config, from origin, problems *Problems) {
	k := &checker{
		problems: problems, written: map[Position]string{},
		businesses: map[string]Position{}, sources: map[string]Position{},
		paths: map[string]Position{}, destinations: map[string]Position{},
	}
	for n, text := range from.written {
		k.written[from.at(n)] = text
	}
	k.listeners(c)
	k.tls(c)
	if c.Data == "" {
		problems.add(c.At("data"), "name the directory of the journal", "data is empty")
	}
	own := len(c.Sources) > 0 || len(c.Destinations) > 0
	switch {
	case own && len(c.Businesses) > 0:
		problems.add(c.At("businesses"), "move them into a business", "sources and destinations stand beside businesses")
	case !own && len(c.Businesses) > 0 && c.has("business"):
		problems.add(c.At("business"), "each of the businesses has its name", "business stands beside businesses")
	case !own && len(c.Businesses) == 0:
		k.business(&Business{located: c.located, Name: c.Business}, c.At("business"))
	}
	for i, b := range c.All() {
		at := b.At("name")
		if own && i == 0 {
			at = c.At("business")
		}
		k.business(&b, at)
	}
}

func (k *checker) listeners(c *Config) {
	k.address(c.At("listen"), "listen", c.Listen)
	k.address(c.Admin.At("listen"), "admin.listen", c.Admin.Listen)
	if c.Listen == c.Admin.Listen && !strings.HasSuffix(c.Listen, ":0") {
		k.problems.add(c.Admin.At("listen"), "give them different ports", "admin.listen and listen are the same address")
	}
}

func (k *checker) address(at Position, key, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		k.problems.add(at, "write it like :8080 or 127.0.0.1:8080", "%s %s is no address", key, k.show(at, address))
	}
}

func (k *checker) tls(c *Config) {
	t := &c.TLS
	files := t.CertFile != "" || t.KeyFile != ""
	switch {
	case files && t.has("acme") && len(t.ACME.Domains) > 0:
		k.problems.add(t.At("acme"), "keep one of them", "tls has certificate files and acme")
	case t.CertFile == "" && files && !t.has("cert_file"):
		k.problems.add(t.At("key_file"), "add cert_file", "key_file stands without cert_file")
	case t.KeyFile == "" && files && !t.has("key_file"):
		k.problems.add(t.At("cert_file"), "add key_file", "cert_file stands without key_file")
	case t.has("acme") && !t.ACME.has("domains"):
		k.problems.add(t.At("acme"), "list the host names under domains", "acme has no domains")
	}
	for i, domain := range t.ACME.Domains {
		if !domainName.MatchString(domain) || net.ParseIP(domain) != nil {
			at := t.ACME.At("domains[" + strconv.Itoa(i) + "]")
			k.problems.add(at, "write it like connector.example.com", "%s is no host name", k.show(at, domain))
		}
	}
}

var (
	domainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
	plainName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	plainPath  = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)
)

// name checks that a name is there, plain and used once.
func (k *checker) name(at Position, what, name string, used map[string]Position) {
	if !plainName.MatchString(name) {
		k.problems.add(at, "use letters, digits, dots, dashes and underscores, at most 63", "%s is no name for a %s", k.show(at, name), what)
		return
	}
	k.once(at, what+" is called", name, used)
}

// once notes a value that was used before.
func (k *checker) once(at Position, what, value string, used map[string]Position) {
	if first, ok := used[value]; ok {
		k.problems.add(at, "choose another", "another %s %s, in line %d", what, k.show(at, value), first.Line)
		return
	}
	used[value] = at
}

func (k *checker) business(b *Business, name Position) {
	k.name(name, "business", b.Name, k.businesses)
	if len(b.Sources) == 0 && !b.has("sources") {
		k.problems.add(b.self, "add sources: with the webhook's secret", "there is no source")
	}
	if len(b.Destinations) == 0 && !b.has("destinations") {
		k.problems.add(b.self, "add destinations: with an adapter", "there is no destination")
	}
	names := make([]string, len(b.Sources))
	for i := range b.Sources {
		names[i] = b.Sources[i].Name
		k.source(&b.Sources[i])
	}
	for i := range b.Destinations {
		k.destination(&b.Destinations[i], names)
	}
}

func (k *checker) source(s *Source) {
	switch {
	case !plainPath.MatchString(s.Path) || path.Clean(s.Path) != s.Path:
		k.problems.add(s.At("path"), "write it like /webhook", "%s is no path", k.show(s.At("path"), s.Path))
	default:
		k.once(s.At("path"), "source has the path", s.Path, k.paths)
		at := s.At("name")
		if !s.has("name") {
			at = s.At("path") // Which the name was taken from.
		}
		k.name(at, "source", s.Name, k.sources)
	}
	if slices.ContainsFunc(s.Keys(), func(key connector.Secret) bool { return key != "" }) {
		return
	}
	if !s.has("secret") && !s.has("secrets") {
		k.problems.add(s.self, "add secret: ${NAME} with the webhook's secret from AISoule's panel", "the source %s has no secret", k.show(s.At("name"), s.Name))
		return
	}
	if !k.told(s.At("secret")) && !k.told(s.At("secrets")) {
		k.problems.add(s.At("secret"), "copy it from the webhook in AISoule's panel", "the secret is empty")
	}
}

// show gives a value as an error may repeat it.
func (k *checker) show(at Position, value string) string {
	if text, ok := k.written[at]; ok {
		value = text
	}
	return quote(value)
}

// told reports whether something is noted at a place already.
func (k *checker) told(at Position) bool {
	return slices.ContainsFunc(*k.problems, func(p Problem) bool { return p.Position == at })
}

func (k *checker) destination(d *Destination, sources []string) {
	d.shown = k.show(d.At("adapter"), d.Adapter)
	switch {
	case d.Adapter == "" && d.has("adapter"):
	case d.Adapter == "" && d.Name == "":
		k.problems.add(d.self, "add adapter: with the kind of CRM", "a destination has no adapter")
	case d.Adapter == "":
		k.problems.add(d.self, "add adapter: with the kind of CRM", "the destination %s has no adapter", k.show(d.At("name"), d.Name))
	}
	if d.Name != "" {
		at := d.At("name")
		if !d.has("name") {
			at = d.At("adapter") // Which the name was taken from.
		}
		k.name(at, "destination", d.Name, k.destinations)
	}
	for i, name := range d.Sources {
		if !slices.Contains(sources, name) {
			at := d.At("sources[" + strconv.Itoa(i) + "]")
			k.problems.add(at, suggest(name, sources), "the business has no source %s", k.show(at, name))
		}
	}
	if d.FreshWithin < 0 || d.FreshWithin > time.Hour {
		k.problems.add(d.At("fresh_within"), "choose 0s to 1h", "fresh_within is out of range")
	}
	for i := range d.Quota.Windows {
		if w := &d.Quota.Windows[i]; w.Calls <= 0 || w.Per <= 0 {
			k.problems.add(w.self, "write {calls: 100, per: 10s}", "a window needs calls and per above 0")
		}
	}
}
