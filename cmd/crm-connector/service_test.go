package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/send"
)

// patience bounds every wait for another process.
const patience = 20 * time.Second

// service does what systemd does for a unit with a socket: it holds the listening
// socket, starts the program with it as descriptor 3, and starts it again after it
// has ended.
type service struct {
	t      *testing.T
	dir    string
	socket *os.File
	admin  string
	run    *exec.Cmd
}

// newService makes a service whose configuration is complete.
func newService(t *testing.T, crmURL string) (s *service, hooks string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = listener.Close(), socket.Close() })
	s = &service{t: t, dir: t.TempDir(), socket: socket, admin: "127.0.0.1:" + freePort(t)}
	text := fmt.Sprintf("admin: {listen: %q}\nsources: [{secret: s3cret}]\n"+
		"destinations: [{adapter: sandbox, fresh_within: 100ms, settings: {url: %q}}]\n", s.admin, crmURL)
	s.write(defaultConfig, text)
	return s, "http://" + listener.Addr().String() + "/webhook"
}

func (s *service) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the program. Only the shell knows the process id that LISTEN_PID
// must name before the program is there.
func (s *service) start() {
	s.t.Helper()
	s.run = exec.Command("sh", "-c", "LISTEN_PID=$$ exec "+program+" run")
	s.run.Dir, s.run.Stderr = s.dir, s.t.Output()
	s.run.Env = append(os.Environ(), "LISTEN_FDS=1")
	s.run.ExtraFiles = []*os.File{s.socket}
	if err := s.run.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the program as systemd does, and waits for it.
func (s *service) stop() {
	s.t.Helper()
	if err := s.run.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	if err := s.run.Wait(); err != nil {
		s.t.Errorf("the program ended with %v", err)
	}
}

// serviceStatus is what the test reads of the admin API.
type serviceStatus struct {
	Ready  bool
	Config struct {
		Generation int
		Refused    string
	}
	Destinations []struct{ Backlog int }
}

// await waits until the program says of itself what is wanted.
func (s *service) await(what string, is func(serviceStatus) bool) {
	s.t.Helper()
	var last serviceStatus
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		last = serviceStatus{}
		if getJSON(s.t, "http://"+s.admin+"/api/status", &last) == nil && is(last) {
			return
		}
	}
	s.t.Fatalf("waited in vain for %s; the status is %+v", what, last)
}

func getJSON(t *testing.T, url string, into any) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(into)
}

// TestReloadOnSignalAndOnChange has a running program read its files again when it
// is told to and when they change, and say which generation is active and why.
func TestReloadOnSignalAndOnChange(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, "http://127.0.0.1:9")
	good, err := os.ReadFile(filepath.Join(s.dir, defaultConfig))
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	defer s.stop()
	generation := func(n int, refused string) func(serviceStatus) bool {
		return func(st serviceStatus) bool {
			return st.Ready && st.Config.Generation == n && (st.Config.Refused == "") == (refused == "") &&
				strings.Contains(st.Config.Refused, refused)
		}
	}
	s.await("the first generation", generation(1, ""))
	if err := s.run.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await("the second, by the signal", generation(2, ""))
	s.write(defaultConfig, string(good)+"lisen: x\n")
	s.await("a refusal, by the change", generation(2, `crm-connector.yaml:4:1: unknown key "lisen"; did you mean "listen"?`))
	if m := s.metrics(); !strings.Contains(m, "config_refused 1\n") || !strings.Contains(m, "config_generation 2\n") {
		t.Errorf("the metrics don't say that a configuration is refused:\n%s", m)
	}
	s.write(defaultConfig, string(good)+"businesses: []\n")
	s.await("the third, by the change", generation(3, ""))
	if m := s.metrics(); !strings.Contains(m, "config_refused 0\n") || !strings.Contains(m, "config_generation 3\n") {
		t.Errorf("the metrics don't say that the third configuration is active:\n%s", m)
	}
}

// metrics gives what a monitor reads.
func (s *service) metrics() string {
	s.t.Helper()
	answer, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// once takes from a request what lets the client send it again by itself: a broken
// connection must not stay hidden.
type once struct{ http.RoundTripper }

func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.GetBody = nil
	return o.RoundTripper.RoundTrip(r)
}

// TestUpgradeUnderLoad replaces the running program three times while webhooks
// come in over kept connections and new ones: none may be refused, broken or
// answered with anything but 200, and every message must reach the CRM once.
func TestUpgradeUnderLoad(t *testing.T) {
	t.Parallel()
	sandbox := httptest.NewServer(crm.New(crm.Options{Settings: crm.DefaultSettings()}).Handler())
	t.Cleanup(sandbox.Close)
	s, hooks := newService(t, sandbox.URL)
	s.start()
	defer func() { s.stop() }()
	s.await("the first program", func(st serviceStatus) bool { return st.Ready })

	ctx, enough := context.WithCancel(t.Context())
	reports := make(chan send.Report, 2)
	for i, keep := range []bool{true, false} {
		go func() {
			report, _ := send.Run(ctx, load(hooks, i, keep)) // It ends by being cancelled.
			reports <- report
		}()
	}
	for range 3 {
		pause(t, 300*time.Millisecond)
		s.stop()
		s.start()
		s.await("the next program", func(st serviceStatus) bool { return st.Ready })
	}
	pause(t, 300*time.Millisecond)
	enough()
	sent := 0
	for range 2 {
		r := <-reports
		sent += r.OK
		if r.OK == 0 || r.OK != r.Sent || r.OK != r.Answers["200 accepted"] {
			t.Errorf("the answers are %v, want only 200 accepted", r.Answers)
		}
		t.Logf("%d answered, the slowest within %.0f ms", r.OK, r.Max)
	}
	s.await("an empty backlog", func(st serviceStatus) bool { return len(st.Destinations) == 1 && st.Destinations[0].Backlog == 0 })
	checkBoard(t, sandbox.URL, sent)
}

// load are webhooks without an end that come from customers of their own.
func load(url string, number int, keep bool) send.Options {
	transport := &http.Transport{MaxIdleConnsPerHost: 4, DisableKeepAlives: !keep}
	return send.Options{
		URL: url, Secret: "s3cret", Count: 1 << 30, Rate: 300, Conversations: 20, Connections: 4,
		Types: []connector.EventType{connector.MessageReceived}, Kind: "text", Dialect: "developer",
		Name: fmt.Sprintf("load%d", number), Start: time.Now().Add(-time.Hour).Truncate(time.Second),
		Client: &http.Client{Transport: once{transport}, Timeout: patience},
	}
}

// checkBoard compares the CRM with what was answered. A message whose answer the
// end of the load cut off may be there as well.
func checkBoard(t *testing.T, url string, answered int) {
	t.Helper()
	var board struct{ Contacts, Tickets, Comments int }
	if err := getJSON(t, url+"/api/board", &board); err != nil {
		t.Fatal(err)
	}
	inFlight := 8
	if board.Contacts != 20 || board.Tickets != 20 || board.Comments < answered || board.Comments > answered+inFlight {
		t.Errorf("the CRM has %+v, want 20 contacts, 20 tickets and %d comments", board, answered)
	}
}

// pause lets the other processes work for a while.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}
