package identity_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
)

func TestNormalise(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in, want string
		reason   string
	}{
		{"918856879188", "+918856879188", "the developer documentation's dialect sends digits"},
		{"+919876543210", "+919876543210", "the help centre's dialect sends a plus"},
		{"00919876543210", "+919876543210", "00 is the international prefix"},
		{" +91 (98765) 432-10 ", "+919876543210", "punctuation is no part of a number"},
		{"+44 (0)20 7946 0958", "+442079460958", "nobody dials the trunk zero from abroad"},
		{"\u202a+91\u00a098765\u201143210\u202c", "+919876543210", "address books add invisible marks"},
		{"918856879188@s.whatsapp.net", "+918856879188", "WhatsApp's own id of a person"},
		{"918856879188@c.us", "+918856879188", "an older form of the same"},
		{"5215512345678", "+5215512345678", "a number is never rewritten"},
		{"551187654321", "+551187654321", "a number is never rewritten"},
		{"120363025246125486@g.us", "", "a group is not a person"},
		{"12036302524@lid", "", "a hidden number is no number"},
		{"1203630252461254", "", "E.164 ends at 15 digits"},
		{"+0049301234567", "", "no country code starts with zero"},
		{"030 1234567", "", "a national number belongs to no country"},
		{"123456", "", "too short to be international"},
		{"91+8856879188", "", "a plus is only in front"},
		{"US.13491208655302741918", "", "a user id is not a number"},
		{"unknown", "", "a word is not a number"},
		{"", "", "nothing is not a number"},
		{strings.Repeat("9", 1<<16), "", "outside bytes can be long"},
	}
	for _, c := range cases {
		got, ok := identity.Normalise(c.in)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Normalise(%.40q) = %q, %t, want %q: %s", c.in, got, ok, c.want, c.reason)
		}
	}
}

func TestJoining(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b   string
		same   bool
		reason string
	}{
		{"5215512345678", "525512345678", true, "Mexico's 1 was dropped and WhatsApp keeps it"},
		{"5215512345678", "5215512345679", false, "other digits are another line"},
		{"521551234567", "52551234567", false, "a Mexican number has ten digits"},
		{"556187654321", "5561987654321", true, "eight digits from 6 on only mean the number with the 9"},
		{"556167654321", "5561967654321", true, "6 was a mobile prefix too"},
		{"551137654321", "5511937654321", false, "the short one is a landline, the long one a mobile number"},
		{"551157654321", "5511957654321", false, "5 was given to landlines and to mobile numbers"},
		{"558001234567", "5580901234567", false, "800 is a toll-free number and no area code"},
		{"541112345678", "5491112345678", false, "Argentina without the 9 can be a landline"},
		{"+918856879188", "918856879188", true, "a plus makes no difference"},
	}
	for _, c := range cases {
		a := identity.Keys(connector.Identity{Phone: c.a})
		b := identity.Keys(connector.Identity{Phone: c.b})
		if slices.Equal(a, b) != c.same {
			t.Errorf("Keys(%s) = %v, Keys(%s) = %v, want the same: %t: %s", c.a, a, c.b, b, c.same, c.reason)
		}
		if shared := slices.Contains(identity.Variants(c.a), c.b); shared != c.same {
			t.Errorf("Variants(%s) = %v, want %s in it: %t: %s", c.a, identity.Variants(c.a), c.b, c.same, c.reason)
		}
	}
}

