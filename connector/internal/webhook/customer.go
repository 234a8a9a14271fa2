package webhook

import (
	"strings"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
)

// party is one side of a message.
type party struct{ phone, user string }

func (p party) empty() bool { return p == party{} }

// The names under which the sides of a message are known, in both dialects and
// in WhatsApp's own payloads that platforms pass on.
var (
	fromNames = []string{
		"sender", "from", "from_user_id", "sender_user_id", "from_parent_user_id", "parent_from_user_id",
	}
	toNames = []string{
		"recipient", "to", "recipient_id", "recipient_user_id", "to_user_id",
		"recipient_parent_user_id", "parent_recipient_user_id",
	}
	participantNames = []string{
		"recipient_participant_id", "recipient_participant_user_id", "recipient_participant_parent_user_id",
		"participant",
	}
	// customerNames always mean the customer, whichever way a message went.
	customerNames = []string{
		"wa_id", "phone", "phone_number", "customer_phone", "contact_phone", "user_id", "parent_user_id",
		"customer", "contact", "contacts",
	}
	// personNames are the same inside of an object that describes a person. An
	// "id" there is the platform's own and would pass for a number.
	personNames = []string{"wa_id", "phone", "phone_number", "user_id", "parent_user_id"}
)

// sides tells the customer from the business. The business wrote the messages
// that receipts tell of, and received the others; but where the webhook says
// the business's number, that decides.
func (r *reader) sides() (customer, business party) {
	if !r.kind.IsMessage() {
		return r.subject(), party{}
	}
	from, to := r.party(fromNames), r.recipient()
	customer, business = from, to
	if r.kind.IsReceipt() {
		customer, business = to, from
		if to.empty() && r.isCustomersReceipt(from) {
			customer, business = from, party{}
		}
	}
	if r.number != "" && customer.phone == r.number {
		customer, business = business, customer
		if customer.phone == r.number {
			customer = party{}
		}
	}
	return r.known(customer), business
}

// isCustomersReceipt reports whether the only side that a receipt names is the
// customer, since the business is named otherwise.
func (r *reader) isCustomersReceipt(only party) bool {
	if r.number != "" {
		return only.phone != r.number
	}
	return r.text("whatsapp_account_id") != "" && !r.isGroup()
}

// recipient gives whom a message was for. A message to a group has a receipt
// for each participant, and the group itself is no customer.
func (r *reader) recipient() party {
	if p := r.party(participantNames); !p.empty() || r.isGroup() {
		return p
	}
	return r.party(toNames)
}

func (r *reader) isGroup() bool { return r.text("recipient_type") == "group" }

// known adds to the customer's side what the webhook says of the customer
// elsewhere.
func (r *reader) known(p party) party {
	if p.phone != "" && p.user != "" {
		return p
	}
	sender := p
	for _, name := range customerNames {
		also := r.party([]string{name})
		if r.isContent(name) || sender.contradicts(also) {
			continue
		}
		if p.phone == "" && also.phone != r.number {
			p.phone = also.phone
		}
		p.user = or(p.user, also.user)
	}
	return p
}

// isContent reports whether a member that may describe the customer is what the
// message says: the cards of other people that a customer passes on. Without a
// type they are told from WhatsApp's own contacts, which say the sender's id.
func (r *reader) isContent(name string) bool {
	if name != "contacts" || !r.kind.IsMessage() || r.messageType() != "contacts" {
		return false
	}
	o := r.object(name)
	return r.text("type", "message_type") != "" || o["wa_id"] == nil && o["user_id"] == nil
}

// contradicts reports whether two parties can't be the same person.
func (p party) contradicts(q party) bool {
	return p.phone != "" && q.phone != "" && !identity.MayBeOne(p.phone, q.phone) || identity.Rivals(p.user, q.user)
}

// subject gives the customer of an event that is no message. A campaign has
// none, whatever numbers its event mentions.
func (r *reader) subject() party {
	if strings.HasPrefix(string(r.kind), "campaign.") {
		return party{}
	}
	p := r.party(customerNames)
	if p.empty() {
		p = r.party(fromNames)
	}
	if r.number != "" && p.phone == r.number {
		return party{}
	}
	return p
}

// party reads one side from its names: the first number and the first user id.
func (r *reader) party(names []string) party {
	var p party
	for _, name := range names {
		p.add(name, r.get(name))
		if p.phone != "" && p.user != "" {
			break
		}
	}
	return p
}

