package adaptertest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/crm-connector/crm-connector/adapters/internal/httpapi"
	"github.com/crm-connector/crm-connector/connector"
)

// reference is the smallest adapter that keeps the contract, for the CRM in
// fake_test.go. The flaws make it break one sentence of it each.
type reference struct {
	api  *httpapi.Client
	flaw flaw
}

type flaw string

const (
	none            flaw = ""
	swapsResults    flaw = "answers a batch's results in reverse"
	ignoresPartial  flaw = "takes a batch's 2xx for every record's success"
	trustsStatus    flaw = "takes a 2xx for success without looking at the record"
	repeatsBlindly  flaw = "repeats a create whose answer is lost"
	takesFirstRow   flaw = "takes the first row of a search"
	leaksNumbers    flaw = "puts the customer's number into an error"
	leaksEcho       flaw = "passes on the vendor's words as they came"
	retriesUnknown  flaw = "calls a time-out after sending a retry"
	absentOnError   flaw = "calls a look-up that failed an absence"
	comparesSuffix  flaw = "compares the ends of numbers"
	skipsComments   flaw = "goes on after a comment that was not added"
	forgetsWait     flaw = "drops Retry-After"
	ignoresContext  flaw = "goes on after its context's end"
	leavesGoroutine flaw = "leaves a goroutine behind"
	commentsOnFinal flaw = "calls a comment refused that the link is stale for"
	escapesText     flaw = "escapes plain text as HTML"
	statusFirst     flaw = "sets a status before the comments"
	retriesUpdates  flaw = "calls an update of unknown end a retry"
	repeatsUpdates  flaw = "sends an update of unknown end again"
	forgetsHalf     flaw = "calls what is half done a retry"
	dropsFiles      flaw = "drops the files of a comment"
	showsMarkup     flaw = "shows HTML as text"
	knowsOneForm    flaw = "looks for one form of a number"
	takesTheFirst   flaw = "takes any of a number's forms"
	hidesSpentDay   flaw = "calls a spent day a burst"
)

var flaws = []flaw{
	swapsResults, ignoresPartial, trustsStatus, repeatsBlindly, takesFirstRow, leaksNumbers, leaksEcho, retriesUnknown,
	absentOnError, comparesSuffix, skipsComments, forgetsWait, ignoresContext, leavesGoroutine, commentsOnFinal,
	escapesText, statusFirst, retriesUpdates, repeatsUpdates, forgetsHalf, dropsFiles, showsMarkup, knowsOneForm, takesTheFirst, hidesSpentDay,
}

const referenceToken = "reference-t0ken-4711"

func newReference(base string, deps connector.Deps, f flaw) (*reference, error) {
	api, err := httpapi.New(deps, httpapi.Options{Base: base, Checks: true, Auth: httpapi.Bearer(referenceToken)})
	return &reference{api: api, flaw: f}, err
}

func (a *reference) Describe() connector.Description {
	return connector.Description{
		CRM: "Reference",
		Contact: connector.KindDescription{
			Create: connector.Keyed, Batch: 10, Standard: []string{connector.FieldPhone, connector.FieldName},
		},
		Ticket: connector.KindDescription{
			Create: connector.Found, Standard: []string{connector.FieldSubject, connector.FieldStatus},
		},
		Comment:      connector.KindDescription{Create: connector.Found},
		ObserveBatch: 5, Comments: 4, Concurrency: 4,
	}
}

func (a *reference) Check(ctx context.Context) (connector.Account, error) {
	var me struct{ Name string }
	_, err := a.api.Get(ctx, "check", "/me", nil, &me)
	return connector.Account{Name: me.Name}, err
}

