package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
)

// TestCertificateThatCantBeRead keeps the old certificate while the new files
// can't be used, and says so once.
func TestCertificateThatCantBeRead(t *testing.T) {
	t.Parallel()
	log, said := logtest.NewNullLogger()
	dir := t.TempDir()
	k := &certificates{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), log: log}
	for _, file := range []string{k.certFile, k.keyFile} {
		if err := os.WriteFile(file, []byte("half of a certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := k.current
	for range 3 {
		k.looked = time.Time{}
		if got, err := k.get(nil); got != old || err != nil {
			t.Errorf("the handshake got %v, %v, want the old certificate", got, err)
		}
	}
	if n := len(said.AllEntries()); n != 1 {
		t.Errorf("it was said %d times that the files can't be used, want once", n)
	}
}
