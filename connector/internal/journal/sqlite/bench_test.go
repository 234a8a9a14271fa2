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
			appendMany(b, j, b.N, callers, conversation)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAppendBroadcast measures the receipts of a campaign to 100,000
// recipients in no order, so that neighbours in time touch customers far apart.
func BenchmarkAppendBroadcast(b *testing.B) {
	j := openBench(b)
	b.ResetTimer()
	appendMany(b, j, b.N, 128, broadcast)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// broadcast is a receipt of a campaign: first all are sent, then delivered, then
// read.
func broadcast(i int64) journal.Entry {
	const recipients = 100_003 // a prime, so that the steps reach everybody
	statuses := []connector.Status{connector.StatusSent, connector.StatusDelivered, connector.StatusRead}
	status := statuses[i/recipients%3]
	e := conversation(i)
	recipient := i * 7919 % recipients
	e.Event.Type = connector.EventType("message." + string(status))
	e.Event.Identity.Phone = fmt.Sprintf("+9188%08d", recipient)
	e.Event.Message = &connector.Message{ID: fmt.Sprintf("campaign-%d", recipient), Status: status}
	e.Raw = fmt.Appendf(nil, `{"event":%q,"data":{"message_id":%q,"n":%d}}`, e.Event.Type, e.Event.Message.ID, i)
	e.Routes[0].Lane = connector.LaneState
	return e
}

// BenchmarkClaimWrite measures a round of 100 customers with three events each:
// the claim, and the commit of all outcomes and links.
func BenchmarkClaimWrite(b *testing.B) {
	j := openBench(b)
	appendMany(b, j, 300*b.N, 128, conversation)
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

func appendMany(b *testing.B, j *sqlite.Journal, n, callers int, entry func(int64) journal.Entry) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := j.Append(context.Background(), j.Mark(), []journal.Entry{entry(i)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// conversation is one of three events of each customer, shuffled over 1,000
// customers at a time.
func conversation(i int64) journal.Entry {
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