// row is any record of the CRM.
type row struct {
	ID         string `json:"id,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Name       string `json:"name,omitempty"`
	Subject    string `json:"subject,omitempty"`
	Status     string `json:"status,omitempty"`
	ContactID  string `json:"contact_id,omitempty"`
	Body       string `json:"body,omitempty"`
	Public     bool   `json:"public,omitempty"`
	HTML       bool   `json:"html,omitempty"`
	MergedInto string `json:"merged_into,omitempty"`
	Deleted    bool   `json:"deleted,omitempty"`
	Error      string `json:"error,omitempty"`
	// Bad is a field that the CRM does not have.
	Bad string `json:"bad,omitempty"`
}

func (a *reference) Apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	if a.flaw == ignoresContext {
		ctx = context.WithoutCancel(ctx)
	}
	if a.flaw == leavesGoroutine {
		go func() { select {} }()
	}
	if len(changes) == 0 {
		return nil, nil
	}
	if changes[0].Kind == connector.KindContact {
		return a.contacts(ctx, changes)
	}
	results := make([]connector.Result, len(changes))
	for i, c := range changes {
		results[i] = a.ticket(ctx, c)
	}
	return results, nil
}

func rowOf(c connector.Change) row {
	text := func(w connector.Fields, field string) string { s, _ := w[field].(string); return s }
	return row{
		ID: c.ID, ExternalID: c.Key, ContactID: c.Contact.ID,
		Phone: text(c.Set.Standard, connector.FieldPhone), Name: text(c.Set.Standard, connector.FieldName),
		Subject: text(c.Set.Standard, connector.FieldSubject), Status: text(c.Set.Standard, connector.FieldStatus),
		Bad: text(c.Set.Custom, "bad"),
	}
}

func (a *reference) contacts(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	rows := make([]row, len(changes))
	for i, c := range changes {
		rows[i] = rowOf(c)
	}
	req := httpapi.Request{Op: "save contacts", Method: http.MethodPost, Path: "/contacts/batch", JSON: rows}
	var answers []row
	resp, err := a.call(ctx, req, &answers)
	if err != nil {
		return nil, a.blamed(err, changes[0])
	}
	if len(answers) != len(changes) {
		return nil, resp.Unclear("the answer has not one row for each contact")
	}
	results := make([]connector.Result, len(changes))
	for i, got := range answers {
		results[i] = a.contactResult(resp, rows[i], got)
	}
	if a.flaw == swapsResults {
		slices.Reverse(results)
	}
	return results, nil
}

func (a *reference) contactResult(resp *httpapi.Response, asked, got row) connector.Result {
	if a.flaw == ignoresPartial {
		return connector.Result{ID: got.ID + "?"}
	}
	switch {
	case got.Error == "gone":
		e := resp.Errorf(connector.Stale, "gone", "the contact is gone")
		e.Successor = got.MergedInto
		return connector.Result{Err: e}
	case got.Error != "":
		return connector.Result{Err: resp.Errorf(connector.Refused, "invalid", "%s", got.Error)}
	case a.flaw == trustsStatus:
	case got.ID == "" || (asked.Name != "" && got.Name != asked.Name) || (asked.Phone != "" && got.Phone != asked.Phone):
		return connector.Result{Err: resp.Unclear("the answer does not show the contact as asked for")}
	}
	return connector.Result{ID: got.ID}
}

// blamed is where one flaw tells a customer's number.
func (a *reference) blamed(err error, c connector.Change) error {
	e := *connector.AsError("save", err)
	if a.flaw == leaksNumbers {
		e.Text += " for " + c.Identity.Phone
	}
	return &e
}

// call sends a request with the flaws that belong to sending.
func (a *reference) call(ctx context.Context, r httpapi.Request, into any) (*httpapi.Response, error) {
	resp, err := a.api.Call(ctx, r, into)
	if err == nil {
		return resp, nil
	}
	e := *connector.AsError(r.Op, err)
	switch {
	case e.Code == "day" && a.flaw != hidesSpentDay:
		e.Ending = connector.Broken
	case a.flaw == retriesUpdates && e.Ending == connector.Ambiguous && r.Method == http.MethodPut:
		e.Ending = connector.Retry
	case a.flaw == repeatsUpdates && e.Ending == connector.Ambiguous && r.Op == "save contacts":
		return a.api.Call(ctx, r, into)
	case a.flaw == retriesUnknown && e.Ending == connector.Ambiguous:
		e.Ending = connector.Retry
	case a.flaw == repeatsBlindly && e.Ending == connector.Ambiguous:
		return a.api.Call(ctx, r, into)
	case a.flaw == forgetsWait:
		e.Wait = 0
	case a.flaw == leaksEcho && resp != nil:
		e.Text = string(resp.Body)
	}
	return resp, &e
}

func (a *reference) ticket(ctx context.Context, c connector.Change) connector.Result {
	result := connector.Result{ID: c.ID, Comments: make([]connector.CommentResult, len(c.Comments))}
	if c.Reopen {
		result.Err = a.put(ctx, c.ID, row{Status: connector.TicketOpen})
	}
	if c.ID == "" {
		result.ID, result.Err = a.open(ctx, c)
	}
	set := rowOf(c)
	set.ExternalID, set.ContactID, set.ID = "", "", ""
	update := c.ID != "" && set != (row{})
	if update && a.flaw == statusFirst {
		result.Err = a.put(ctx, c.ID, set)
	}
	failed, added := result.Err, 0
	for i, comment := range c.Comments {
		if failed != nil {
			result.Comments[i].Err = behind
			continue
		}
		result.Comments[i] = a.comment(ctx, result.ID, comment)
		if result.Comments[i].Err == nil {
			added++
		}
		if a.flaw != skipsComments {
			failed = result.Comments[i].Err
		}
	}
	if update && failed == nil && a.flaw != statusFirst {
		result.Err = a.put(ctx, c.ID, set)
		if added > 0 && result.Err != nil && a.flaw != forgetsHalf {
			result.Err.Ending = connector.Ambiguous // The comments are there.
		}
	}
	return result
}

// behind is the end of a comment that was left alone.
var behind = &connector.Error{Ending: connector.Retry, Op: "add comment", Code: "behind", Text: "left behind one that is not done"}

func (a *reference) open(ctx context.Context, c connector.Change) (string, *connector.Error) {
	asked := rowOf(c)
	var got row
	resp, err := a.call(ctx, httpapi.Request{Op: "create ticket", Method: http.MethodPost, Path: "/tickets", JSON: asked}, &got)
	if err != nil {
		e := *connector.AsError("create ticket", err)
		if e.Code == "contact gone" {
			e.Ending, e.Stale = connector.Stale, connector.KindContact
		}
		return "", &e
	}
	if a.flaw != trustsStatus && (got.ID == "" || got.Subject != asked.Subject) {
		return "", resp.Unclear("the answer does not show the ticket as asked for")
	}
	return got.ID, nil
}

func (a *reference) put(ctx context.Context, id string, set row) *connector.Error {
	var got row
	resp, err := a.call(ctx, httpapi.Request{
		Op: "update ticket", Method: http.MethodPut, Path: "/tickets/" + url.PathEscape(id), JSON: set, Linked: true,
	}, &got)
	if err != nil {
		return connector.AsError("update ticket", err)
	}
	if a.flaw != trustsStatus && (got.ID != id || (set.Status != "" && got.Status != set.Status) || (set.Subject != "" && got.Subject != set.Subject)) {
		return resp.Errorf(connector.Refused, "unchanged", "the answer does not show the ticket as asked for")
	}
	return nil
}

func (a *reference) comment(ctx context.Context, ticket string, c connector.Comment) connector.CommentResult {
	body := c.Body
	if a.flaw == escapesText {
		body = strings.ReplaceAll(body, "<", "&lt;")
	}
	for _, f := range c.Attachments {
		if a.flaw != dropsFiles {
			body += "\n" + f.URL
		}
	}
	r := httpapi.Request{
		Op: "add comment", Method: http.MethodPost, Path: "/tickets/" + url.PathEscape(ticket) + "/comments", Linked: true,
		JSON: row{ExternalID: c.Key, Body: body, Public: !c.Private, HTML: c.HTML && a.flaw != showsMarkup}, Endings: map[int]connector.Ending{409: connector.Stale},
	}
	if a.flaw == commentsOnFinal {
		r.Endings = nil
	}
	var got row
	resp, err := a.call(ctx, r, &got)
	if err != nil {
		return connector.CommentResult{Err: connector.AsError("add comment", err)}
	}
	if a.flaw != trustsStatus && (got.ID == "" || got.Body != body) {
		return connector.CommentResult{Err: resp.Unclear("the answer does not show the comment")}
	}
	return connector.CommentResult{ID: got.ID}
}

func (a *reference) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	out := make([]connector.Observation, len(refs))
	for i, r := range refs {
		out[i] = a.observe(ctx, r)
	}
	return out, nil
}

func (a *reference) observe(ctx context.Context, r connector.Ref) connector.Observation {
	path, query, mine := lookup(r)
	if path == "" {
		return connector.Observation{}
	}
	if a.flaw == comparesSuffix && r.Identity.Phone != "" && r.ID == "" && r.Key == "" {
		mine = func(got row) bool {
			return strings.HasSuffix(got.Phone, strings.TrimPrefix(r.Identity.Phone, "+")) || strings.HasPrefix(r.Identity.Phone, got.Phone)
		}
	}
	if a.flaw == knowsOneForm {
		r.Phones = nil
	}
	rows, err := a.rows(ctx, r, path, query)
	if err != nil {
		if a.flaw == absentOnError {
			return connector.Observation{}
		}
		return connector.Observation{Err: connector.AsError("observe", err)}
	}
	if a.flaw == takesFirstRow && len(rows) > 0 {
		return seen(rows[0])
	}
	if a.flaw == takesTheFirst && r.Phones != nil {
		mine = func(got row) bool { return slices.Contains(r.Phones, got.Phone) }
		slices.Reverse(rows)
	}
	if i := slices.IndexFunc(rows, mine); i >= 0 {
		return seen(rows[i])
	}
	for _, form := range r.Phones {
		if i := slices.IndexFunc(rows, func(got row) bool { return got.Phone == form }); i >= 0 {
			return seen(rows[i])
		}
	}
	return connector.Observation{}
}

// rows looks for a ref's record, and then for the other forms of its number.
func (a *reference) rows(ctx context.Context, r connector.Ref, path string, query url.Values) ([]row, error) {
	op := fmt.Sprintf("observe %s", r.Kind)
	var rows []row
	_, err := a.call(ctx, httpapi.Request{Op: op, Path: path, Query: query}, &rows)
	if r.ID != "" {
		return rows, err
	}
	for _, form := range r.Phones {
		if err != nil {
			break
		}
		var more []row
		_, err = a.call(ctx, httpapi.Request{Op: op, Path: path, Query: url.Values{"phone": {form}}}, &more)
		rows = append(rows, more...)
	}
	return rows, err
}

// lookup says where a ref is looked for and which row is it.
func lookup(r connector.Ref) (path string, query url.Values, mine func(row) bool) {
	path = "/" + string(r.Kind) + "s"
	if r.Kind == connector.KindComment && r.Parent != nil {
		path = "/tickets/" + url.PathEscape(r.Parent.ID) + "/comments"
	}
	switch {
	case r.ID != "":
		return path, url.Values{"id": {r.ID}}, func(got row) bool { return got.ID == r.ID }
	case r.Key != "":
		return path, url.Values{"external_id": {r.Key}}, func(got row) bool { return got.ExternalID == r.Key }
	case r.Identity.Phone != "":
		return path, url.Values{"phone": {r.Identity.Phone}}, func(got row) bool { return got.Phone == r.Identity.Phone }
	}
	return "", nil, nil
}

func seen(r row) connector.Observation {
	o := connector.Observation{Found: !r.Deleted, ID: r.ID, Condition: connector.Active, Successor: r.MergedInto}
	switch {
	case r.MergedInto != "":
		o.Condition = connector.Gone
	case r.Status == connector.TicketSolved:
		o.Condition = connector.Closed
	case r.Status == connector.TicketClosed:
		o.Condition = connector.Final
	}
	return o
}
