package mappings

import (
	"html"
	"strings"
	"time"
)

// library is every function of the mapping language by its name. Those without a
// doc can't be written: the compiler puts them in.
func library() map[string]*function {
	all := map[string]*function{
		"get":     {call: getMember, result: anyResult(2, 2)},
		"items":   {call: listItems, signatures: []any{(func(any) []any)(nil)}},
		"concat":  {call: concat, signatures: []any{(func(string, string) string)(nil)}},
		"operate": {call: operate, result: anyResult(3, 3)},
		"truth":   {call: truth, signatures: []any{(func(any) bool)(nil)}},
	}
	internal := make(map[string]*function, len(all))
	for name, f := range all {
		internal[internalName(name)] = f
	}
	for _, f := range documented() {
		internal[f.doc.Name] = f
	}
	return internal
}

// internalName is the name of a function that the compiler puts in. People can't
// write it: the walk over an expression refuses what it does not know.
func internalName(name string) string { return "__" + name }

func documented() []*function {
	ofText := []any{(func(any) string)(nil)}
	variadic := []any{(func(...any) string)(nil)}
	return []*function{
		{
			doc: Function{
				Name: "truncate", Usage: "truncate(text, length)",
				Doc:     "cuts a text to at most length characters, the last being … where something is missing; line breaks become spaces",
				Example: `truncate("I need pricing info", 10)`, Result: "I need pr…",
			},
			call: truncate, signatures: []any{(func(any, int) string)(nil)},
		},
		{
			doc:  Function{Name: "text", Usage: "text(value)", Doc: "makes a text of any value", Example: `"code " + text(131026)`, Result: "code 131026"},
			call: textFunc(func(s string) string { return s }), signatures: ofText,
		},
		{
			doc:  Function{Name: "upper", Usage: "upper(text)", Doc: "writes a text in capitals", Example: `upper("vip")`, Result: "VIP"},
			call: textFunc(strings.ToUpper), signatures: ofText,
		},
		{
			doc:  Function{Name: "lower", Usage: "lower(text)", Doc: "writes a text in small letters", Example: `lower("STOP")`, Result: "stop"},
			call: textFunc(strings.ToLower), signatures: ofText,
		},
		{
			doc:  Function{Name: "trim", Usage: "trim(text)", Doc: "drops the white space around a text", Example: `trim("  hello ")`, Result: "hello"},
			call: textFunc(strings.TrimSpace), signatures: ofText,
		},
		{
			doc: Function{
				Name: "replace", Usage: "replace(text, old, new)", Doc: "replaces every old in a text by new",
				Example: `replace("a-b-c", "-", "/")`, Result: "a/b/c",
			},
			call: replace, signatures: []any{(func(any, string, string) string)(nil)},
		},
		{
			doc: Function{
				Name: "split", Usage: "split(text, separator)", Doc: "makes a list of a text",
				Example: `split("red,green", ",")`, Result: "red, green",
			},
			call: split, signatures: []any{(func(any, string) []any)(nil)},
		},
		{
			doc: Function{
				Name: "join", Usage: "join(list, separator)", Doc: "makes a text of a list, leaving empty items out",
				Example: `join(["red", "", "green"], " and ")`, Result: "red and green",
			},
			call: join, signatures: []any{(func(any, string) string)(nil)},
		},
		{
			doc: Function{
				Name: "lines", Usage: "lines(text, text, …)", Doc: "writes the texts below one another, leaving empty ones out",
				Example: `lines("photo.jpg", "", "my new bike")`, Result: "photo.jpg\nmy new bike",
			},
			call: lines, signatures: variadic,
		},
		{
			doc: Function{
				Name: "html", Usage: "html(text)", Doc: "makes HTML of plain text, for a field that holds HTML; values inside a comment's html: need no html()",
				Example: `html("1 < 2\nyes")`, Result: "1 &lt; 2<br>\nyes",
			},
			call: textFunc(toHTML), signatures: ofText,
		},
		{
			doc: Function{
				Name: "plain", Usage: "plain(html)", Doc: "makes plain text of HTML",
				Example: `plain("<p>Tom &amp; <b>Ann</b></p>")`, Result: "Tom & Ann",
			},
			call: textFunc(toPlain), signatures: ofText,
		},
		{
			doc:  Function{Name: "digits", Usage: "digits(text)", Doc: "keeps only the digits of a text", Example: `digits("+91 88568-79188")`, Result: "918856879188"},
			call: textFunc(digits), signatures: ofText,
		},
		{
			doc: Function{
				Name: "mask", Usage: "mask(text)", Doc: "hides all but the last four characters of a text, and all of a shorter one",
				Example: `mask("+918856879188")`, Result: "•••••••••9188",
			},
			call: textFunc(mask), signatures: ofText,
		},
		{
			doc: Function{
				Name: "phone", Usage: `phone(number, "international")`,
				Doc:     "writes a number the international way, or as national, country (its two letters) or e164; what is no number stays as it is, and has no country",
				Example: `phone("+918856879188", "national")`, Result: "088568 79188",
			},
			call: phone, signatures: []any{(func(any) string)(nil), (func(any, string) string)(nil)},
			fixed: map[int]func(*compiler, string) (string, string){1: checkPhoneFormat},
		},
		{
			doc: Function{
				Name: "date", Usage: `date(time, "2006-01-02 15:04", "Asia/Kolkata")`,
				Doc:     "writes a time; the layout is date, time, datetime, iso, or how the second of January 2006, 15:04:05 would be written; without a zone it is the destination's",
				Example: `date(event.time, "2 Jan 2006, 15:04", "Asia/Kolkata")`, Result: "2 Jun 2026, 08:31",
			},
			call: date,
			signatures: []any{
				(func(time.Time) string)(nil), (func(time.Time, string) string)(nil), (func(time.Time, string, string) string)(nil),
			},
			fixed: map[int]func(*compiler, string) (string, string){1: checkLayout, 2: checkZone},
		},
		{
			doc: Function{
				Name: "default", Usage: "default(value, otherwise)", Doc: "gives the first value, or the other when the first is empty or absent",
				Example: `default(data.no_such_field, "none")`, Result: "none",
			},
			call: otherwise, result: sameOr,
		},
		{
			doc: Function{
				Name: "lookup", Usage: `lookup("table", key, otherwise)`,
				Doc:     "gives a table's value for a key; without one, otherwise or nothing; tables are written under tables:, and failures (one word for each of WhatsApp's error codes) and failure_notes (a sentence) are there already",
				Example: `lookup("failures", 131026)`, Result: "unreachable",
			},
			call: lookup, result: anyResult(2, 3),
			fixed: map[int]func(*compiler, string) (string, string){0: checkTable},
		},
		{
			doc: Function{
				Name: "number", Usage: "number(value)", Doc: "makes a number of a text, or nothing when it is none",
				Example: `number("12.50") * 2`, Result: "25",
			},
			call: number, result: anyResult(1, 1),
		},
		{
			doc:  Function{Name: "len", Usage: "len(value)", Doc: "counts a text's characters or a list's items", Example: `len("नमस्ते")`, Result: "6"},
			call: length, signatures: []any{(func(any) int)(nil)},
		},
		{
			doc:  Function{Name: "first", Usage: "first(list)", Doc: "gives a list's first item", Example: `first(split("a b", " "))`, Result: "a"},
			call: itemAt(0), result: anyResult(1, 1),
		},
		{
			doc:  Function{Name: "last", Usage: "last(list)", Doc: "gives a list's last item", Example: `last(split("a b", " "))`, Result: "b"},
			call: itemAt(-1), result: anyResult(1, 1),
		},
	}
}

func toHTML(s string) string {
	return strings.ReplaceAll(html.EscapeString(s), "\n", "<br>\n")
}

// toPlain drops tags and reads entities. Blocks and breaks end a line.
func toPlain(s string) string {
	var b strings.Builder
	for s != "" {
		before, tag, found := strings.Cut(s, "<")
		b.WriteString(html.UnescapeString(before))
		if !found {
			break
		}
		name, rest, closed := strings.Cut(tag, ">")
		if !closed {
			break
		}
		switch strings.ToLower(strings.Trim(name, "/ ")) {
		case "br", "p", "div", "li":
			b.WriteByte('\n')
		}
		s = rest
	}
	return strings.TrimSpace(b.String())
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func mask(s string) string {
	r := []rune(s)
	shown := 4
	if len(r) <= shown {
		shown = 0
	}
	return strings.Repeat("•", len(r)-shown) + string(r[len(r)-shown:])
}
