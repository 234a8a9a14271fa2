package torture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Quota is a limit of calls; no calls means no limit. As a flag it is written
// like 100/10s, with /fixed behind it for windows that follow the clock.
type Quota struct {
	Calls int           `json:"calls"`
	Per   time.Duration `json:"per"`
	Kind  string        `json:"kind"`
}

var _ pflag.Value = (*Quota)(nil)

// String writes the quota as the flag reads it.
func (q *Quota) String() string {
	if q.Calls == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%s/%s", q.Calls, q.Per, q.Kind)
}

// Type names what the flag takes.
func (q *Quota) Type() string { return "calls/window/kind" }

// Set reads the flag.
func (q *Quota) Set(text string) error {
	parts := append(strings.Split(text, "/"), "sliding")
	if len(parts) < 3 || len(parts) > 4 {
		return fmt.Errorf("%q: want calls, window and kind, like 100/10s/fixed", text)
	}
	calls, err := strconv.Atoi(parts[0])
	if err != nil || calls < 1 {
		return fmt.Errorf("%q: want a number of calls first", text)
	}
	per, err := time.ParseDuration(parts[1])
	if err != nil || per <= 0 {
		return fmt.Errorf("%q: want a window like 10s after the calls", text)
	}
	if !slices.Contains([]string{"fixed", "sliding"}, parts[2]) {
		return fmt.Errorf("%q: a window is fixed or sliding", text)
	}
	*q = Quota{calls, per, parts[2]}
	return nil
}
