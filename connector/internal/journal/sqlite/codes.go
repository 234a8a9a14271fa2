package sqlite

import (
	"fmt"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// States by their number in the tables; the order is part of the schema.
var states = [...]journal.State{
	"", journal.StatePending, journal.StateDelivered, journal.StateSkipped, journal.StateUnmatched,
	journal.StateDead, journal.StateDiscarded, journal.StateErased,
}

func stateCode(s journal.State) (int64, error) {
	for i, known := range states {
		if i > 0 && known == s {
			return int64(i), nil
		}
	}
	return 0, fmt.Errorf("state %q is unknown", s)
}

func stateOf(code int64) journal.State {
	if code < 0 || int(code) >= len(states) {
		return ""
	}
	return states[code]
}

// Kinds by their number in the tables; the order is part of the schema.
var kinds = [...]connector.Kind{connector.KindContact, connector.KindTicket, connector.KindComment}

func kindCode(k connector.Kind) (int64, error) {
	for i, known := range kinds {
		if known == k {
			return int64(i), nil
		}
	}
	return 0, fmt.Errorf("kind %q is unknown", k)
}

// The classes of links. What a claim loads comes first.
const (
	classContact = iota
	classCurrent
	classFormer
	classComment
)

// classOf gives the class of a link.
func classOf(k connector.Kind, current bool) (int64, error) {
	switch {
	case k == connector.KindContact:
		return classContact, nil
	case k == connector.KindTicket && current:
		return classCurrent, nil
	case k == connector.KindTicket:
		return classFormer, nil
	case k == connector.KindComment:
		return classComment, nil
	}
	return 0, fmt.Errorf("kind %q is unknown", k)
}

// classesOf gives the first and the last class that a kind can have.
func classesOf(k connector.Kind) (first, last int64, err error) {
	if first, err = classOf(k, true); err != nil {
		return 0, 0, err
	}
	last, err = classOf(k, false)
	return first, last, err
}

func kindOfClass(class int64) connector.Kind {
	switch class {
	case classContact:
		return connector.KindContact
	case classComment:
		return connector.KindComment
	}
	return connector.KindTicket
}
