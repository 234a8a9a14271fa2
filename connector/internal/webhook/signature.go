package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// The headers that carry a webhook's signature.
const (
	// HeaderDeveloper is that of the developer documentation, with the prefix
	// "sha256=".
	HeaderDeveloper = "X-AISoule-Signature"
	// HeaderApp is that of the help centre, without a prefix.
	HeaderApp = "X-Webhook-Signature"
)

// placeholder is the signature of the documentation's playground request.
const placeholder = "MOCK_SIGNATURE"

// prefix names the hash in front of a signature.
const prefix = "sha256="

// maxSignatures bounds how many values of the headers are looked at.
const maxSignatures = 4

// Verifier checks signatures: the HMAC-SHA256 of the raw body in hexadecimal,
// keyed with one of the live secrets, of which there are several while one is
// being replaced. It is immutable and safe for concurrent use.
type Verifier struct{ secrets [][]byte }

// NewVerifier takes the live secrets. Empty ones are left out: without a secret
// nothing is authentic.
func NewVerifier(secrets ...[]byte) *Verifier {
	v := &Verifier{}
	for _, s := range secrets {
		if len(s) > 0 {
			v.secrets = append(v.secrets, append([]byte(nil), s...))
		}
	}
	return v
}

// Verify reports whether the body is signed with one of the secrets. Both
// headers are looked at, with and without the prefix. How long it takes tells
// nothing of the secrets, nor which of them matched.
func (v *Verifier) Verify(header http.Header, body []byte) bool {
	given := signatures(header)
	if len(given) == 0 {
		return false
	}
	authentic := false
	for _, secret := range v.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		want := mac.Sum(nil)
		for _, sum := range given {
			if hmac.Equal(want, sum[:]) {
				authentic = true
			}
		}
	}
	return authentic
}

// signatures gives the well-formed signatures of a request.
func signatures(header http.Header) [][sha256.Size]byte {
	var given [][sha256.Size]byte
	for _, value := range values(header) {
		var sum [sha256.Size]byte
		value = withoutPrefix(value)
		if len(value) != hex.EncodedLen(len(sum)) {
			continue
		}
		if _, err := hex.Decode(sum[:], []byte(value)); err == nil {
			given = append(given, sum)
		}
	}
	return given
}

// values gives the values of both headers, the first few.
func values(header http.Header) []string {
	first, second := header[canonicalDeveloper], header[HeaderApp]
	if len(second) == 0 {
		return first[:min(len(first), maxSignatures)]
	}
	all := append(append(make([]string, 0, len(first)+len(second)), first...), second...)
	return all[:min(len(all), maxSignatures)]
}

// canonicalDeveloper is the name as net/http stores it.
const canonicalDeveloper = "X-Aisoule-Signature"

func withoutPrefix(value string) string {
	value = strings.TrimSpace(value)
	if len(value) >= len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
		value = value[len(prefix):]
	}
	return strings.TrimSpace(value)
}

// Signed reports whether the request carries a signature at all.
func Signed(header http.Header) bool { return len(values(header)) > 0 }

// WellSigned reports whether the request carries anything of a signature's form,
// so that a body without one need not be read.
func WellSigned(header http.Header) bool { return len(signatures(header)) > 0 }

// IsPlaceholder reports whether the request carries the literal signature of the
// documentation's playground request, which proves nothing.
func IsPlaceholder(header http.Header) bool {
	for _, value := range values(header) {
		if withoutPrefix(value) == placeholder {
			return true
		}
	}
	return false
}

// Hint says, for the operator's log, what is the matter with a request that is
// not authentic. It holds nothing of the request.
func Hint(header http.Header) string {
	switch {
	case !Signed(header):
		return "no " + HeaderDeveloper + " or " + HeaderApp + " header; is this AISoule?"
	case IsPlaceholder(header):
		return "the documentation's placeholder signature, which only the demo takes"
	case len(signatures(header)) == 0:
		return "the signature is not 64 hexadecimal digits"
	}
	return "no secret of this source gives this signature: another secret, or the body was changed on the way"
}
