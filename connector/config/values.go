package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written like 3MiB.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(word, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n <= 0 || n > (1<<40)/unit.bytes {
			break
		}
		*s = Size(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("is no size; write it like 3MiB or 512KiB")
}

// MarshalText writes the size in its largest whole unit.
func (s Size) MarshalText() ([]byte, error) {
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/unit.bytes, unit.suffix), nil
		}
	}
	return []byte("0B"), nil
}

// Percent is a part of a whole, written like 80%.
type Percent float64

// UnmarshalText reads a percentage between 0 and 100.
func (p *Percent) UnmarshalText(text []byte) error {
	digits, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !ok || err != nil || !(f > 0 && f <= 100) {
		return fmt.Errorf("is no share; write it like 80%%, above 0%% and at most 100%%")
	}
	*p = Percent(f)
	return nil
}

// MarshalText writes the percentage.
func (p Percent) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(p), 'f', -1, 64) + "%"), nil
}

// Of gives the part of n.
func (p Percent) Of(n int) float64 { return float64(n) * float64(p) / 100 }

// parseDuration reads a duration as Go writes it, and whole days besides.
func parseDuration(word string) (time.Duration, error) {
	if digits, ok := strings.CutSuffix(word, "d"); ok {
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n > 36500 || n < -36500 {
			return 0, fmt.Errorf("is no duration; write it like 500ms, 60s, 10m, 24h or 30d")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(word)
	if err != nil {
		return 0, fmt.Errorf("is no duration; write it like 500ms, 60s, 10m, 24h or 30d")
	}
	return d, nil
}

// formatDuration writes a duration as a person would.
func formatDuration(d time.Duration) string {
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}} {
		if d > unit.length && d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.suffix)
		}
	}
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}
