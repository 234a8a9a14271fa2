package main

import (
	"context"
	"crypto/sha256"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector/config"
)

// settleTime is how long files must be left alone before they are read: editors
// and container platforms write in several steps.
const settleTime = 300 * time.Millisecond

// watch says when the configuration should be read again: on SIGHUP, and when its
// content or that of a mapping has changed.
type watch struct {
	path   string
	config *config.Config
	log    logrus.FieldLogger
	// started, if not nil, is called when changes are seen from then on.
	started func()
}

// files are the configuration's and the mappings'.
func (w *watch) files() []string {
	files := []string{w.path}
	for _, b := range w.config.All() {
		for i := range b.Destinations {
			if m := b.Destinations[i].Mapping; !strings.HasPrefix(m, config.BuiltinMapping) {
				files = append(files, m)
			}
		}
	}
	return files
}

// content stands for what the files hold now, by their names.
func (w *watch) content() map[string][sha256.Size]byte {
	content := map[string][sha256.Size]byte{}
	for _, file := range w.files() {
		b, err := os.ReadFile(file)
		if err != nil {
			b = []byte(err.Error())
		}
		content[file] = sha256.Sum256(b)
	}
	return content
}

// reread calls again, and gives the content that is known from then on. It is that
// of before: what is written meanwhile may not have been read, and must count as a
// change. Files that the new configuration names for the first time are as found.
func (w *watch) reread(again func()) map[string][sha256.Size]byte {
	before := w.content()
	again()
	known := w.content()
	for file := range known {
		if sum, ok := before[file]; ok {
			known[file] = sum
		}
	}
	return known
}

// run calls again until the context ends. Directories are watched and not files,
// since files are replaced. Where that is not possible SIGHUP still works.
func (w *watch) run(ctx context.Context, again func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.WithError(err).Warn("files can't be watched; send SIGHUP after a change")
		notices = &fsnotify.Watcher{}
	} else {
		defer notices.Close() //nolint:errcheck // Nothing is left to watch for.
	}
	known := w.content()
	var settled <-chan time.Time
	w.follow(notices)
	if w.started != nil {
		w.started()
	}
	for ctx.Err() == nil {
		w.follow(notices)
		select {
		case <-ctx.Done():
		case <-asked:
			known = w.reread(again)
			settled = later(settled)
		case <-notices.Events:
			settled = later(settled)
		case err := <-notices.Errors:
			w.log.WithError(err).Debug("watching files")
			settled = later(settled)
		case <-settled:
			settled = nil
			if !maps.Equal(w.content(), known) {
				known = w.reread(again)
				settled = later(settled)
			}
		}
	}
}

// later begins to wait for the end of a change, unless that is waited for already:
// a busy neighbour in the directory must not put it off for ever.
func later(waiting <-chan time.Time) <-chan time.Time {
	if waiting != nil {
		return waiting
	}
	return time.After(settleTime)
}

// follow watches the directories of the files that are read now.
func (w *watch) follow(notices *fsnotify.Watcher) {
	if notices.Events == nil {
		return
	}
	watched := map[string]bool{}
	for _, dir := range notices.WatchList() {
		watched[dir] = true
	}
	for _, file := range w.files() {
		dir := filepath.Dir(file)
		if watched[dir] {
			continue
		}
		watched[dir] = true
		if err := notices.Add(dir); err != nil {
			w.log.WithError(err).WithField("directory", dir).Warn("a directory can't be watched; send SIGHUP after a change")
		}
	}
}
