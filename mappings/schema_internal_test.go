package mappings

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
)

// entry is what the schema says of one key.
type entry struct {
	doc   string
	takes map[string]any
}

func enumOf(list ...string) map[string]any { return map[string]any{"enum": list} }

// mostly takes any text and proposes some.
func mostly(list ...string) map[string]any {
	return map[string]any{"anyOf": []any{enumOf(list...), map[string]any{"type": "string"}}}
}

func anyOf(schemas ...map[string]any) map[string]any { return map[string]any{"anyOf": schemas} }

func listOf(item map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": item}
}

func refTo(what string) map[string]any { return map[string]any{"$ref": "#/$defs/" + what} }

func named(value map[string]any) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": value}
}

var (
	textValue = map[string]any{"type": "string"}
	flagValue = map[string]any{"type": "boolean"}
	spanValue = map[string]any{"type": []string{"string", "integer"}, "pattern": `^([0-9]+d|[0-9.]+(h|m|s)([0-9.]+(m|s))*|0)$`}
	anyScalar = map[string]any{"type": []string{"string", "number", "boolean", "null"}}
	anyValue  = map[string]any{"type": []string{"string", "number", "boolean", "array", "null"}}
)

// entries say of every key of every part what it is for. The keys themselves are
// the loader's: see TestSchemaIsFresh.
func entries() map[string]map[string]entry {
	var types []string
	for _, t := range connector.EventTypes() {
		types = append(types, string(t))
	}
	types = append(types, "message.*", "contact.*", "*")
	person := map[string]entry{
		"fields": {"The CRM's own fields, by its names.", named(anyValue)},
		"phone":  {"The customer's number.", anyScalar},
		"name":   {"The customer's name.", anyScalar},
		"email":  {"The customer's e-mail address.", anyScalar},
		"tags":   {"The contact's tags.", anyValue},
	}
	ticket := map[string]entry{
		"fields":   {"The CRM's own fields, by its names.", named(anyValue)},
		"subject":  {"The ticket's subject.", anyScalar},
		"status":   {"The ticket's status; these four every CRM has.", mostly(connector.TicketOpen, connector.TicketPending, connector.TicketSolved, connector.TicketClosed)},
		"priority": {"The ticket's priority, in the CRM's words.", anyScalar},
		"tags":     {"The ticket's tags.", anyValue},
	}
	return map[string]map[string]entry{
		"the mapping": {
			"mapping":           {"The mapping's name; by default the file's.", textValue},
			"conversation":      {"When a conversation gets a new ticket.", refTo("conversation")},
			"when_contact_gone": {"What follows when somebody deleted the contact: make it again, or leave it.", enumOf(string(connector.Recreate), string(connector.LeaveGone))},
			"when_unknown":      {"What follows a create whose end nobody can know: hold it for a person, or repeat it and risk a double.", enumOf(string(connector.Hold), string(connector.Repeat))},
			"let":               {"Names for what several rules use; each sees those above it.", named(anyValue)},
			"tables":            {"Tables for lookup(), each with its keys and values.", named(named(anyScalar))},
			"rules":             {"The rules, in order: a later one wins field by field, comments add up.", listOf(refTo("rule"))},
		},
		"conversation": {
			"idle":          {"After how long without a message a ticket is left and a new one opened; 0 means never.", spanValue},
			"reopen_within": {"Within how long a message opens a closed ticket again; 0 means never.", spanValue},
			"when_closed":   {"What follows a closed ticket that is not opened again.", enumOf(string(connector.FollowUp), string(connector.NewTicket))},
		},
		"a rule": {
			"name":    {"What the rule does; unique in the file.", textValue},
			"on":      {"The event types that it is for; a * at the end stands for any.", anyOf(mostly(types...), listOf(mostly(types...)))},
			"when":    {"The condition, an expression.", anyOf(textValue, flagValue)},
			"contact": {"What changes of the customer's contact.", refTo("contact")},
			"ticket":  {"What changes of the conversation's ticket.", refTo("ticket")},
			"comment": {"What is said on the ticket.", anyOf(refTo("comment"), listOf(refTo("comment")))},
			"stop":    {"No later rule sees the event.", flagValue},
			"skip":    {"The event changes nothing, on purpose.", flagValue},
		},
		"contact": with(person, map[string]entry{
			"make":   {"The contact is made where there is none.", flagValue},
			"create": {"What is written only when the contact is made.", refTo("contact-create")},
			"fill":   {"What is written only where the CRM has nothing.", refTo("contact-fill")},
		}),
		"contact: create": person,
		"contact: fill":   person,
		"ticket": with(ticket, map[string]entry{
			"open":   {"A ticket is opened where the conversation has none.", flagValue},
			"create": {"What is written only when the ticket is opened.", refTo("ticket-create")},
			"fill":   {"What is written only where the CRM has nothing.", refTo("ticket-fill")},
		}),
		"ticket: create": ticket,
		"ticket: fill":   ticket,
		"comment": {
			"body":        {"The text.", anyScalar},
			"html":        {"The text as HTML, in place of body.", anyScalar},
			"author":      {"Who says it; by default the side that wrote the message.", enumOf("customer", "business", "system")},
			"visibility":  {"Whether the customer may see it in the CRM.", enumOf("public", "private")},
			"attachments": {"Whether the message's file goes along as a link.", enumOf("none", "media")},
			"slot":        {"The comment's own name, where an event makes several.", textValue},
		},
	}
}

func with(a, b map[string]entry) map[string]entry {
	all := map[string]entry{}
	for _, from := range []map[string]entry{a, b} {
		maps.Copy(all, from)
	}
	return all
}

// parts names the loader's parts as the schema does.
func parts() map[string]string {
	return map[string]string{
		"conversation": "conversation", "a rule": "rule", "contact": "contact", "contact: create": "contact-create",
		"contact: fill": "contact-fill", "ticket": "ticket", "ticket: create": "ticket-create", "ticket: fill": "ticket-fill",
		"comment": "comment",
	}
}

// schemaOf makes the schema of one part from the keys that the loader takes.
func schemaOf(t *testing.T, what string) map[string]any {
	t.Helper()
	known := entries()[what]
	if len(known) != len(keysOf(what)) {
		t.Errorf("%s has %d keys, and the schema knows %d", what, len(keysOf(what)), len(known))
	}
	properties := map[string]any{}
	for _, key := range keysOf(what) {
		e, ok := known[key]
		if !ok {
			t.Errorf("the schema does not know the key %s of %s", key, what)
			continue
		}
		property := map[string]any{"description": e.doc}
		maps.Copy(property, e.takes)
		properties[key] = property
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// TestSchemaIsFresh makes the schema again from the loader's keys.
func TestSchemaIsFresh(t *testing.T) {
	t.Parallel()
	root := schemaOf(t, "the mapping")
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "CRM connector mapping"
	root["required"] = []string{"rules"}
	defs := map[string]any{}
	for what, name := range parts() {
		defs[name] = schemaOf(t, what)
	}
	root["$defs"] = defs
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile("schema.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Schema(), want.Bytes()) {
		t.Error("mappings/schema.json is stale; run: go test ./mappings -run TestSchema -update")
	}
}
