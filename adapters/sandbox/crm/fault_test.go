package crm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
)

// ending is how a call ended for a client with some patience.
type ending struct {
	status int
	body   string
	// aborted says that the connection was closed, and gaveUp that the client
	// lost its patience; took is after how long.
	aborted, gaveUp bool
	took            time.Duration
}

// callFor makes a call as a client with a time-out would, inside a bubble.
func callFor(t *testing.T, s *crm.Server, patience time.Duration, method, path, body string) ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begin, w := time.Now(), httptest.NewRecorder()
	aborted := make(chan bool, 1)
	go func() {
		defer func() {
			err, _ := recover().(error)
			aborted <- errors.Is(err, http.ErrAbortHandler)
		}()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	}()
	e := ending{aborted: <-aborted, gaveUp: ctx.Err() != nil, took: time.Since(begin)}
	if !e.gaveUp && !e.aborted {
		e.status, e.body = w.Code, w.Body.String()
	}
	return e
}

const oneContact = `{"items":[{"external_id":"c","set":{"name":"Asha"}}]}`

// contacts counts the contacts through the API that never fails.
func contacts(t *testing.T, s *crm.Server) int {
	t.Helper()
	e := callFor(t, s, time.Hour, "GET", "/api/contacts", "")
	return strings.Count(e.body, `"external_id"`)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		fault  string
		check  func(*testing.T, *crm.Server, ending)
	}{
		"latency": {"the answer comes, later", "latency", func(t *testing.T, s *crm.Server, e ending) {
			if e.status != 200 || e.took == 0 || e.took > 500*time.Millisecond || contacts(t, s) != 1 {
				t.Errorf("got %+v", e)
			}
		}},
		"slow": {"the body comes in pieces", "slow", func(t *testing.T, _ *crm.Server, e ending) {
			if e.status != 200 || e.took < time.Second || !strings.Contains(e.body, "Asha") {
				t.Errorf("got %+v", e)
			}
		}},
		"hang": {"committed, never answered", "hang", func(t *testing.T, s *crm.Server, e ending) {
			if !e.gaveUp || contacts(t, s) != 1 {
				t.Errorf("got %+v", e)
			}
		}},
		"late": {"committed a minute after the client gave up", "late", func(t *testing.T, s *crm.Server, e ending) {
			if !e.gaveUp || contacts(t, s) != 0 {
				t.Errorf("at once: got %+v", e)
			}
			time.Sleep(59 * time.Second)
			synctest.Wait()
			if contacts(t, s) != 0 {
				t.Error("committed too early")
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if contacts(t, s) != 1 {
				t.Error("not committed in the end")
			}
		}},
		"storm": {"429 for a while, nothing done", "storm", func(t *testing.T, s *crm.Server, e ending) {
			if e.status != 429 || contacts(t, s) != 0 {
				t.Errorf("got %+v", e)
			}
			s.Change(func(set *crm.Settings) { set.Faults = crm.Faults{} })
			if e := callFor(t, s, time.Minute, "GET", "/v1/me", ""); e.status != 200 {
				t.Errorf("after: got %+v", e)
			}
		}},
		"outage": {"503 without a word", "outage", func(t *testing.T, s *crm.Server, e ending) {
			if e.status != 503 || !strings.Contains(e.body, "<html>") || contacts(t, s) != 0 {
				t.Errorf("got %+v", e)
			}
		}},
		"partial": {"a record is locked", "partial", func(t *testing.T, s *crm.Server, e ending) {
			if e.status != 207 || !strings.Contains(e.body, `"locked"`) || contacts(t, s) != 0 {
				t.Errorf("got %+v", e)
			}
		}},
		"unchanged": {"ok, and nothing there", "unchanged", func(t *testing.T, s *crm.Server, e ending) {
			if e.status != 200 || !strings.Contains(e.body, `"record":null`) || contacts(t, s) != 0 {
				t.Errorf("got %+v", e)
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := crm.Options{Settings: crm.DefaultSettings()}
				if err := o.Settings.Faults.Set(c.fault, 1); err != nil {
					t.Fatal(err)
				}
				s := crm.New(o)
				t.Log(c.reason)
				c.check(t, s, callFor(t, s, 10*time.Second, "POST", "/v1/contacts/batch", oneContact))
			})
		})
	}
}

// TestFaultsBeforeAndAfter sees both sides of the faults that may come before or
// after the commit, and that 503 always means nothing happened.
func TestFaultsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"reset", "error"} {
		synctest.Test(t, func(t *testing.T) {
			o := crm.Options{Settings: crm.DefaultSettings(), Seed: 7}
			if err := o.Settings.Faults.Set(fault, 1); err != nil {
				t.Fatal(err)
			}
			s, before, after := crm.New(o), 0, 0
			for range 60 {
				had := contacts(t, s)
				e := callFor(t, s, time.Minute, "POST", "/v1/contacts/batch", oneContact)
				if contacts(t, s) > had {
					after++
				} else {
					before++
				}
				if e.status == 503 && contacts(t, s) > had {
					t.Error("503 after a commit")
				}
				if (fault == "reset") != e.aborted {
					t.Errorf("%s: got %+v", fault, e)
				}
			}
			if before < 10 || after < 10 {
				t.Errorf("%s: %d before and %d after the commit, want both", fault, before, after)
			}
		})
	}
}

func TestSeedRepeats(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		var story strings.Builder
		synctest.Test(t, func(t *testing.T) {
			s := crm.New(crm.Options{Seed: seed, Settings: crm.Settings{Faults: crm.AllFaults(0.2)}})
			for range 40 {
				e := callFor(t, s, time.Second, "POST", "/v1/contacts/batch", oneContact)
				story.WriteString(http.StatusText(e.status) + e.took.String())
			}
		})
		return story.String()
	}
	first := run(1)
	if run(1) != first {
		t.Error("one seed gave two stories")
	}
	if run(2) == first {
		t.Error("two seeds gave one story")
	}
}

// TestOverTheWire sees what only a real connection shows: resets and refusals.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	s := crm.New(crm.Options{Settings: crm.Settings{Down: "refuse"}})
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	get := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return web.Client().Do(r)
	}
	if resp, err := get("/v1/me"); err == nil {
		resp.Body.Close()
		t.Errorf("a refused connection answered %d", resp.StatusCode)
	}
	resp, err := get("/api/stats")
	if err != nil {
		t.Fatalf("the tests' own API failed: %v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(body), `"calls":1`) {
		t.Errorf("stats: %s", body)
	}
	if err := s.Change(func(set *crm.Settings) { set.Down = "503" }); err != nil {
		t.Fatal(err)
	}
	resp, err = get("/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("down: got %d", resp.StatusCode)
	}
}
