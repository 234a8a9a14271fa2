package console

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Metrics is what the engine's parts tell of themselves to. Its methods are safe
// for concurrent use and don't wait. Every label has few values: names from the
// configuration, and words of the engine. None holds a customer's number or words.
type Metrics struct {
	registry *prometheus.Registry

	webhooks       *prometheus.CounterVec
	webhookSeconds *prometheus.HistogramVec
	events         *prometheus.CounterVec
	outcomes       *prometheus.CounterVec
	calls          *prometheus.CounterVec
	records        *prometheus.CounterVec
	unknown        *prometheus.CounterVec
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	quotaSeconds   *prometheus.CounterVec
}

// namespace begins the name of every metric.
const namespace = "crm_connector"

func newMetrics(c *Console) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		webhooks: counter("webhooks_total",
			"Requests for a source's path, by the status that they were answered.", "source", "status"),
		webhookSeconds: histogram("webhook_seconds",
			"How long webhooks took to be answered.", "source"),
		events: counter("events_total",
			"Elements of webhooks, by type and by what intake did with them.", "source", "type", "fate"),
		outcomes: counter("outcomes_total",
			"Events that ended at a destination, by state.", "destination", "state"),
		calls: counter("calls_total",
			"Operations asked of an adapter, by how they ended.", "destination", "op", "ending"),
		records: counter("call_records_total",
			"Records that the operations were about.", "destination", "op"),
		unknown: counter("unknown_ends_total",
			"Creates whose end nobody can know, by what was decided.", "destination", "kind", "decision"),
		requests: counter("requests_total",
			"HTTP requests to a CRM, by status; none for those without an answer, unsent for those that never left.",
			"destination", "status"),
		requestSeconds: histogram("request_seconds",
			"How long a CRM took to begin its answer.", "destination"),
		quotaSeconds: counter("quota_wait_seconds_total",
			"Time that requests waited for a free slot of the quota.", "destination"),
	}
	m.registry.MustRegister(
		m.webhooks, m.webhookSeconds, m.events, m.outcomes, m.calls, m.records, m.unknown,
		m.requests, m.requestSeconds, m.quotaSeconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&gauges{console: c},
	)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help,
		Buckets: []float64{.001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, labels)
}

// Answered counts a webhook's answer.
func (m *Metrics) Answered(source string, status int, took time.Duration) {
	m.webhooks.WithLabelValues(source, strconv.Itoa(status)).Inc()
	m.webhookSeconds.WithLabelValues(source).Observe(took.Seconds())
}

// Taken counts an element of a webhook. The type must be one of few.
func (m *Metrics) Taken(source string, kind connector.EventType, fate journal.Fate) {
	m.events.WithLabelValues(source, string(kind), string(fate)).Inc()
}

// Outcome counts an event that ended at a destination.
func (m *Metrics) Outcome(destination string, state journal.State) {
	m.outcomes.WithLabelValues(destination, string(state)).Inc()
}

// Call counts an operation that was asked of an adapter.
func (m *Metrics) Call(destination, op string, ending connector.Ending, records int) {
	m.calls.WithLabelValues(destination, op, string(ending)).Inc()
	m.records.WithLabelValues(destination, op).Add(float64(records))
}

// Unknown counts a create whose end nobody can know.
func (m *Metrics) Unknown(destination string, kind connector.Kind, decision connector.WhenUnknown) {
	m.unknown.WithLabelValues(destination, string(kind), string(decision)).Inc()
}

// Request counts an HTTP request to a CRM. The status is 0 when there was no
// answer.
func (m *Metrics) Request(destination string, status int, sent bool, waited, took time.Duration) {
	word := strconv.Itoa(status)
	switch {
	case !sent:
		word = "unsent"
	case status == 0:
		word = "none"
	default:
		m.requestSeconds.WithLabelValues(destination).Observe(took.Seconds())
	}
	m.requests.WithLabelValues(destination, word).Inc()
	m.quotaSeconds.WithLabelValues(destination).Add(waited.Seconds())
}

// gauges reads what stands now from the console's view when a monitor asks.
type gauges struct{ console *Console }

var _ prometheus.Collector = (*gauges)(nil)

// The gauges.
var (
	buildInfo    = gauge("build_info", "The version that runs.", "version", "go")
	isReady      = gauge("ready", "1 while webhooks are taken.")
	configActive = gauge("config_generation", "How many configurations have taken effect.")
	configWrong  = gauge("config_refused", "1 while the newest configuration is refused and an older one is active.")
	backlog      = gauge("backlog_events", "Events that are pending.", "destination")
	deadLetters  = gauge("dead_letters", "Events that are dead letters.", "destination")
	oldest       = gauge("oldest_pending_seconds", "Age of the oldest pending event.", "destination")
	intents      = gauge("open_intents", "Calls whose end is not known yet.", "destination")
	paused       = gauge("paused", "1 while the destination is paused.", "destination", "by")
	quotaUsed    = gauge("quota_used_calls", "Calls that count against a window now.", "destination", "window")
	quotaLimit   = gauge("quota_limit_calls", "Our share of a window.", "destination", "window")
	quarantined  = gauge("quarantined_elements", "Elements of webhooks in quarantine.")
)

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Describe names the gauges.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, isReady, configActive, configWrong, backlog, deadLetters, oldest, intents, paused,
		quotaUsed, quotaLimit, quarantined,
	} {
		ch <- d
	}
}

// countTime bounds what one scrape asks of the journal.
const countTime = 5 * time.Second

// Collect reads them.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	c := g.console
	v := c.view.Load()
	set(buildInfo, 1, c.version, runtime.Version())
	set(isReady, truth(*c.waiting.Load() == ""))
	set(configActive, float64(v.Generation))
	set(configWrong, truth(*c.refused.Load() != ""))
	ctx, cancel := context.WithTimeout(context.Background(), countTime)
	defer cancel()
	for i, d := range v.Destinations {
		name, s := d.About().Name, d.Status()
		set(paused, truth(s.Paused != "" && !s.ByOperator), name, "connector")
		set(paused, truth(s.Paused != "" && s.ByOperator), name, "operator")
		for per, w := range narrowest(s.Quota) {
			set(quotaUsed, float64(w.Used), name, per)
			set(quotaLimit, float64(w.Limit), name, per)
		}
		counts, err := v.Journal.Counts(ctx, name)
		if err != nil {
			continue // A gap in the curve says it.
		}
		set(backlog, float64(counts.Events[journal.StatePending]), name)
		set(deadLetters, float64(counts.Events[journal.StateDead]), name)
		set(oldest, age(c.nowFunc(), counts.OldestPending), name)
		set(intents, float64(counts.Intents), name)
		if i == 0 {
			set(quarantined, float64(counts.Quarantined))
		}
	}
	removed, err := v.Removed(ctx)
	if err != nil {
		return // As above.
	}
	for _, d := range removed {
		set(backlog, float64(d.Backlog), d.Name)
		set(oldest, age(c.nowFunc(), d.Oldest), d.Name)
	}
}

// narrowest gives the windows by their length. Of two of the same length only the
// narrower one ever holds a call back.
func narrowest(windows []Window) map[string]Window {
	byLength := map[string]Window{}
	for _, w := range windows {
		per := w.Per.String()
		if known, ok := byLength[per]; !ok || w.Limit < known.Limit {
			byLength[per] = w
		}
	}
	return byLength
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
