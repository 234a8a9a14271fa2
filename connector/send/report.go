package send

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Report is what came of a run.
type Report struct {
	// Sent is how many requests were made, and OK how many were answered 200.
	Sent int `json:"sent"`
	OK   int `json:"ok"`
	// Answers counts the answers by what they were.
	Answers map[string]int `json:"answers"`
	Seconds float64        `json:"seconds"`
	Rate    float64        `json:"per_second"`
	// P50, P99 and Max are latencies of answered requests, in milliseconds.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`

	took []time.Duration
}

// describe names an answer: its status, and the word in which the connector says
// what it did.
func describe(status int, body []byte) string {
	var said struct {
		Status string `json:"status"`
	}
	name := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if json.Unmarshal(body, &said) != nil {
		return name
	}
	if word := said.Status; word != "" && len(word) < 40 {
		return fmt.Sprintf("%d %s", status, word)
	}
	return name
}

func (r *Report) add(answer string, took time.Duration) {
	r.Sent++
	r.Answers[answer]++
	if took > 0 {
		r.took = append(r.took, took)
	}
	if len(answer) > 3 && answer[:4] == "200 " {
		r.OK++
	}
}

// Answered reports whether anybody answered at all.
func (r *Report) Answered() bool { return len(r.took) > 0 }

func (r *Report) finish(all time.Duration) {
	r.Seconds = all.Seconds()
	r.Rate = float64(r.Sent) / max(r.Seconds, 1e-9)
	if len(r.took) == 0 {
		return
	}
	slices.Sort(r.took)
	at := func(part float64) float64 {
		return float64(r.took[int(part*float64(len(r.took)-1))].Microseconds()) / 1000
	}
	r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
}

// Write prints the report for a person.
func (r *Report) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d sent in %.2f s (%.0f/s)\n", r.Sent, r.Seconds, r.Rate)
	for _, answer := range slices.Sorted(maps.Keys(r.Answers)) {
		fmt.Fprintf(w, "  %7d  %s\n", r.Answers[answer], answer)
	}
	if len(r.took) > 0 {
		_, err = fmt.Fprintf(w, "latency: half within %.1f ms, 99 %% within %.1f ms, the slowest %.1f ms\n", r.P50, r.P99, r.Max)
	}
	return err
}
