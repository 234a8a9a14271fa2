package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

const host = "connector.example.com"

// selfSigned makes a certificate for the host and its key, in PEM.
func selfSigned(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

// secure posts a webhook over HTTPS to a name, trusting a certificate alone, and
// gives the status.
func (b *bundle) secure(name string, trusted []byte) (int, error) {
	b.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}, DisableKeepAlives: true}
	body := message(1, 0, sample.Developer)
	url := strings.Replace(b.hooks, "http://", "https://", 1) + "/webhook"
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set(sample.Sign(secret, body, sample.Developer))
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return answer.StatusCode, nil
}

func TestHTTPSByFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cert, key := selfSigned(t, 1)
	b.write("cert.pem", string(cert))
	b.write("key.pem", string(key))
	b.write("connector.yaml", "tls: {cert_file: cert.pem, key_file: key.pem}\n"+fmt.Sprintf(settings, b.crm.URL))
	b.start()
	if status, err := b.secure(host, cert); status != http.StatusOK {
		t.Errorf("a webhook over HTTPS was answered %d, %v", status, err)
	}
	_, err := b.secure("other.example.com", cert)
	if _, wrong := errors.AsType[x509.HostnameError](err); !wrong {
		t.Errorf("another name gives %v, want that the certificate is not for it", err)
	}
	if a, err := http.Get(b.hooks + "/webhook"); err == nil {
		defer a.Body.Close()
		if a.StatusCode == http.StatusOK {
			t.Error("plain HTTP was taken")
		}
	}
}

// TestHTTPSByACME has the certificate in the cache already, as it is after the
// first handshake: it must be served, and none be asked for under another name.
func TestHTTPSByACME(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cert, key := selfSigned(t, 1)
	if err := os.MkdirAll(filepath.Join(b.dir, "data", "acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.write("data/acme/"+host, string(key)+string(cert))
	b.write("connector.yaml", "tls: {acme: {domains: ["+host+"]}}\n"+fmt.Sprintf(settings, b.crm.URL))
	b.start()
	if status, err := b.secure(host, cert); status != http.StatusOK {
		t.Errorf("a webhook over HTTPS was answered %d, %v", status, err)
	}
	if status, err := b.secure("other.example.com", cert); err == nil {
		t.Errorf("a name that the configuration doesn't have was served with %d", status)
	}
}

func TestCertificateThatCantBeUsed(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t, 1)
	_, other := selfSigned(t, 2)
	cases := map[string]struct{ cert, key, want, reason string }{
		"missing": {"", "", "no such file", "there is no file"},
		"garbage": {"x", "y", "PEM", "the files hold something else"},
		"foreign": {string(cert), string(other), "does not match", "the key belongs to another certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if c.cert != "" {
				b.write("cert.pem", c.cert)
				b.write("key.pem", c.key)
			}
			b.write("connector.yaml", "tls: {cert_file: cert.pem, key_file: key.pem}\n"+fmt.Sprintf(settings, b.crm.URL))
			loaded, err := b.load()
			if err != nil {
				t.Fatal(err)
			}
			_, err = app.New(app.Options{Config: loaded, Adapters: adapters.All(), Log: quiet()})
			problems, ok := errors.AsType[config.Problems](err)
			if !ok || problems[0].Line != 1 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the error is %v, want %q at line 1", c.reason, err, c.want)
			}
		})
	}
}
