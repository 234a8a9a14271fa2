package intake_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/connector/internal/intake"
)

// stalled is a body that brings so many bytes and then nothing until it is let go.
type stalled struct {
	left int
	wait chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.wait
		return 0, http.ErrAbortHandler
	}
	n := min(s.left, len(p))
	s.left -= n
	return n, nil
}

func (s *stalled) Close() error { return nil }

func TestMalformedSignatureIsNotWorthItsBody(t *testing.T) {
	t.Parallel()
	for _, signature := range []string{"x", "sha256=", strings.Repeat("0", 63), strings.Repeat("g", 64), "MOCK_SIGNATURE"} {
		b := setup(t)
		r := httptest.NewRequest(http.MethodPost, "/webhook", nil)
		r.Header.Set("X-AISoule-Signature", signature)
		r.Body = readFirst{r.Body, func() { t.Errorf("%q: the body was read", signature) }}
		if w := b.do(r); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d, want 401", signature, w.Code)
		}
	}
}

// TestStrangersCantTakeTheMemory sends many long bodies that stall before their
// end, and with a signature that only looks like one.
func TestStrangersCantTakeTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, limit = 150, 3 << 20
		logger, _ := logtest.NewNullLogger()
		in, err := intake.New(intake.Options{
			Journal: newMemory(), Sources: []intake.Source{supportSource}, Route: toDesk, Log: logger,
			BodyLimit: limit, BodyTimeout: 20 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		let := make(chan struct{})
		var crowded sync.Map
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				r := httptest.NewRequest(http.MethodPost, "/webhook", &stalled{limit - 10, let})
				r.ContentLength = limit
				if i%2 == 0 {
					r.ContentLength = -1
				}
				r.Header.Set("X-AISoule-Signature", strings.Repeat("0", 64))
				w := httptest.NewRecorder()
				in.ServeHTTP(w, r)
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "" {
					crowded.Store(i, true)
				}
			})
		}
		synctest.Wait()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > 160<<20 {
			t.Errorf("%d MiB are held for strangers", m.HeapAlloc>>20)
		}
		w := httptest.NewRecorder()
		if in.ServeHTTP(w, signed(text(1, 0))); w.Code != http.StatusOK {
			t.Errorf("a webhook among them was answered %d", w.Code)
		}
		long := httptest.NewRecorder()
		if in.ServeHTTP(long, signed(strings.Repeat(" ", 1<<20))); long.Code != http.StatusServiceUnavailable {
			t.Errorf("a long one was answered %d while there is no room, want 503", long.Code)
		}
		synctest.Wait()
		close(let)
		wg.Wait()
		n := 0
		crowded.Range(func(any, any) bool { n++; return true })
		if n < senders-64/3 {
			t.Errorf("%d were told to come again", n)
		}
		after := httptest.NewRecorder()
		if in.ServeHTTP(after, signed(strings.Repeat(" ", 1<<20))); after.Code != http.StatusOK {
			t.Errorf("a long one afterwards was answered %d", after.Code)
		}
	})
}
