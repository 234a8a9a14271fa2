// Package mappings is the language in which people say what a WhatsApp event
// changes in their CRM. It loads a mapping from YAML, checks it, compiles it, and
// maps events with it.
//
// A mapping is a list of rules. Every rule that takes an event's type and whose
// condition holds adds to the event's wishes, in the order in which they are
// written: a later rule wins field by field, comments add up. Values are text
// with ${…} in it; the expressions see the event, its message, the contact and
// what earlier events said, all typed, so that a misspelt name is found when the
// mapping is loaded and not when a customer writes.
//
// The package refuses to do I/O after loading, to know any CRM, and to guess: all
// mistakes of a mapping are reported at once, each with its place and with what
// was probably meant. What an expression may cost is bounded: no loops in loops,
// no ranges, and texts are cut at [MaxText].
//
// Start with [Load] and [Mapping.Map].
package mappings
