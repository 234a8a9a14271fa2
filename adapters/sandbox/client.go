package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

const (
	fieldUserID = "user_id"
	timeLayout  = time.RFC3339
	// jobWait is how long a job is left alone before it is asked for.
	jobWait = time.Second
)

// item is one record of a batch on the wire.
type item struct {
	ID         string         `json:"id,omitempty"`
	ExternalID string         `json:"external_id,omitempty"`
	Set        map[string]any `json:"set,omitempty"`
	Fill       map[string]any `json:"fill,omitempty"`
	ContactID  string         `json:"contact_id,omitempty"`
	FollowUpOf string         `json:"follow_up_of,omitempty"`
	Reopen     bool           `json:"reopen,omitempty"`
	ExpectOpen bool           `json:"expect_open,omitempty"`
	Comments   []comment      `json:"comments,omitempty"`
}

// comment is a comment of an item.
type comment struct {
	ExternalID  string       `json:"external_id"`
	Body        string       `json:"body"`
	HTML        bool         `json:"html,omitempty"`
	Author      string       `json:"author"`
	ContactID   string       `json:"contact_id,omitempty"`
	Private     bool         `json:"private,omitempty"`
	WrittenAt   string       `json:"written_at,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
}

type attachment struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url"`
}

// row is a record as the sandbox shows it, whatever its kind.
type row struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"`
	ContactID  string         `json:"contact_id"`
	TicketID   string         `json:"ticket_id"`
	Phone      string         `json:"phone"`
	Name       string         `json:"name"`
	Email      string         `json:"email"`
	UserID     string         `json:"user_id"`
	Subject    string         `json:"subject"`
	Status     string         `json:"status"`
	Priority   string         `json:"priority"`
	Tags       []string       `json:"tags"`
	Fields     map[string]any `json:"fields"`
}

// itemResult is what the sandbox says of an item.
type itemResult struct {
	Status   string          `json:"status"`
	Existing bool            `json:"existing"`
	Record   *row            `json:"record"`
	Error    *problem        `json:"error"`
	Comments []commentResult `json:"comments"`
}

type commentResult struct {
	Status     string   `json:"status"`
	ID         string   `json:"id"`
	ExternalID string   `json:"external_id"`
	TicketID   string   `json:"ticket_id"`
	Error      *problem `json:"error"`
}

// problem is what the sandbox has against a record.
type problem struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Field     string `json:"field"`
	Successor string `json:"successor"`
	State     string `json:"state"`
}

// The statuses of results on the wire.
const (
	resultOK      = "ok"
	resultSkipped = "skipped"
)

// search is what to look for; rows that match any part come back.
type search struct {
	IDs         []string `json:"ids,omitempty"`
	ExternalIDs []string `json:"external_ids,omitempty"`
	Phones      []string `json:"phones,omitempty"`
	UserIDs     []string `json:"user_ids,omitempty"`
	TicketIDs   []string `json:"ticket_ids,omitempty"`
}

// empty reports whether the search names nothing. Such a search is answered
// with everything, so it is never sent.
func (s *search) empty() bool {
	return len(s.IDs)+len(s.ExternalIDs)+len(s.Phones)+len(s.UserIDs)+len(s.TicketIDs) == 0
}

// found is the answer to a search.
type found struct {
	Results []row     `json:"results"`
	Gone    []goneRow `json:"gone"`
	More    bool      `json:"more"`
}

// goneRow is an id whose record was deleted or merged.
type goneRow struct {
	ID         string `json:"id"`
	MergedInto string `json:"merged_into"`
}

// batch is one call that saves records.
type batch struct {
	kind  connector.Kind
	op    string
	keyed bool
	items []item
}

// effect is what the batch does when it is repeated: only setting fields of
// known records is harmless.
func (b *batch) effect() httpapi.Effect {
	for i := range b.items {
		if b.items[i].ID == "" || len(b.items[i].Comments) > 0 {
			return httpapi.Creates
		}
	}
	return httpapi.Sets
}

// saved is the answer to a batch: results, or the job that will have them.
type saved struct {
	results  []itemResult
	job      string
	response *httpapi.Response
}

// client is the sandbox's API.
type client struct{ http *httpapi.Client }

