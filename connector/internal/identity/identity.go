// Package identity decides which names belong to the same customer. It is pure
// arithmetic on phone numbers and user ids: it stores nothing, and it never
// rewrites a number that goes to a CRM.
//
// WhatsApp knows some customers under a number that is not the one people dial,
// so two spellings can be one person. They are joined only where exactly one of
// them can be a mobile number; where both can be somebody's, that takes
// evidence, which is the journal's business.
//
// Start with [Normalise] and [Keys].
package identity

import (
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// The lengths of an international number: E.164 allows 15 digits, and no
// country's shortest number has fewer than 7 with its country code.
const (
	minDigits = 7
	maxDigits = 15
)

// Normalise gives a phone number in E.164 with a leading plus, from digits with
// or without a plus, with punctuation, with an international 00, or with
// WhatsApp's own suffix. It changes no digit: a trunk zero written as "(0)" is
// left out since nobody dials it from abroad, and nothing is added. It reports
// false for what is no international number, such as the id of a group.
func Normalise(phone string) (string, bool) {
	switch {
	case isPlain(phone):
		return "+" + phone, true
	case phone != "" && phone[0] == '+' && isPlain(phone[1:]):
		return phone, true
	}
	phone, ok := withoutSuffix(strings.TrimSpace(phone))
	if !ok {
		return "", false
	}
	phone = strings.Replace(phone, "(0)", "", 1)
	digits, ok := onlyDigits(phone)
	if !ok {
		return "", false
	}
	if !strings.Contains(phone, "+") {
		digits = strings.TrimPrefix(digits, "00")
	}
	if !isPlain(digits) {
		return "", false
	}
	return "+" + digits, true
}

// isPlain reports whether s is an international number in digits alone.
func isPlain(s string) bool {
	if len(s) < minDigits || len(s) > maxDigits || s[0] == '0' {
		return false
	}
	return allDigits(s)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// withoutSuffix removes the server part of a WhatsApp id of a person. Ids of
// groups, lists and hidden numbers look like numbers too and are none.
func withoutSuffix(phone string) (string, bool) {
	number, server, found := strings.Cut(phone, "@")
	if !found {
		return phone, true
	}
	return number, server == "s.whatsapp.net" || server == "c.us"
}

// onlyDigits removes what people and address books put between digits. A plus
// counts only in front.
func onlyDigits(phone string) (string, bool) {
	var b strings.Builder
	for _, r := range phone {
		switch {
		case r >= '0' && r <= '9':
			if b.Len() > maxDigits+2 {
				return "", false
			}
			b.WriteRune(r)
		case r == '+':
			if b.Len() > 0 {
				return "", false
			}
		case !isPunctuation(r):
			return "", false
		}
	}
	return b.String(), true
}

// isPunctuation knows the separators of phone numbers, and the invisible marks
// that come along when a number is copied from an address book.
func isPunctuation(r rune) bool {
	switch {
	case strings.ContainsRune(" \t-.()/\u00a0\u202f\u2060\ufeff\u2212", r):
		return true
	case r >= '\u2009' && r <= '\u2015': // Thin spaces, zero-width marks, dashes.
		return true
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // Directions.
		return true
	}
	return false
}

// Keys gives the matching keys of an identity, strongest first. Within a
// business a key belongs to one customer. A user id is stronger than a number:
// WhatsApp gives a person who changes the number a new one, and never gives it
// to somebody else, while operators reissue numbers. An empty identity has no
// keys.
func Keys(id connector.Identity) []string {
	keys := make([]string, 0, 2)
	if id.UserID != "" {
		keys = append(keys, "u:"+id.UserID)
	}
	if key := PhoneKey(id.Phone); key != "" {
		keys = append(keys, key)
	}
	return keys
}

// PhoneKey gives the matching key of a number alone, empty when it is none.
func PhoneKey(phone string) string {
	e164, ok := Normalise(phone)
	if !ok {
		return ""
	}
	return "p:" + canonical(e164[1:])
}

// MayBeOne reports whether two numbers can be one person's line: they match, or
// they are Argentina's two spellings of the same national number. Where both can
// be somebody's it is no proof, and takes evidence beside it.
func MayBeOne(a, b string) bool {
	x, xok := Normalise(a)
	y, yok := Normalise(b)
	return xok && yok && candidate(x[1:]) == candidate(y[1:])
}

// Rivals reports whether two user ids can't be one person's: they are of the same
// form and differ. A person has one of each form, the plain one and the parent's.
func Rivals(a, b string) bool {
	return a != "" && b != "" && a != b && strings.Count(a, ".") == strings.Count(b, ".")
}

// CustomerKey gives the key under which a CRM knows the customer: of the number
// where there is one, else of the user id, and empty where there is neither. Of
// two joined spellings it takes the same one whichever was seen first, so that a
// connector that starts with an empty journal finds its contacts again.
func CustomerKey(id connector.Identity) string {
	if e164, ok := Normalise(id.Phone); ok {
		return "wa:" + canonical(e164[1:])
	}
	if id.UserID != "" {
		return "wa:" + id.UserID
	}
	return ""
}

// Variants gives the forms under which a CRM may hold the number, the likeliest
// first: as it is, with and without the plus, then the other spelling of the
// same line where there is one. Argentina's other spelling is left out, since
// it can be another person's.
func Variants(phone string) []string {
	e164, ok := Normalise(phone)
	if !ok {
		return nil
	}
	variants := []string{e164, e164[1:]}
	if twin := twin(e164[1:]); twin != "" {
		variants = append(variants, "+"+twin, twin)
	}
	return variants
}