func TestKeysAndCustomerKey(t *testing.T) {
	t.Parallel()
	cases := []struct {
		id       connector.Identity
		keys     []string
		customer string
		reason   string
	}{
		{connector.Identity{Phone: "+918856879188"}, []string{"p:918856879188"}, "wa:918856879188", "a number"},
		{
			connector.Identity{UserID: "US.13491208655302741918"},
			[]string{"u:US.13491208655302741918"},
			"wa:US.13491208655302741918", "a user that shows no number",
		},
		{
			connector.Identity{Phone: "+918856879188", UserID: "IN.1"},
			[]string{"u:IN.1", "p:918856879188"},
			"wa:918856879188", "the user id is stronger, the number is what CRMs know",
		},
		{
			connector.Identity{Phone: "+5215512345678"},
			[]string{"p:525512345678"},
			"wa:525512345678",
			"both spellings have one key",
		},
		{connector.Identity{}, []string{}, "", "nobody has no key, rather than an empty one"},
		{connector.Identity{Phone: "someone"}, []string{}, "", "what is no number is no key"},
	}
	for _, c := range cases {
		if got := identity.Keys(c.id); !slices.Equal(got, c.keys) {
			t.Errorf("Keys(%+v) = %q, want %q: %s", c.id, got, c.keys, c.reason)
		}
		if got := identity.CustomerKey(c.id); got != c.customer {
			t.Errorf("CustomerKey(%+v) = %q, want %q: %s", c.id, got, c.customer, c.reason)
		}
	}
}

func TestVariantsStartWithTheNumberItself(t *testing.T) {
	t.Parallel()
	got := identity.Variants("5215512345678")
	want := []string{"+5215512345678", "5215512345678", "+525512345678", "525512345678"}
	if !slices.Equal(got, want) {
		t.Errorf("Variants = %q, want %q", got, want)
	}
	if got := identity.Variants("nobody"); got != nil {
		t.Errorf("Variants of no number = %q, want none", got)
	}
}

// FuzzIdentity checks what must hold for any input: a number keeps its digits,
// normalising twice changes nothing, every variant has the number's own keys,
// and being a variant is mutual.
func FuzzIdentity(f *testing.F) {
	for _, seed := range []string{
		"918856879188", "+5215512345678", "525512345678", "556187654321", "5561987654321",
		"551137654321", "541112345678", "0049 30 1234567", "+44 (0)20 7946 0958", "x@g.us", "5500987654321",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		e164, ok := identity.Normalise(in)
		if !ok {
			if e164 != "" || identity.Variants(in) != nil || identity.PhoneKey(in) != "" {
				t.Fatalf("%q is no number and has a form", in)
			}
			return
		}
		if again, ok := identity.Normalise(e164); !ok || again != e164 {
			t.Fatalf("Normalise(%q) = %q, and again %q", in, e164, again)
		}
		for _, v := range identity.Variants(e164) {
			if identity.PhoneKey(v) != identity.PhoneKey(e164) {
				t.Fatalf("variant %q of %q has another key", v, e164)
			}
			if !slices.Contains(identity.Variants(v), e164) {
				t.Fatalf("%q is a variant of %q but not the other way round", v, e164)
			}
		}
	})
}

func BenchmarkKeys(b *testing.B) {
	id := connector.Identity{Phone: "+5215512345678", UserID: "MX.13491208655302741918"}
	b.ReportAllocs()
	for b.Loop() {
		_ = identity.Keys(id)
	}
}

func TestMayBeOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b   string
		want   bool
		reason string
	}{
		{"+541123456789", "5491123456789", true, "Argentina's two spellings"},
		{"+541123456789", "5491123456780", false, "another national number"},
		{"551187654321", "5511987654321", true, "Brazil's ninth digit"},
		{"5215512345678", "525512345678", true, "Mexico's one"},
		{"918856879188", "919999999999", false, "two people"},
		{"", "", false, "nobody is nobody"},
	} {
		if got := identity.MayBeOne(c.a, c.b); got != c.want {
			t.Errorf("MayBeOne(%q, %q) = %t: %s", c.a, c.b, got, c.reason)
		}
	}
	for _, c := range []struct {
		a, b   string
		want   bool
		reason string
	}{
		{"IN.1", "IN.2", true, "a person has one plain id"},
		{"IN.1", "IN.1", false, "the same"},
		{"IN.1", "IN.ENT.2", false, "a person has a plain id and a parent's"},
		{"IN.1", "", false, "nothing contradicts nothing"},
	} {
		if got := identity.Rivals(c.a, c.b); got != c.want {
			t.Errorf("Rivals(%q, %q) = %t: %s", c.a, c.b, got, c.reason)
		}
	}
}
