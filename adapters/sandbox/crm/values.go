package crm

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// value is one field of a record. Records hold few, so a slice takes a third of
// a map's memory.
type value struct {
	name string
	data any
}

// values are a record's fields but for those that the server keeps itself. They
// are never changed, only replaced.
type values []value

func (vs values) get(name string) any {
	for _, v := range vs {
		if v.name == name {
			return v.data
		}
	}
	return nil
}

func (vs values) text(name string) string {
	s, _ := vs.get(name).(string)
	return s
}

func (vs values) tags() []string {
	tags, _ := vs.get("tags").([]string)
	return tags
}

// with gives a copy in which set replaces and fill completes.
func (vs values) with(set, fill map[string]any) values {
	next := make(values, 0, len(vs)+len(set)+len(fill))
	for _, v := range vs {
		if _, replaced := set[v.name]; !replaced {
			next = append(next, v)
		}
	}
	for name, data := range set {
		if !blank(data) {
			next = append(next, value{name, data})
		}
	}
	for name, data := range fill {
		if !blank(data) && blank(next.get(name)) {
			next = append(next, value{name, data})
		}
	}
	return next
}

// custom gives the fields that are not standard ones.
func (vs values) custom(standard map[string]fieldCheck) map[string]any {
	var custom map[string]any
	for _, v := range vs {
		if _, ok := standard[v.name]; ok {
			continue
		}
		if custom == nil {
			custom = make(map[string]any)
		}
		custom[v.name] = v.data
	}
	return custom
}

// blank reports whether a field holds nothing.
func blank(data any) bool {
	switch d := data.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(d) == ""
	case []string:
		return len(d) == 0
	case []any:
		return len(d) == 0
	}
	return false
}

// fieldCheck turns what came in JSON into what is stored, or says what is wrong.
type fieldCheck func(data any) (any, string)

// The standard fields of contacts and tickets. A ticket's status is kept apart,
// since comments and guards depend on it.
var (
	contactFields = map[string]fieldCheck{
		"phone": checkPhone, "name": upTo(255), "email": checkEmail, "user_id": upTo(140), "tags": checkTags,
	}
	ticketFields = map[string]fieldCheck{
		"subject": upTo(255), "status": oneOf(statusOpen, statusPending, statusSolved, statusClosed),
		"priority": oneOf("low", "normal", "high", "urgent"), "tags": checkTags,
	}
	customName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

const (
	maxCustom = 1000
	maxTags   = 100
	maxBody   = 65_536
)

// checkFields checks the fields of an item in place.
func checkFields(standard map[string]fieldCheck, fields map[string]any) *problem {
	for name, data := range fields {
		check, ok := standard[name]
		if !ok {
			check = checkCustom
			if !customName.MatchString(name) {
				return &problem{Code: "unknown_field", Field: name, Message: "there is no such field"}
			}
		}
		if data == nil {
			continue
		}
		clean, wrong := check(data)
		if wrong != "" {
			return &problem{Code: "invalid_value", Field: name, Message: wrong}
		}
		fields[name] = clean
	}
	return nil
}

func upTo(n int) fieldCheck {
	return func(data any) (any, string) {
		s, ok := data.(string)
		switch {
		case !ok:
			return nil, "is not a text"
		case utf8.RuneCountInString(s) > n:
			return nil, fmt.Sprintf("is longer than %d characters", n)
		}
		return s, ""
	}
}

func oneOf(choices ...string) fieldCheck {
	return func(data any) (any, string) {
		s, ok := data.(string)
		if !ok || !slices.Contains(choices, s) {
			return nil, "is none of " + strings.Join(choices, ", ")
		}
		return s, ""
	}
}

func checkPhone(data any) (any, string) {
	s, ok := data.(string)
	if n := len(digits(s)); !ok || (s != "" && (n < 5 || n > 20)) {
		return nil, "is not a phone number"
	}
	return s, ""
}

func checkEmail(data any) (any, string) {
	s, ok := data.(string)
	if !ok {
		return nil, "is not a text"
	}
	if _, err := mail.ParseAddress(s); err != nil && s != "" {
		return nil, "is not an e-mail address"
	}
	return s, ""
}

func checkTags(data any) (any, string) {
	list, ok := data.([]any)
	if !ok || len(list) > maxTags {
		return nil, fmt.Sprintf("is not a list of at most %d tags", maxTags)
	}
	tags := make([]string, 0, len(list))
	for _, one := range list {
		tag, ok := one.(string)
		if !ok || tag == "" || utf8.RuneCountInString(tag) > 50 {
			return nil, "holds a tag that is not a text of at most 50 characters"
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags, ""
}

func checkCustom(data any) (any, string) {
	switch d := data.(type) {
	case string:
		return upTo(maxCustom)(d)
	case bool, float64:
		return d, ""
	case []any:
		return checkTags(d)
	}
	return nil, "is neither text, number, yes or no, nor a list of texts"
}

// digits gives the digits of a phone number, which is how numbers are compared.
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
}
