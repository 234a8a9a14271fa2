package mappings

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// maxItems is how many items of a list an expression walks.
const maxItems = 1000

func truncate(s *scope, args []any) (any, error) {
	n, _ := args[1].(int)
	t := oneLine(clip(text(args[0], s.zone)))
	if n < 1 {
		return "", nil
	}
	cut, count := 0, 0
	for i := range t {
		if count == n-1 {
			cut = i
		}
		if count++; count > n {
			return strings.TrimSpace(t[:cut]) + "…", nil
		}
	}
	return t, nil
}

// oneLine makes single spaces of all white space.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\r\t\v\f") && !strings.Contains(s, "  ") && strings.TrimSpace(s) == s {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

func replace(s *scope, args []any) (any, error) {
	t := clip(text(args[0], s.zone))
	old, _ := args[1].(string)
	with, _ := args[2].(string)
	if old == "" || len(t)+strings.Count(t, old)*max(0, len(with)-len(old)) > 2*MaxText {
		return t, nil
	}
	return tidy(strings.ReplaceAll(t, old, with)), nil
}

func split(s *scope, args []any) (any, error) {
	sep, _ := args[1].(string)
	t := clip(text(args[0], s.zone))
	if t == "" {
		return []any{}, nil
	}
	parts := strings.SplitN(t, sep, maxItems)
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, nil
}

func join(s *scope, args []any) (any, error) {
	sep, _ := args[1].(string)
	list, ok := args[0].([]any)
	if !ok {
		return tidy(text(args[0], s.zone)), nil
	}
	return joined(list, sep, s.zone), nil
}

func lines(s *scope, args []any) (any, error) { return joined(args, "\n", s.zone), nil }

// joined writes the items that are not empty with a separator between them.
func joined(list []any, sep string, zone *time.Location) string {
	var b []byte
	for _, item := range list[:min(len(list), maxItems)] {
		mark := len(b)
		if mark > 0 {
			b = append(b, sep...)
		}
		before := len(b)
		if b = appendText(b, item, zone); len(b) == before {
			b = b[:mark]
		}
		if len(b) > MaxText {
			break
		}
	}
	return tidy(string(b))
}

func phone(_ *scope, args []any) (any, error) {
	raw, _ := args[0].(string)
	format := "international"
	if len(args) > 1 {
		format, _ = args[1].(string)
	}
	n, err := phonenumbers.Parse(raw, "ZZ")
	if err != nil {
		if format == "country" {
			raw = ""
		}
		return clip(raw), nil
	}
	switch format {
	case "national":
		return phonenumbers.Format(n, phonenumbers.NATIONAL), nil
	case "e164":
		return phonenumbers.Format(n, phonenumbers.E164), nil
	case "country":
		return phonenumbers.GetRegionCodeForNumber(n), nil
	}
	return phonenumbers.Format(n, phonenumbers.INTERNATIONAL), nil
}

func checkPhoneFormat(_ *compiler, format string) (problem, hint string) {
	formats := []string{"international", "national", "country", "e164"}
	if slices.Contains(formats, format) {
		return "", ""
	}
	return "phone has no format " + strconv.Quote(format), didYouMean(format, formats)
}

func date(s *scope, args []any) (any, error) {
	t, _ := args[0].(time.Time)
	if t.IsZero() {
		return "", nil
	}
	layout, zone := "datetime", s.zone
	if len(args) > 1 {
		layout, _ = args[1].(string)
	}
	if len(args) > 2 {
		name, _ := args[2].(string)
		zone = s.zones[name]
	}
	return tidy(t.In(zone).Format(goLayout(layout))), nil
}

func goLayout(layout string) string {
	switch layout {
	case "date":
		return time.DateOnly
	case "time":
		return "15:04"
	case "datetime":
		return "2006-01-02 15:04"
	case "iso":
		return time.RFC3339
	}
	return layout
}

func checkLayout(_ *compiler, layout string) (problem, hint string) {
	sample := time.Date(1999, time.November, 23, 21, 48, 57, 0, time.UTC)
	if goLayout(layout) != layout || sample.Format(layout) != layout {
		return "", ""
	}
	names := []string{"date", "time", "datetime", "iso"}
	if n := nearest(layout, names); n != "" {
		return "date has no layout " + strconv.Quote(layout), "did you mean " + n + "?"
	}
	return "the layout " + strconv.Quote(layout) + " has no part of a date in it",
		`write how 2 January 2006, 15:04:05 should look, such as "02.01.2006 15:04"`
}