// add takes a member as a number or as a user id, whichever it is, or as an
// object that has them.
func (p *party) add(name string, v any) {
	switch v.(type) {
	case nil:
		return
	case map[string]any, []any:
		person := object(v)
		for _, member := range personNames {
			if scalar := text(person[member]); scalar != "" {
				p.add(member, scalar)
			}
		}
		return
	}
	value := text(v)
	switch {
	case isUserID(value):
		p.user = or(p.user, value)
	case takesNumber(name) && p.phone == "":
		p.phone, _ = identity.Normalise(value)
	}
}

// takesNumber reports whether a member can hold a phone number. A user id that
// is none of WhatsApp's may be an agent's, and the scalar value of an object's
// name the platform's own id: both would pass for numbers.
func takesNumber(name string) bool {
	switch name {
	case "customer", "contact", "contacts":
		return false
	}
	return !strings.HasSuffix(name, "user_id")
}

// maxUserID bounds a user id: two letters, a dot, a prefix for a parent's, and
// up to 128 letters and digits.
const maxUserID = 140

// isUserID reports whether s is one of WhatsApp's business-scoped user ids, such
// as "US.13491208655302741918" or "US.ENT.11815799212886844830". Other ids under
// the same name, such as an agent's, are none. Their form is documented at
// developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids.
func isUserID(s string) bool {
	if len(s) < 4 || len(s) > maxUserID || s[2] != '.' || !isLetter(s[0]) || !isLetter(s[1]) {
		return false
	}
	for i := 3; i < len(s); i++ {
		if !isLetter(s[i]) && (s[i] < '0' || s[i] > '9') && s[i] != '.' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// businessNumber gives the business's number where it is named as such.
func (r *reader) businessNumber() string {
	for _, v := range []any{
		r.get("waba_number"), r.get("whatsapp_account_id"), r.get("business_number"), r.get("business_phone"),
		r.get("display_phone_number"), r.object("metadata")["display_phone_number"], r.envelope["waba_number"],
	} {
		if s := text(v); s != "" {
			if number, ok := identity.Normalise(s); ok {
				return number
			}
		}
	}
	return ""
}

// account gives the business's account: what is named as such, else the
// business's side of the message.
func (r *reader) account(business party) string {
	for _, name := range []string{
		r.number, r.text("whatsapp_account_id"), r.envelope.text("whatsapp_account_id"),
		business.phone, r.text("phone_number_id"), r.object("metadata").text("phone_number_id"),
	} {
		if account := Account(name); account != "" {
			return account
		}
	}
	return ""
}

// maxAccount bounds the name of an account.
const maxAccount = 64

// Account gives an account's name in the form that events have it: the digits of
// a number, a UUID in lower case, another id as it is. It is empty for what can
// be none.
func Account(name string) string {
	if number, ok := identity.Normalise(name); ok {
		return number[1:]
	}
	name = strings.TrimSpace(name)
	if !isToken(name) || len(name) > maxAccount {
		return ""
	}
	if len(name) == 36 && strings.Count(name, "-") == 4 {
		return strings.ToLower(name)
	}
	return name
}

// contactName gives the customer's profile name. In what the business sent, the
// sender's name is not the customer's, and neither is that of a person who is
// described and is somebody else.
func (r *reader) contactName(customer party) string {
	if s := r.text("contact_name", "customer_name", "profile_name"); s != "" {
		return s
	}
	for _, name := range [...]string{"contact", "contacts", "customer"} {
		if r.isContent(name) || customer.contradicts(r.party([]string{name})) {
			continue
		}
		if s := personName(r.object(name)); s != "" {
			return s
		}
	}
	switch {
	case r.kind == connector.MessageReceived:
		if s := r.text("sender_name", "from_name", "push_name", "name"); s != "" {
			return s
		}
		return personName(r.object("sender"))
	case strings.HasPrefix(string(r.kind), "contact."):
		return personName(r.data)
	}
	return ""
}

func personName(person fields) string {
	if person == nil {
		return ""
	}
	if s := person.text("name", "full_name"); s != "" {
		return s
	}
	if s := person.object("profile").text("name"); s != "" {
		return s
	}
	return strings.TrimSpace(person.text("first_name") + " " + person.text("last_name"))
}
