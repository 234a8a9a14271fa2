package webhook

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeNumbers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in     string
		want   any
		reason string
	}{
		{`1780369298`, int64(1780369298), "whole numbers print as they came"},
		{`-0`, int64(0), "there is one zero"},
		{`9007199254740993`, int64(9007199254740993), "more than a float64 can tell apart"},
		{`123456789012345678901234567890`, "123456789012345678901234567890", "more than an int64 keeps its digits"},
		{`1.5e2`, 150.0, "what has a fraction or an exponent is a float"},
		{`1e999`, "1e999", "what no float holds keeps its digits"},
		{`01`, nil, "JSON knows no leading zero"},
		{`1.`, nil, "a fraction has digits"},
		{`+1`, nil, "JSON knows no plus"},
		{`0x10`, nil, "JSON knows no hexadecimal numbers"},
	}
	for _, c := range cases {
		got, err := decode([]byte(c.in))
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("decode(%s) = %v, %v, want %v: %s", c.in, got, err, c.want, c.reason)
		}
	}
}

func TestDecodeBoundsDepth(t *testing.T) {
	t.Parallel()
	if _, err := decode([]byte(strings.Repeat("[", 1<<20))); err == nil {
		t.Error("a million brackets were read")
	}
	if _, err := decode([]byte(strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20))); err != nil {
		t.Errorf("twenty levels: %v", err)
	}
}

// FuzzDecode holds the decoder against the standard library's: the same inputs
// are JSON, and they mean the same but for the types of numbers.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"event":"message.received","data":{"a":[1,2.5,-3e7,true,null]}}`,
		`"\u00e9\ud83d\ude00\ud83dx\\\"\n"`, `[]`, `{}`, ` { "a" : [ ] } `, `{"a":1,"a":2}`, `"` + "\xff\xfe" + `"`,
		`[1,]`, `{"a":1,}`, `tru`, `"\x"`, `"\u12"`, "\"\x01\"", `1 2`, ``, `-`, `12345678901234567890`, `1E+5`, `"\ud800\u0041"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decode(raw)
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		decoder.UseNumber()
		var want any
		wantErr := decoder.Decode(&want)
		if !json.Valid(raw) {
			wantErr = errNotObject
		}
		if (err == nil) != (wantErr == nil) {
			if errors.Is(err, errDepth) {
				return
			}
			t.Fatalf("decode(%q): %v, the standard library: %v", raw, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, plainNumbers(want)) {
			t.Fatalf("decode(%q) = %#v, want %#v", raw, got, want)
		}
	})
}

// plainNumbers gives the numbers of a document the types that decode chooses.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plain(v.String(), !strings.ContainsAny(v.String(), ".eE"))
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	}
	return v
}
