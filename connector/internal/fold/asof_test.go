package fold_test

import (
	"maps"
	"testing"
)

// TestSaidAgain: a value that a later event says again is as new as that event, so
// that an earlier one which is retried behind it does not overwrite it.
func TestSaidAgain(t *testing.T) {
	t.Parallel()
	written := memory(set(1, standard("name", "A")))
	again := contactOf([]said{set(3, standard("name", "A"))}).ForUpdate(written)
	maps.Copy(written, again.Written)
	if u := contactOf([]said{set(2, standard("name", "B"))}).ForUpdate(written); !u.Empty() {
		t.Errorf("event 2, retried behind event 3, writes %v over what the later one wants", u.Set)
	}
}
