package mappings

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many bytes a text may have, in an expression or as a field's
// value. WhatsApp's own longest text has 65,536 characters. What is longer is cut.
const MaxText = 256 << 10

// clip cuts a text at MaxText, between two characters.
func clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	end := MaxText - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// tidy makes a text fit to be a value: valid UTF-8 of a bounded length, without
// the control characters that CRMs refuse a record for.
func tidy(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.ContainsFunc(s, isControl) {
		s = strings.Map(func(r rune) rune {
			if isControl(r) {
				return -1
			}
			return r
		}, s)
	}
	return clip(s)
}

// isControl reports whether a character is one that no text needs. A line's end
// and a tab are text.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// appendText writes a value as people read it. Nothing and absent values write
// nothing.
func appendText(to []byte, v any, zone *time.Location) []byte {
	switch v := v.(type) {
	case nil:
		return to
	case string:
		return append(to, v...)
	case bool:
		return strconv.AppendBool(to, v)
	case int:
		return strconv.AppendInt(to, int64(v), 10)
	case int64:
		return strconv.AppendInt(to, v, 10)
	case float64:
		return appendNumber(to, v)
	case json.Number:
		return append(to, v...)
	case time.Time:
		if v.IsZero() {
			return to
		}
		return v.In(zone).AppendFormat(to, "2006-01-02 15:04 MST")
	case time.Duration:
		return append(to, v.String()...)
	case []any:
		return appendList(to, v, zone)
	}
	return appendJSON(to, v)
}

// appendNumber writes whole numbers without a point or an exponent: ids in JSON
// arrive as floats.
func appendNumber(to []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return strconv.AppendInt(to, int64(f), 10)
	}
	return strconv.AppendFloat(to, f, 'f', -1, 64)
}

func appendList(to []byte, list []any, zone *time.Location) []byte {
	first := len(to)
	for _, item := range list {
		if len(to) > MaxText {
			break
		}
		mark := len(to)
		if mark > first {
			to = append(to, ", "...)
		}
		before := len(to)
		if to = appendText(to, item, zone); len(to) == before {
			to = to[:mark]
		}
	}
	return to
}

func appendJSON(to []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return to
	}
	return append(to, b...)
}

// text gives a value as people read it.
func text(v any, zone *time.Location) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(appendText(nil, v, zone))
}

// blank reports whether a value says nothing, as absent fields do.
func blank(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case time.Time:
		return v.IsZero()
	case []any:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
