package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest names an element by its content: two elements that differ in nothing
// but the space between their tokens have the same.
func Digest(raw []byte) [16]byte {
	compact := bytes.NewBuffer(make([]byte, 0, len(raw)))
	if err := json.Compact(compact, raw); err == nil {
		raw = compact.Bytes()
	}
	sum := sha256.Sum256(raw)
	return [16]byte(sum[:16])
}

// digestID is a digest in the form of a message id.
func digestID(raw []byte) string {
	d := Digest(raw)
	return "sha256:" + hex.EncodeToString(d[:])
}
