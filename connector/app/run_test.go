package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

func quiet() logrus.FieldLogger {
	logger, _ := logtest.NewNullLogger()
	return logger
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	b := started(t)
	c, err := b.load()
	if err != nil {
		t.Fatal(err)
	}
	second, err := app.New(app.Options{
		Config: c, Adapters: adapters.All(), Log: quiet(), Listener: b.listen(), AdminListener: b.listen(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("the second one ended with %v, want that the journal is in use", err)
	}
}

func TestTakenAddressIsRefused(t *testing.T) {
	t.Parallel()
	b := started(t)
	c, err := b.load()
	if err != nil {
		t.Fatal(err)
	}
	c.Listen = strings.TrimPrefix(b.hooks, "http://")
	second, err := app.New(app.Options{Config: c, Adapters: adapters.All(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen for webhooks") {
		t.Errorf("the second one ended with %v", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.Developer
	if code := b.ask(http.MethodPost, b.pages+"/api/destinations/desk/pause", `{"reason":"the CRM is being moved"}`, nil); code != http.StatusOK {
		t.Fatalf("pause was answered %d", code)
	}
	b.accept(message(1, 0, d), d)
	b.stop()
	b.start()
	s := b.status()
	if s.Destinations[0].State != "paused" || s.Destinations[0].Backlog != 1 || len(b.contacts()) > 0 {
		t.Errorf("a pause that a person began must outlast a restart: %+v", s)
	}
	if code := b.ask(http.MethodPost, b.pages+"/api/destinations/desk/resume", "", nil); code != http.StatusOK {
		t.Fatalf("resume was answered %d", code)
	}
	b.settle()
	if n := len(b.bodies()); n != 1 {
		t.Errorf("%d comments after the pause", n)
	}
}

func TestStopBreaksNoRequest(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.Developer
	b.accept(message(0, 0, d), d)
	asked := make(chan error, 1)
	sending := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for n := 1; ; n++ {
			if n == 20 {
				close(sending)
			}
			if err := b.sendOnce(ctx, client, n); err != nil {
				asked <- err
				return
			}
		}
	}()
	<-sending
	b.stop()
	err := <-asked
	if failed, ok := errors.AsType[*net.OpError](err); !ok || failed.Op != "dial" {
		t.Errorf("a request ended with %v; want answers until no connection can be made", err)
	}
}

// sendOnce sends a webhook and reads the answer; it must be 200.
func (b *bundle) sendOnce(ctx context.Context, client *http.Client, n int) error {
	body := message(0, n, sample.Developer)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.hooks+"/webhook", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set(sample.Sign(secret, body, sample.Developer))
	request.GetBody = nil // The client must not hide a broken connection by sending again.
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func TestAdminShowsNoNumbersInListsAndLogs(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.App
	a := b.accept(message(1, 0, d), d)
	b.settle()
	phone, words := sample.Phone(1), "Message 1 of customer"
	for _, path := range []string{"/api/events", "/api/status", "/api/quarantine", "/metrics"} {
		var said string
		if code := b.ask(http.MethodGet, b.pages+path, "", &said); code != http.StatusOK {
			t.Errorf("%s was answered %d", path, code)
		}
		if strings.Contains(said, phone) || strings.Contains(said, words) {
			t.Errorf("%s shows a customer's number or words", path)
		}
	}
	var event struct {
		Phone    string
		Outcomes []struct{ Destination, State string }
		Webhook  struct{ Event string }
	}
	b.ask(http.MethodGet, b.pages+fmt.Sprintf("/api/events/%d", a.ID), "", &event)
	if event.Phone != "+"+phone || event.Webhook.Event != "message.incoming" ||
		len(event.Outcomes) != 1 || event.Outcomes[0].Destination != "desk" || event.Outcomes[0].State != "delivered" {
		t.Errorf("one event is shown as %+v", event)
	}
	for _, entry := range b.log.AllEntries() {
		line, err := entry.String()
		if err != nil || strings.Contains(line, phone) || strings.Contains(line, words) {
			t.Errorf("the log says %s %v", line, err)
		}
	}
}

func TestUnreachableCRMIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	address := strings.TrimPrefix(b.crm.URL, "http://")
	b.crm.Close()
	b.start()
	said := func(words string) int {
		n := 0
		for _, entry := range b.log.AllEntries() {
			if strings.Contains(entry.Message, words) {
				n++
			}
		}
		return n
	}
	b.accept(message(1, 0, sample.Developer), sample.Developer)
	b.await("a warning", func() bool { return said("does not serve our calls") == 1 })
	back, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b.sandbox.Handler(), ReadHeaderTimeout: patience}
	go server.Serve(back)
	t.Cleanup(func() { _ = server.Close() })
	b.settle()
	if a, again := said("does not serve our calls"), said("serves our calls again"); a != 1 || again != 1 {
		t.Errorf("the failure was told %d times and its end %d times, want once each", a, again)
	}
}
