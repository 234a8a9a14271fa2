package console_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestRemovedDestinationStaysInSight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if w := b.ask(http.MethodGet, "/api/status", ""); strings.Contains(w.Body.String(), "removed_destinations") {
		t.Errorf("with all destinations configured the status has %s", w.Body)
	}
	b.journal.removed = []string{"old desk"}
	w := b.ask(http.MethodGet, "/api/status", "")
	for _, want := range []string{`"removed_destinations"`, `"name": "old desk"`, `"backlog": 4`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the status has no %s: %s", want, w.Body)
		}
	}
	w = b.ask(http.MethodGet, "/metrics", "")
	if want := `backlog_events{destination="old desk"} 4`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("the metrics have no %s", want)
	}
}
