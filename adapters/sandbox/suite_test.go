package sandbox_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/adaptertest"
	"github.com/crm-connector/crm-connector/adapters/sandbox"
	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
)

// TestSuite runs the conformance suite in each way that the sandbox can be
// configured.
func TestSuite(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		config string
		change func(*crm.Settings)
	}{
		"plain":       {"", func(*crm.Settings) {}},
		"unique keys": {"unique_keys: true", func(s *crm.Settings) { s.UniqueKeys = true }},
		"unguarded":   {"guarded: false", func(*crm.Settings) {}},
		"whole":       {"", func(s *crm.Settings) { s.Batch = crm.BatchWhole }},
		"jobs":        {"", func(s *crm.Settings) { s.Batch = crm.BatchJob }},
		"keyed jobs":  {"unique_keys: true", func(s *crm.Settings) { s.Batch, s.UniqueKeys = crm.BatchJob, true }},
		"lag":         {"lag: 50ms", func(s *crm.Settings) { s.Lag = crm.Duration(50 * time.Millisecond) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, suite(c.config, c.change))
		})
	}
}

// suite says how the conformance suite meets a sandbox of some configuration.
func suite(config string, change func(*crm.Settings)) adaptertest.Config {
	bad := connector.Write{Custom: connector.Fields{"No Such Field": "x"}}
	return adaptertest.Config{
		New:        func(deps connector.Deps) (adaptertest.Bench, error) { return fresh(config, change, deps) },
		Secrets:    []string{testToken},
		BadContact: bad,
		BadTicket:  bad,
		Reads: func(r *http.Request) bool {
			return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search")
		},
		Endings: map[int]connector.Ending{
			http.StatusNotFound: connector.Broken, http.StatusMethodNotAllowed: connector.Broken,
		},
		Answers: answers(),
		DaySpent: &adaptertest.Answer{
			Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7200"}},
			Body: `{"error":{"code":"quota_spent"}}`, Want: connector.Broken, Wait: 2 * time.Hour,
		},
	}
}

// answers are the sandbox's own, for what its faults do not reach.
func answers() []adaptertest.Answer {
	item := func(code string) string { return `{"results":[{"status":"error","error":{"code":"` + code + `"}}]}` }
	return []adaptertest.Answer{
		{Name: "locked", Status: 207, Body: item("locked"), To: connector.KindContact, Want: connector.Retry},
		{Name: "a code of tomorrow", Status: 207, Body: item("unheard_of"), To: connector.KindTicket, Want: connector.Refused},
		{Name: "contact gone", Status: 207, Body: item("contact_gone"), To: connector.KindTicket, Want: connector.Stale},
		{Name: "refused whole", Status: 422, Body: `{"error":{"code":"invalid_batch"}}`, To: connector.KindTicket, Want: connector.Refused},
		{Name: "a job", Status: 202, Body: `{"job":{"id":"job-7"}}`, To: connector.KindContact, Want: connector.Pending},
		{Name: "a job without a name", Status: 202, Body: `{"job":{}}`, To: connector.KindContact, Want: connector.Ambiguous},
		{Name: "no results", Status: 200, Body: `{"results":[]}`, To: connector.KindContact, Want: connector.Ambiguous},
		{Name: "neither yes nor no", Status: 200, Body: `{"results":[{}]}`, To: connector.KindContact, Want: connector.Ambiguous},
		{Name: "another record", Status: 200, Body: `{"results":[{"status":"ok","record":{"id":"9","external_id":"someone"}}]}`, To: connector.KindContact, Want: connector.Ambiguous},
	}
}

