package intake

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// answer is a status and a JSON body.
type answer struct {
	status int
	body   any
}

// The answers to what is not taken. They say what a person who set the webhook
// up needs, and nothing of secrets.
var (
	unauthorized = &answer{http.StatusUnauthorized, problem{Error: "not authentic"}}
	notFound     = &answer{http.StatusNotFound, problem{
		"no webhook is expected at this path", "compare the URL in AISoule's panel with the sources in the configuration",
	}}
	notAllowed = &answer{http.StatusMethodNotAllowed, problem{
		"webhooks are posted", "send a POST request",
	}}
	encoded = &answer{http.StatusUnsupportedMediaType, problem{
		"compressed bodies are not taken", "send the body without a Content-Encoding",
	}}
	tooLarge    = &answer{http.StatusRequestEntityTooLarge, problem{Error: "the body is too large"}}
	tooSlow     = &answer{http.StatusRequestTimeout, problem{Error: "the body took too long"}}
	cutOff      = &answer{http.StatusBadRequest, problem{Error: "the body was cut off"}}
	crowded     = &answer{http.StatusServiceUnavailable, problem{Error: "too much is being received now; send again"}}
	unavailable = &answer{http.StatusServiceUnavailable, problem{Error: "the journal can't take events now; send again"}}
)

type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// fate is the answer to a single webhook.
type fate struct {
	Status   journal.Fate `json:"status"`
	ID       int64        `json:"id,omitempty"`
	Revision int          `json:"revision,omitempty"`
}

// counts is the answer to an array.
type counts struct {
	Accepted    int `json:"accepted"`
	Duplicate   int `json:"duplicate"`
	Quarantined int `json:"quarantined"`
	Pong        int `json:"pong"`
}

// single answers for one element; without a receipt it was a ping.
func single(receipts []journal.Receipt) *answer {
	if len(receipts) == 0 {
		return &answer{http.StatusOK, fate{Status: Pong}}
	}
	r := receipts[0]
	return &answer{http.StatusOK, fate{r.Fate, r.ID, r.Revision}}
}

// counted answers for an array.
func counted(receipts []journal.Receipt, pongs int) *answer {
	c := counts{Pong: pongs}
	for _, r := range receipts {
		switch r.Fate {
		case journal.Accepted:
			c.Accepted++
		case journal.Duplicate:
			c.Duplicate++
		case journal.Quarantined:
			c.Quarantined++
		}
	}
	return &answer{http.StatusOK, c}
}

// write sends the answer. Whether it arrives is the client's to know: one that
// misses it sends the webhook again, which is a duplicate then.
func (a *answer) write(w http.ResponseWriter, retryAfter time.Duration) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	switch a.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(max(1, int(retryAfter.Seconds()))))
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		body = []byte("{}")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, '\n'))
}
