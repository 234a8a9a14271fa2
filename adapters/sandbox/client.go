package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// The sandbox's own names for fields of records.
const (
	fieldID         = "id"
	fieldExternalID = "external_id"
	fieldUserID     = "user_id"
	fieldContactID  = "contact_id"
	fieldTicketID   = "ticket_id"
	fieldTicketKey  = "ticket_external_id"
)

// resultOK is the status of a result that went well, and resultSkipped that of a
// comment behind one that did not.
const (
	resultOK      = "ok"
	resultSkipped = "skipped"
)

// jobWait is how long a job is left alone before it is asked for.
const jobWait = time.Second

// item is one record of a batch.
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
	ExternalID  string                 `json:"external_id"`
	Body        string                 `json:"body"`
	HTML        bool                   `json:"html,omitempty"`
	Author      connector.Author       `json:"author"`
	ContactID   string                 `json:"contact_id,omitempty"`
	Private     bool                   `json:"private,omitempty"`
	WrittenAt   string                 `json:"written_at,omitempty"`
	Attachments []connector.Attachment `json:"attachments,omitempty"`
}

// record is a contact, ticket or comment as the sandbox shows it.
type record map[string]any

func (r record) text(name string) string { return text(r[name]) }

// field gives a value by the name under which it is set.
func (r record) field(name string) any {
	own, _ := r["fields"].(map[string]any)
	if v, ok := own[name]; ok {
		return v
	}
	return r[name]
}

// itemResult is what the sandbox says of an item.
type itemResult struct {
	Status   string          `json:"status"`
	Existing bool            `json:"existing"`
	Record   record          `json:"record"`
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

// search is what to look for; rows that match any part come back.
type search struct {
	IDs         []string `json:"ids,omitempty"`
	ExternalIDs []string `json:"external_ids,omitempty"`
	Phones      []string `json:"phones,omitempty"`
	UserIDs     []string `json:"user_ids,omitempty"`
	TicketIDs   []string `json:"ticket_ids,omitempty"`
	TicketKeys  []string `json:"ticket_external_ids,omitempty"`
}

// empty reports whether the search names nothing. Such a search is answered
// with everything, so it is never sent.
func (s *search) empty() bool {
	return len(slices.Concat(s.IDs, s.ExternalIDs, s.Phones, s.UserIDs, s.TicketIDs, s.TicketKeys)) == 0
}

// found is the answer to a search. Gone are ids whose record was deleted, or
// merged into another, and More says that rows were left out.
type found struct {
	Results *[]record `json:"results"`
	Gone    []struct {
		ID         string `json:"id"`
		MergedInto string `json:"merged_into"`
	} `json:"gone"`
	More bool `json:"more"`
}

// saved is the answer to a batch: results, or the job that will have them.
type saved struct {
	*httpapi.Response
	results []itemResult
	job     string
}

// client is the sandbox's API.
type client struct{ http *httpapi.Client }

func newClient(cfg *config, deps connector.Deps) (*client, error) {
	o := httpapi.Options{
		Base: cfg.URL, Timeout: cfg.Timeout, Checks: true, Speakable: []string{"author", "job"}, Judge: judgeCall,
		// Every path that is called here exists at a sandbox.
		Endings: map[int]connector.Ending{http.StatusNotFound: connector.Broken, http.StatusMethodNotAllowed: connector.Broken},
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

// judgeCall tells a quota that is spent for long from a burst: both are a 429.
func judgeCall(_ *httpapi.Response, verdict *connector.Error) *connector.Error {
	if verdict != nil && verdict.Code == "quota_spent" {
		verdict.Ending = connector.Broken
	}
	return verdict
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
func (c *client) save(ctx context.Context, kind connector.Kind, items []item) (*saved, error) {
	resp, err := c.http.Do(ctx, httpapi.Request{
		Op: "save " + string(kind) + "s", Method: http.MethodPost, Path: "/v1/" + string(kind) + "s/batch",
		JSON: map[string]any{"items": items},
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
	unreadable := resp.Decode(&answer)
	switch {
	case unreadable == nil && len(answer.Results) == len(items):
		return &saved{Response: resp, results: answer.Results}, nil
	case err != nil:
		return nil, err
	case unreadable != nil:
		return nil, unreadable
	case resp.Status == http.StatusAccepted && answer.Job.ID != "":
		return &saved{Response: resp, job: answer.Job.ID}, nil
	}
	return nil, resp.Unclear("the answer has not one result for each record")
}

// find looks records of a kind up.
func (c *client) find(ctx context.Context, kind connector.Kind, s search) (*found, error) {
	f := &found{Results: &[]record{}}
	if s.empty() {
		return f, nil
	}
	f.Results = nil
	resp, err := c.http.Call(ctx, httpapi.Request{
		Op: "look up " + string(kind) + "s", Method: http.MethodPost, Path: "/v1/" + string(kind) + "s/search",
		JSON: s, Reads: true,
	}, f)
	if err != nil {
		return nil, err
	}
	// An answer without the member is no answer: nothing found is an empty list.
	if f.Results == nil {
		return nil, resp.Unclear("the answer holds no list of results")
	}
	return f, nil
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
	resp, err := c.http.Get(ctx, "look up jobs", "/v1/jobs", url.Values{"ids": {strings.Join(ids, ",")}}, &answer)
	if err != nil {
		return nil, nil, err
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

// jobRef names one record of a job, in the journal.
type jobRef struct {
	job  string
	item int
}

func (r jobRef) String() string { return fmt.Sprintf("%s/%d", r.job, r.item) }

func parseJobRef(s string) (jobRef, bool) {
	job, at, _ := strings.Cut(s, "/")
	item, err := strconv.Atoi(at)
	return jobRef{job, item}, err == nil && item >= 0
}
