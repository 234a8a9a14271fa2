// Package adaptertest is the conformance suite: what passes it is an adapter.
//
// An author gives it a fresh CRM with an adapter on it as often as it asks
// ([Config], its New), and the means to look into that CRM and to behave like
// its agents ([Bench]). The suite reads what the adapter says of itself
// ([connector.Description]) and picks the cases from that. Everything that can
// go wrong on the way (statuses, lost answers, late commits, slow and endless
// bodies) it does by itself, in the HTTP client that it hands to the adapter.
//
// It refuses to be satisfied by less than the interface's comments promise, and
// it knows no vendor. Start with [Run] and [Config].
package adaptertest
