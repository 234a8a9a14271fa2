package identity

// WhatsApp's own bends of phone numbers, as of 2026. They are written out here
// since a full numbering plan costs megabytes and knows nothing of them.
//
//   - Mexico dropped the 1 between country code and area code in 2019, and
//     WhatsApp keeps it in the ids of older accounts: 521 and ten digits is the
//     same line as 52 and ten digits. No Mexican area code starts with 1, so the
//     two forms cannot be two lines.
//     green-api.com/en/docs/faq/features-of-sending-and-receiving-messages-from-different-countries
//   - Brazil put a 9 in front of every mobile number between 2012 and 2016.
//     WhatsApp leaves it out for accounts outside the area codes 11–19, 21, 22,
//     24, 27 and 28. Eight digits that start with 2–5 are a landline, and a
//     mobile number with the 9 before them is another line; those that start
//     with 6–9 were mobile numbers and are nobody's any more, so they can only
//     mean the number with the 9.
//     zoko.io/learning-article/whatsapp-id-brazil-mexico,
//     support.whapi.cloud/help-desk/faq/specifics-of-sending-messages-to-numbers-of-different-countries
//   - Argentina's mobile numbers carry a 9 after the country code, 549, and
//     without it the same digits can be a landline, so nothing is joined by the
//     digits alone.

const (
	mexicoLen   = len("525512345678")   // 52 and ten digits.
	brazilLen   = len("551187654321")   // 55, area code, eight digits.
	mexicoOne   = len("52")             // Where WhatsApp puts the 1.
	brazilNine  = len("5511")           // Where the ninth digit goes.
	mexicoOneID = mexicoLen + len("1")  // A Mexican id with the 1.
	brazilNew   = brazilLen + len("9")  // A Brazilian mobile number of today.
	brazilOld   = brazilNine + len("9") // The first of the old eight digits.

	argentinaNine  = len("54")            // Where the mobile's 9 goes.
	argentinaNewID = len("5491123456789") // 549 and ten digits.
)

// canonical gives the one of a line's spellings that stands for all of them in
// matching. It is idempotent.
func canonical(digits string) string {
	switch {
	case isMexicanWithOne(digits):
		return digits[:mexicoOne] + digits[mexicoOne+1:]
	case isBrazilianWithoutNine(digits):
		return digits[:brazilNine] + "9" + digits[brazilNine:]
	}
	return digits
}

// candidate gives the one of a line's spellings that stands for all those that
// can be meant, Argentina's too.
func candidate(digits string) string {
	if len(digits) == argentinaNewID && digits[:argentinaNine+1] == "549" {
		return digits[:argentinaNine] + digits[argentinaNine+1:]
	}
	return canonical(digits)
}

// twin gives the other spelling of a line, empty where there is none.
func twin(digits string) string {
	if c := canonical(digits); c != digits {
		return c
	}
	switch {
	case len(digits) == mexicoLen && digits[:mexicoOne] == "52" && digits[mexicoOne] >= '2':
		return digits[:mexicoOne] + "1" + digits[mexicoOne:]
	case isBrazilianWithNine(digits):
		return digits[:brazilNine] + digits[brazilNine+1:]
	}
	return ""
}

// isMexicanWithOne reports whether the number is 521 and a Mexican number.
func isMexicanWithOne(d string) bool {
	return len(d) == mexicoOneID && d[:mexicoOne+1] == "521" && d[mexicoOne+1] >= '2'
}

// isBrazilianWithoutNine reports whether the number is a Brazilian mobile number
// in the old form, which is nobody's number any more.
func isBrazilianWithoutNine(d string) bool {
	return len(d) == brazilLen && isBrazilian(d) && d[brazilNine] >= '6'
}

// isBrazilianWithNine reports whether the number is a Brazilian mobile number
// that had an old form.
func isBrazilianWithNine(d string) bool {
	return len(d) == brazilNew && isBrazilian(d) && d[brazilNine] == '9' && d[brazilOld] >= '6'
}

// isBrazilian reports whether the number starts with Brazil's country code and
// something that can be an area code: there is no zero in any.
func isBrazilian(d string) bool {
	return d[:2] == "55" && d[2] != '0' && d[3] != '0'
}
