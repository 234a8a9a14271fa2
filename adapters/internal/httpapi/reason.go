package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxReasons is how many of a vendor's sentences are kept.
const maxReasons = 5

// The members in which vendors put their words and their codes, best first.
var (
	textMembers = []string{
		"message", "error_description", "description", "detail", "details", "title", "reason",
		"error", "errors", "exceptionmessage", "error_message",
	}
	codeMembers = []string{"code", "errorcode", "error_code", "errortype", "exceptiontype", "category"}
)

// Reason takes the code and the words from an error's body as most vendors
// write it: a JSON object or array with a message, an error, errors …, or plain
// text. HTML says nothing worth keeping.
func Reason(r *Response) (code, text string) {
	trimmed := strings.TrimSpace(string(r.Body))
	var v any
	if err := json.Unmarshal([]byte(trimmed), &v); err == nil {
		var found reasons
		found.gather(v, 0)
		return found.code, strings.Join(found.texts, "; ")
	}
	if strings.HasPrefix(trimmed, "<") || strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		return "", ""
	}
	return "", trimmed
}

type reasons struct {
	code  string
	texts []string
}

// gather walks what can hold words; six levels are deeper than any vendor goes.
func (f *reasons) gather(v any, depth int) {
	if depth > 6 || len(f.texts) >= maxReasons {
		return
	}
	switch v := v.(type) {
	case string:
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(f.texts, v) {
			f.texts = append(f.texts, v)
		}
	case []any:
		for _, e := range v {
			f.gather(e, depth+1)
		}
	case map[string]any:
		f.object(v, depth)
	}
}

func (f *reasons) object(o map[string]any, depth int) {
	lower := make(map[string]any, len(o))
	for key, e := range o {
		lower[strings.ToLower(key)] = e
	}
	for _, key := range codeMembers {
		if s, ok := lower[key].(string); ok && f.code == "" {
			f.code = s
		}
	}
	known := false
	for _, key := range textMembers {
		if e, ok := lower[key]; ok {
			known = true
			f.gather(e, depth+1)
		}
	}
	if known || depth == 0 {
		return
	}
	// An object inside "details" or "errors" is often field → sentences.
	for _, key := range slices.Sorted(maps.Keys(o)) {
		f.gather(o[key], depth+1)
	}
}