// checkZone loads a time zone, so that mapping needs no disk.
func checkZone(c *compiler, name string) (problem, hint string) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return "there is no time zone " + strconv.Quote(name), `zones are named such as "Asia/Kolkata", "Europe/Berlin" or "UTC"`
	}
	c.scope.zones[name] = zone
	return "", ""
}

func otherwise(_ *scope, args []any) (any, error) {
	if blank(args[0]) {
		return args[1], nil
	}
	return args[0], nil
}

func lookup(s *scope, args []any) (any, error) {
	name, _ := args[0].(string)
	if v, ok := s.tables[name][text(args[1], s.zone)]; ok {
		return v, nil
	}
	if len(args) > 2 {
		return args[2], nil
	}
	return nil, nil
}

func checkTable(c *compiler, name string) (problem, hint string) {
	if _, ok := c.scope.tables[name]; ok {
		return "", ""
	}
	var names []string
	for n := range c.scope.tables {
		names = append(names, n)
	}
	return "there is no table " + strconv.Quote(name), didYouMean(name, names)
}

func number(_ *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case int, int64, float64:
		return v, nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
	}
	return nil, nil
}

func length(s *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return utf8.RuneCountInString(text(args[0], s.zone)), nil
}

func itemAt(i int) func(*scope, []any) (any, error) {
	return func(s *scope, args []any) (any, error) { return getMember(s, []any{args[0], i}) }
}

// getMember reads a member of open data. What is not there is nothing.
func getMember(_ *scope, args []any) (any, error) {
	var v any
	switch from := args[0].(type) {
	case map[string]any:
		if key, ok := args[1].(string); ok {
			v = from[key]
		}
	case []any:
		i, ok := args[1].(int)
		if i < 0 {
			i += len(from)
		}
		if ok && i >= 0 && i < len(from) {
			v = from[i]
		}
	}
	return plainNumber(v), nil
}

// plainNumber makes Go's numbers of JSON's.
func plainNumber(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		return v
	}
	if i, err := n.Int64(); err == nil {
		return int(i)
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String()
}

// listItems gives what a loop walks: nothing for what is not a list.
func listItems(_ *scope, args []any) (any, error) {
	list, _ := args[0].([]any)
	return list[:min(len(list), maxItems)], nil
}

// truth is an open value as a condition. What is absent is false.
func truth(_ *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return nil, callError("a value that is neither true nor false is used as a condition")
}

// concat puts two texts together.
func concat(_ *scope, args []any) (any, error) {
	a, _ := args[0].(string)
	b, _ := args[1].(string)
	return clip(a + b), nil
}

// operate compares or reckons with values of which at least one is open.
// Comparing with what is absent is false, and reckoning with it gives nothing.
func operate(_ *scope, args []any) (any, error) {
	op, _ := args[0].(string)
	comparing := op[0] == '<' || op[0] == '>'
	if args[1] == nil || args[2] == nil {
		if comparing {
			return false, nil
		}
		return nil, nil
	}
	if a, ok := args[1].(string); ok {
		if b, ok := args[2].(string); ok && (comparing || op == "+") {
			if op == "+" {
				return tidy(a + b), nil
			}
			return compared(op, strings.Compare(a, b)), nil
		}
	}
	a, okA := asFloat(args[1])
	b, okB := asFloat(args[2])
	if !okA || !okB {
		return nil, callError("values of different kinds are used with " + op)
	}
	if comparing {
		return compared(op, int(math.Copysign(1, a-b))*boolToInt(a != b)), nil
	}
	return reckoned(op, a, b), nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compared(op string, sign int) bool {
	switch op {
	case "<":
		return sign < 0
	case "<=":
		return sign <= 0
	case ">":
		return sign > 0
	}
	return sign >= 0
}

// reckoned gives nothing for what is not a number, such as a division by zero.
func reckoned(op string, a, b float64) any {
	var f float64
	switch op {
	case "+":
		f = a + b
	case "-":
		f = a - b
	case "*":
		f = a * b
	case "/":
		f = a / b
	case "%":
		f = math.Mod(a, b)
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil
	}
	return f
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
