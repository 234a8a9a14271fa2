package quota

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewBase makes the connections to one CRM: as many kept as calls can be in
// flight, since the standard library's two (go-retryablehttp's GOMAXPROCS+1)
// mean a new connection for every seventeenth call at 64 in flight. It speaks
// HTTP/1.1 only, where a connection carries one call and its write deadline is
// that call's own.
func NewBase(concurrency int) *http.Transport {
	if concurrency < 1 {
		concurrency = 1
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		Protocols:              protocols,
		MaxIdleConns:           concurrency,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
