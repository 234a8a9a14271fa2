package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crm-connector/crm-connector/connector"
)

// maxText is how much of a vendor's words an error keeps, in runes.
const maxText = 300

// echoHead is how much of a value must show for a shortened echo of it to be
// recognised, in bytes.
const echoHead = 12

var (
	// digitRuns are what could be a phone number: seven digits and more, spaced
	// and bracketed as people write them. Dots are left out, so that addresses
	// and versions stay readable.
	digitRuns = regexp.MustCompile(`\+?\(?\p{Nd}(?:[ ()\-\x{a0}/]{0,3}\p{Nd}){6,}`)
	mails     = regexp.MustCompile(`[^\s@<>"',;]+@[^\s@<>"',;]+\.[^\s@<>"',;]+`)
	queries   = regexp.MustCompile(`(https?://[^\s?#"'<>]+)[?#][^\s"'<>]*`)
)

// speakable are the fields whose values are our own words at every CRM.
var speakable = []string{
	"status", "state", "priority", "type", "kind", "queue", "pipeline", "stage", "group", "source", "channel", "tags", "field",
}

// clean makes an error fit to be shown: the vendor's words without secrets,
// numbers, addresses, and anything that the request said.
func (r *Response) clean(e *connector.Error) *connector.Error {
	out := *e
	words := r.Request.said(slices.Concat(speakable, r.client.options.Speakable))
	out.Text = r.client.scrub(out.Text, words)
	out.Code = shorten(r.client.scrub(out.Code, words), 60)
	out.Field = shorten(r.client.scrub(out.Field, nil), 60)
	return &out
}

func (c *Client) scrub(text string, words []string) string {
	// Long enough for the searches below, and no longer.
	text = shorten(text, 4*maxText)
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "[secret]")
	}
	text = withoutEchoes(text, words)
	text = queries.ReplaceAllString(text, "$1?[query]")
	text = mails.ReplaceAllString(text, "[address]")
	text = digitRuns.ReplaceAllString(text, "[number]")
	return shorten(oneLine(text), maxText)
}

// withoutEchoes takes values out of a text, also where the vendor shortened
// them. Several values may be spellings of one, so the longest match counts.
func withoutEchoes(text string, values []string) string {
	for _, v := range values {
		text = strings.ReplaceAll(text, v, "[value]")
	}
	for _, v := range values {
		if len(v) <= echoHead {
			continue
		}
		head := v[:runeStart(v, echoHead)]
		for at := strings.Index(text, head); at >= 0; at = strings.Index(text, head) {
			n := 0
			for _, other := range values {
				n = max(n, commonPrefix(text[at:], other))
			}
			text = text[:at] + "[value]" + text[at+n:]
		}
	}
	return text
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return runeStart(a, n)
}

// runeStart is the nearest start of a rune at or before a position.
func runeStart(s string, at int) int {
	if at >= len(s) {
		return len(s)
	}
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return at
}

// oneLine drops control characters and joins runs of white space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func shorten(s string, runes int) string {
	if len(s) <= runes {
		return s
	}
	n := 0
	for at := range s {
		if n == runes {
			return strings.TrimSpace(s[:at]) + "…"
		}
		n++
	}
	return s
}

// said are the values of the request that an error must not repeat, longest
// first, with the spellings in which a vendor may echo them. Whatever is
// shorter than three bytes could not be told from the vendor's own words.
func (r *Request) said(open []string) []string {
	var words []string
	add := func(s string) {
		for _, form := range []string{
			s, strings.TrimSpace(s), html.EscapeString(s), quoted(s), quotedForHTML(s), url.QueryEscape(s), url.PathEscape(s),
		} {
			if len(form) >= 3 {
				words = append(words, form)
			}
		}
	}
	for _, w := range r.Words {
		add(w)
	}
	for _, values := range []url.Values{r.Query, r.Form} {
		for key, list := range values {
			if !slices.Contains(open, strings.ToLower(key)) {
				each(list, add)
			}
		}
	}
	if r.JSON != nil {
		if b, err := marshal(r.JSON); err == nil {
			var v any
			if json.Unmarshal(b, &v) == nil {
				walk(v, open, add)
			}
		}
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(words)
}

func each(list []string, f func(string)) {
	for _, s := range list {
		f(s)
	}
}

// walk visits every string in a decoded JSON value but under the open keys.
func walk(v any, open []string, add func(string)) {
	switch v := v.(type) {
	case string:
		add(v)
	case []any:
		for _, e := range v {
			walk(e, open, add)
		}
	case map[string]any:
		for key, e := range v {
			if _, scalar := e.(string); scalar && slices.Contains(open, strings.ToLower(key)) {
				continue
			}
			walk(e, open, add)
		}
	}
}

// quoted and quotedForHTML are a string as JSON has it, in the two ways in which
// encoders escape.
func quoted(s string) string {
	b, err := marshal(s)
	if err != nil {
		return ""
	}
	return strings.Trim(string(b), `"`)
}

func quotedForHTML(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return strings.Trim(string(b), `"`)
}

// spellings are the forms in which a secret can come back.
func spellings(secrets []connector.Secret) []string {
	var out []string
	for _, s := range secrets {
		plain := s.Reveal()
		for _, form := range []string{plain, url.QueryEscape(plain), base64.StdEncoding.EncodeToString([]byte(plain))} {
			if len(form) >= 4 {
				out = append(out, form)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}
