package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/acme/autocert"

	"github.com/crm-connector/crm-connector/connector/config"
)

// secured puts HTTPS on the webhooks' listener where the configuration asks for
// it, with certificates from files or such that it gets by itself.
func secured(l net.Listener, c *config.TLS, files *certificates) net.Listener {
	switch {
	case files != nil:
		return tls.NewListener(l, &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: files.get,
		})
	case c.Enabled():
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(c.ACME.Domains...),
			Email: c.ACME.Email, Cache: autocert.DirCache(c.ACME.Cache),
		}
		conf := m.TLSConfig()
		conf.MinVersion = tls.VersionTLS12
		conf.NextProtos = []string{"http/1.1", "acme-tls/1"}
		return tls.NewListener(l, conf)
	}
	return l
}

// lookAgain is how often the certificate's files are looked at.
const lookAgain = 10 * time.Second

// certificates keeps a certificate from files, and reads them again when they
// change. When the new ones can't be used the old ones stay.
type certificates struct {
	certFile, keyFile string
	log               logrus.FieldLogger

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time
	looked  time.Time
}

// newCertificates reads the files that the configuration names; nil when it names
// none. The error is [config.Problems].
func newCertificates(c *config.TLS, log logrus.FieldLogger) (*certificates, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	k := &certificates{certFile: c.CertFile, keyFile: c.KeyFile, log: log.WithField("component", "tls")}
	if err := k.read(); err != nil {
		return nil, config.Problems{{Position: c.At("cert_file"), Text: err.Error()}}
	}
	return k, nil
}

// get gives the certificate for a handshake.
func (k *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) > lookAgain {
		k.looked = now
		if changed, err := k.times(); err == nil && changed != k.changed {
			k.renew()
		}
	}
	return k.current, nil
}

// renew takes the new files, or says why not.
func (k *certificates) renew() {
	if err := k.read(); err != nil {
		k.log.WithError(err).Error("the new certificate can't be used; the old one stays")
		return
	}
	k.log.Info("the new certificate is in use")
}

func (k *certificates) read() error {
	changed, err := k.times()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	k.changed = changed // Even if it can't be used: it is complained about once.
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	k.current = &pair
	return nil
}

// times gives when the files were changed.
func (k *certificates) times() (t [2]time.Time, err error) {
	cert, certErr := os.Stat(k.certFile)
	key, keyErr := os.Stat(k.keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return t, err
	}
	return [2]time.Time{cert.ModTime(), key.ModTime()}, nil
}
