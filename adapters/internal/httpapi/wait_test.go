package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	cases := map[string]struct {
		reason, value, date string
		want                time.Duration
	}{
		"absent":       {"no header asks for nothing", "", "", 0},
		"seconds":      {"the usual form", "120", "", 2 * time.Minute},
		"padded":       {"white space is harmless", " 7 ", "", 7 * time.Second},
		"decimals":     {"some vendors send them", "0.25", "", 250 * time.Millisecond},
		"zero":         {"at once", "0", "", 0},
		"negative":     {"garbage", "-5", "", 0},
		"huge":         {"bounded by a day", "99999999999999999999", "", httpapi.MaxWait},
		"exponent":     {"garbage", "1e9", "", 0},
		"words":        {"garbage", "soon", "", 0},
		"date":         {"the other form", at(time.Minute), "", time.Minute},
		"past":         {"a date that is over", at(-time.Minute), "", 0},
		"far":          {"bounded by a day", at(1000 * time.Hour), "", httpapi.MaxWait},
		"theirs":       {"their clock is an hour ahead", at(time.Hour + time.Minute), at(time.Hour), time.Minute},
		"theirs wrong": {"a garbled Date is ignored", at(time.Minute), "now", time.Minute},
		"old date":     {"the obsolete forms are read too", now.Add(time.Minute).Format(time.ANSIC), "", time.Minute},
	}
	for name, tc := range cases {
		h := http.Header{}
		h.Set("Retry-After", tc.value)
		h.Set("Date", tc.date)
		if got := httpapi.RetryAfter(h, now); got != tc.want {
			t.Errorf("%s (%s): got %s, want %s", name, tc.reason, got, tc.want)
		}
	}
}

func TestResetHeaders(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	resets := []httpapi.Reset{
		{Header: "X-Seconds", Unit: httpapi.Seconds},
		{Header: "X-Millis", Unit: httpapi.Milliseconds},
		{Header: "X-At", Unit: httpapi.UnixSeconds},
		{Header: "X-At-Millis", Unit: httpapi.UnixMilliseconds},
	}
	cases := map[string]struct {
		header []string
		want   time.Duration
	}{
		"seconds":            {[]string{"X-Seconds", "3"}, 3 * time.Second},
		"milliseconds":       {[]string{"X-Millis", "1500"}, 1500 * time.Millisecond},
		"a point in time":    {[]string{"X-At", "1800000009"}, 9 * time.Second},
		"with milliseconds":  {[]string{"X-At-Millis", "1800000000250"}, 250 * time.Millisecond},
		"the longest counts": {[]string{"X-Seconds", "3", "Retry-After", "8"}, 8 * time.Second},
		"a past point":       {[]string{"X-At", "17"}, 0},
		"garbage":            {[]string{"X-At", "NaN"}, 0},
	}
	for name, tc := range cases {
		c, err := httpapi.New(connector.Deps{
			HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return answer(429, "", tc.header...), nil })},
			Now:  func() time.Time { return now },
		}, httpapi.Options{Base: "http://x", Resets: resets})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), httpapi.Request{Op: "op"})
		if e := asError(t, err); e.Wait != tc.want || e.Ending != connector.Retry {
			t.Errorf("%s: got %v after %s, want a retry after %s", name, e.Ending, e.Wait, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT", "9999999999999999999999", "..", "-1", "NaN", "0x10"} {
		f.Add(s, s)
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		if got := httpapi.RetryAfter(h, now); got < 0 || got > httpapi.MaxWait {
			t.Errorf("got %s", got)
		}
	})
}
