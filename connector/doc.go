// Package connector is the vocabulary of the CRM connector and its ports: what
// a WhatsApp event is, what a change in a CRM is, how a call to a CRM can end,
// and the two things that others implement: an [Adapter] for a CRM and a
// [Mapper] for the rules. It imports nothing else of this module, so an adapter
// author who has read adapter.go, change.go and error.go knows the contract.
//
// The way of an event:
//
//	AISoule ──POST──▶ intake ──▶ journal ──▶ round:  claim ▶ map ▶ fold ▶ resolve ▶ apply ▶ record
//	                  verify      append                                             │
//	                  200 ◀── after the commit                                     adapter ──▶ CRM
//
// Start with [Event] and [Adapter].
package connector
