package webhook

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// fields are the members of a decoded object. All methods work on nil.
type fields map[string]any

// text gives the first of the named members that has a text.
func (f fields) text(names ...string) string {
	for _, name := range names {
		if s := text(f[name]); s != "" {
			return s
		}
	}
	return ""
}

// object gives a member that is an object, or an array with one in front.
func (f fields) object(name string) fields { return object(f[name]) }

func object(v any) fields {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		if len(v) > 0 {
			first, _ := v[0].(map[string]any)
			return first
		}
	}
	return nil
}

// text gives a scalar as text without space around it: ids and numbers come as
// strings or as numbers. What is no scalar has none.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// words gives a text as somebody wrote it, with its space.
func words(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return text(v)
}

// isToken reports whether s is printable ASCII without space, as ids are.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// The largest numbers that are read as seconds, milliseconds and microseconds
// since 1970; what is larger is nanoseconds. The seconds reach the year 5138.
const (
	maxSeconds = 1e11
	maxMillis  = 1e14
	maxMicros  = 1e17
)

// layouts are the forms of a time in a string. Those without a zone are UTC.
var layouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05-0700", time.RFC1123Z, time.RFC1123,
}

// instant reads a time: Unix seconds or finer as a number or in a string, or
// RFC 3339. It is zero for what is no time.
func instant(v any) time.Time {
	switch v := v.(type) {
	case int64:
		return unix(float64(v), v)
	case float64:
		return unix(v, int64(clamp(v)))
	case string:
		return instantText(strings.TrimSpace(v))
	}
	return time.Time{}
}

func instantText(s string) time.Time {
	if s == "" || len(s) > 64 {
		return time.Time{}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return unix(float64(n), n)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return unix(f, int64(clamp(f)))
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() > 0 && t.Unix() < maxSeconds {
			return t.UTC()
		}
	}
	return time.Time{}
}

// unix reads a number by its size; exact is its whole part.
func unix(n float64, exact int64) time.Time {
	switch {
	case !(n > 0):
		return time.Time{}
	case n < maxSeconds:
		fraction := math.Round((n - math.Trunc(n)) * 1e6) // Finer digits are float noise.
		return time.Unix(exact, int64(fraction)*1e3).UTC()
	case n < maxMillis:
		return time.UnixMilli(exact).UTC()
	case n < maxMicros:
		return time.UnixMicro(exact).UTC()
	}
	return time.Unix(0, exact).UTC()
}

// clamp keeps a float in the range of an int64.
func clamp(f float64) float64 {
	const limit = 1 << 62
	if math.IsNaN(f) {
		return 0
	}
	return min(max(f, -limit), limit)
}

// time is the event's own time: the envelope's, else the message's.
func (r *reader) time() time.Time {
	if t := instant(r.envelope["timestamp"]); !t.IsZero() {
		return t
	}
	for _, v := range []any{
		r.envelope["time"], r.envelope["created_at"],
		r.get("timestamp"), r.get("created_at"), r.get("sent_at"),
	} {
		if t := instant(v); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