func fresh(config string, change func(*crm.Settings), deps connector.Deps) (adaptertest.Bench, error) {
	var jobs jobs
	o := crm.Options{Token: testToken, Settings: crm.DefaultSettings()}
	change(&o.Settings)
	if o.Settings.Batch == crm.BatchJob {
		o.AfterFunc = jobs.add
	}
	s := crm.New(o)
	web := httptest.NewServer(s.Handler())
	a, err := sandbox.New(settings("url: "+web.URL+"\ntoken: "+testToken+"\n"+config), deps)
	if err != nil {
		web.Close()
		return adaptertest.Bench{}, err
	}
	agent := agent{s.Handler()}
	b := adaptertest.Bench{
		Adapter: a, Stop: web.Close, Count: agent.count, Show: agent.show,
		Solve:  func(id string) { agent.do("PUT", "/api/tickets/"+id+"/status", `{"status":"solved"}`, nil) },
		Finish: func(id string) { agent.do("PUT", "/api/tickets/"+id+"/status", `{"status":"closed"}`, nil) },
		Delete: func(kind connector.Kind, id string) { agent.do("DELETE", "/api/"+string(kind)+"s/"+id, "", nil) },
		Merge: func(kind connector.Kind, id, into string) {
			agent.do("POST", "/api/"+string(kind)+"s/"+id+"/merge", `{"into":"`+into+`"}`, nil)
		},
		Unchanged: func(on bool) {
			_ = s.Change(func(set *crm.Settings) { set.Faults.Unchanged = map[bool]float64{true: 1}[on] })
		},
		IgnoreFilters: func(on bool) { _ = s.Change(func(set *crm.Settings) { set.IgnoreFilters = on }) },
	}
	if o.AfterFunc != nil {
		b.FinishJobs = jobs.finish
	}
	return b, nil
}

// jobs holds what the sandbox means to do later.
type jobs struct {
	mu    sync.Mutex
	later []func()
}

func (j *jobs) add(_ time.Duration, f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.later = append(j.later, f)
}

func (j *jobs) finish() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.later {
		f()
	}
	j.later = nil
}

// agent does and sees what a person does and sees.
type agent struct{ handler http.Handler }

func (a agent) do(method, path, body string, into any) bool {
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code < 300 && (into == nil || json.Unmarshal(w.Body.Bytes(), into) == nil)
}

// seen is a record as the read-back API shows it.
type seen struct {
	ID        string `json:"id"`
	Phone     string `json:"phone"`
	Name      string `json:"name"`
	Subject   string `json:"subject"`
	Status    string `json:"status"`
	ContactID string `json:"contact_id"`
	Body      string `json:"body"`
	Public    bool   `json:"public"`
	HTML      bool   `json:"html"`
	Files     []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"attachments"`
}

var tags = regexp.MustCompile(`<[^>]*>`)

// comment is one as the sandbox's page shows it.
func (s *seen) comment() adaptertest.Comment {
	c := adaptertest.Comment{ID: s.ID, Body: s.Body, Public: s.Public}
	if s.HTML {
		c.Body = html.UnescapeString(tags.ReplaceAllString(s.Body, ""))
	}
	for _, f := range s.Files {
		c.Files = append(c.Files, f.URL)
	}
	return c
}

func (a agent) list(path string) []seen {
	var all []seen
	a.do("GET", path, "", &all)
	return all
}

func (a agent) count(kind connector.Kind) int {
	if kind != connector.KindComment {
		return len(a.list("/api/" + string(kind) + "s"))
	}
	n := 0
	for _, t := range a.list("/api/tickets") {
		n += len(a.list("/api/tickets/" + t.ID + "/comments"))
	}
	return n
}

func (a agent) show(kind connector.Kind, id string) (adaptertest.Record, bool) {
	all := a.list("/api/" + string(kind) + "s")
	i := slices.IndexFunc(all, func(r seen) bool { return r.ID == id })
	if i < 0 {
		return adaptertest.Record{}, false
	}
	r := adaptertest.Record{
		Phone: all[i].Phone, Name: all[i].Name, Subject: all[i].Subject, Status: all[i].Status, Contact: all[i].ContactID,
	}
	if kind == connector.KindTicket {
		for _, c := range a.list("/api/tickets/" + id + "/comments") {
			r.Comments = append(r.Comments, c.comment())
		}
	}
	return r, true
}
