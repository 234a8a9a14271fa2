package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/connector/config"
)

// TestChangeDuringAReload writes the file again while it is being read: that must
// not be taken for what was read.
func TestChangeDuringAReload(t *testing.T) {
	t.Parallel()
	log, _ := logtest.NewNullLogger()
	path := filepath.Join(t.TempDir(), defaultConfig)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	write("first")
	w := watch{path: path, config: config.Default(), log: log}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var read []string
	w.started = func() { write("second") }
	w.run(ctx, func() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		read = append(read, string(b))
		switch len(read) {
		case 1:
			write("third")
		case 2:
			stop()
		}
	})
	if len(read) != 2 || read[1] != "third" {
		t.Errorf("it read %q, want the second and then the third", read)
	}
}
