package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite"
)

// BenchmarkAppend measures one event of a conversation, from so many callers at
// once. They share commits, so more callers cost less each.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			j := openBench(b)
			b.ResetTimer()
			appendMany(b, j, b.N, callers)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkClaimWrite measures a round of 100 customers with three events each:
// the claim, and the commit of all outcomes and links.
func BenchmarkClaimWrite(b *testing.B) {
	j := openBench(b)
	appendMany(b, j, 300*b.N, 128)
	b.ResetTimer()
	for range b.N {
		claims, err := j.Claim(b.Context(), journal.ClaimRequest{
			Destination: "crm", Now: time.Now(), Customers: 100, Events: 100,
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Write(b.Context(), "crm", delivered(claims)); err != nil {
			b.Fatal(err)
		}
	}
}

func openBench(b *testing.B) *sqlite.Journal {
	b.Helper()
	j, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "journal.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = j.Close() })
	return j
}

func appendMany(b *testing.B, j *sqlite.Journal, n, callers int) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := j.Append(context.Background(), j.Mark(), []journal.Entry{benchEntry(i)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// benchEntry is one of three events of each customer, shuffled over 1,000
// customers at a time.
func benchEntry(i int64) journal.Entry {
	customer := i/3000*1000 + i%1000
	id := fmt.Sprintf("wamid.HBgLMTU1NTU1NTU1NTUVAgARGBI%d", i)
	phone := fmt.Sprintf("+9188%08d", customer)
	at := time.Now().Truncate(time.Second)
	return journal.Entry{
		Raw: fmt.Appendf(nil, `{"event":"message.received","timestamp":%d,"data":{"message_id":%q,"sender":%q,`+
			`"recipient":"15550199999","type":"text","body":"Hi there! I need pricing info for my order."}}`,
			at.Unix(), id, phone),
		Event: connector.Event{
			Source: "main", Type: connector.MessageReceived, Time: at, Account: "15550199999",
			Identity: connector.Identity{Phone: phone}, Message: &connector.Message{ID: id, Type: "text"},
		},
		Routes: []journal.Route{{Destination: "crm", Lane: connector.LaneThread}},
	}
}

func delivered(claims []journal.Claim) *journal.Delta {
	d := &journal.Delta{}
	now := time.Now()
	for i := range claims {
		c := &claims[i]
		for k := range c.Events {
			key := journal.PendingKey{Customer: c.Customer.ID, Event: c.Events[k].Event.ID}
			d.Outcomes = append(d.Outcomes, journal.Outcome{PendingKey: key, State: journal.StateDelivered, At: now})
			d.Link = append(d.Link, journal.Link{
				LinkKey: journal.LinkKey{Customer: c.Customer.ID, Kind: connector.KindComment, Key: fmt.Sprint(key.Event)},
				ID:      "42", Ticket: "t",
			})
		}
		d.Release = append(d.Release, journal.Release{Customer: c.Customer.ID})
	}
	return d
}