func newClient(cfg *config, deps connector.Deps) (*client, error) {
	o := httpapi.Options{
		Base: cfg.URL, Timeout: cfg.Timeout,
		// Every path that is called here exists at a sandbox.
		Endings:   map[int]connector.Ending{http.StatusNotFound: connector.Broken, http.StatusMethodNotAllowed: connector.Broken},
		Resets:    nil,
		Speakable: []string{"author", "job"},
	}
	if cfg.Token != "" {
		o.Auth = httpapi.Bearer(cfg.Token)
	}
	h, err := httpapi.New(deps, o)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return &client{http: h}, nil
}

// me names the account.
func (c *client) me(ctx context.Context) (string, error) {
	var me struct {
		Name string `json:"name"`
	}
	resp, err := c.http.Get(ctx, "check account", "/v1/me", nil, &me)
	if err != nil {
		return "", err
	}
	if me.Name == "" {
		return "", resp.Unclear("the answer names no account")
	}
	return me.Name, nil
}

// save sends a batch. A refused batch whose answer speaks of each record is an
// answer, not an error.
func (c *client) save(ctx context.Context, b batch) (*saved, error) {
	resp, err := c.http.Do(ctx, httpapi.Request{
		Op: b.op, Method: http.MethodPost, Path: "/v1/" + string(b.kind) + "s/batch",
		JSON: map[string]any{"items": b.items}, Effect: b.effect(), Keyed: b.keyed,
	})
	if err != nil && (resp == nil || resp.Status != http.StatusUnprocessableEntity) {
		return nil, err
	}
	var answer struct {
		Results []itemResult `json:"results"`
		Job     struct {
			ID string `json:"id"`
		} `json:"job"`
	}
	if wrong := resp.Decode(&answer); wrong != nil && err == nil {
		return nil, wrong
	}
	switch {
	case len(answer.Results) == len(b.items):
		return &saved{results: answer.Results, response: resp}, nil
	case err != nil:
		return nil, err
	case resp.Status == http.StatusAccepted && answer.Job.ID != "":
		return &saved{job: answer.Job.ID, response: resp}, nil
	}
	return nil, resp.Unclear("the answer has not one result for each record")
}

// find looks records of a kind up.
func (c *client) find(ctx context.Context, kind connector.Kind, s search) (*found, *httpapi.Response, error) {
	if s.empty() {
		return &found{}, nil, nil
	}
	var f struct {
		found
		Results json.RawMessage `json:"results"`
	}
	resp, err := c.http.Call(ctx, httpapi.Request{
		Op: "look up " + string(kind) + "s", Method: http.MethodPost, Path: "/v1/" + string(kind) + "s/search",
		JSON: s, Effect: httpapi.Reads,
	}, &f)
	if err != nil {
		return nil, resp, err
	}
	// An answer without the member is no answer: nothing found is an empty list.
	if len(f.Results) == 0 || json.Unmarshal(f.Results, &f.found.Results) != nil || f.found.Results == nil {
		return nil, resp, resp.Unclear("the answer holds no list of results")
	}
	return &f.found, resp, nil
}

// jobs gives the results of finished jobs by id; those that run still have nil,
// and those that are forgotten are left out.
func (c *client) jobs(ctx context.Context, ids []string) (map[string][]itemResult, *httpapi.Response, error) {
	var answer struct {
		Jobs []struct {
			ID      string       `json:"id"`
			Status  string       `json:"status"`
			Results []itemResult `json:"results"`
		} `json:"jobs"`
	}
	query := url.Values{"ids": {strings.Join(ids, ",")}}
	resp, err := c.http.Get(ctx, "look up jobs", "/v1/jobs", query, &answer)
	if err != nil {
		return nil, resp, err
	}
	byID := make(map[string][]itemResult, len(answer.Jobs))
	for _, j := range answer.Jobs {
		byID[j.ID] = nil
		if j.Status == "completed" {
			byID[j.ID] = j.Results
		}
	}
	return byID, resp, nil
}

// jobRef names one record of a job, and one comment of it, in the journal.
type jobRef struct {
	job           string
	item, comment int
}

func (r jobRef) String() string { return fmt.Sprintf("%s/%d/%d", r.job, r.item, r.comment) }

func parseJobRef(s string) (jobRef, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return jobRef{}, false
	}
	item, err := strconv.Atoi(parts[1])
	if err != nil || item < 0 {
		return jobRef{}, false
	}
	at, err := strconv.Atoi(parts[2])
	return jobRef{parts[0], item, at}, err == nil && at >= 0
}
