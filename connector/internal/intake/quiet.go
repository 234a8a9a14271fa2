package intake

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// quietPeriod is how long the same line is kept back after it was logged: what
// goes wrong for one webhook mostly goes wrong for thousands.
const quietPeriod = 30 * time.Second

// maxLines bounds how many different lines are remembered.
const maxLines = 256

// quietLog logs each line once in a while, with how often it would have been.
type quietLog struct {
	log     logrus.FieldLogger
	nowFunc func() time.Time

	mu    sync.Mutex
	lines map[line]*spell
}

type line struct{ message, source, reason string }

// spell is a time in which a line is kept back.
type spell struct {
	until      time.Time
	suppressed int
}

func newQuietLog(log logrus.FieldLogger, now func() time.Time) *quietLog {
	return &quietLog{log: log, nowFunc: now, lines: map[line]*spell{}}
}

// warn logs what an operator should look at when it lasts.
func (q *quietLog) warn(message, source, reason string) {
	if n, ok := q.allow(line{message, source, reason}); ok {
		q.log.WithFields(logrus.Fields{"source": source, "reason": reason, "suppressed": n}).Warn(message)
	}
}

// failure logs what keeps webhooks from being taken.
func (q *quietLog) failure(message, source string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if n, ok := q.allow(line{message, source, text}); ok {
		q.log.WithFields(logrus.Fields{"source": source, "suppressed": n}).WithError(err).Error(message)
	}
}

// allow reports whether a line may be logged now, and how many of its kind were
// kept back before.
func (q *quietLog) allow(l line) (suppressed int, ok bool) {
	now := q.nowFunc()
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.lines[l]
	if s == nil {
		if len(q.lines) >= maxLines {
			q.forget(now)
		}
		s = &spell{}
		q.lines[l] = s
	}
	if now.Before(s.until) {
		s.suppressed++
		return 0, false
	}
	suppressed, s.suppressed = s.suppressed, 0
	s.until = now.Add(quietPeriod)
	return suppressed, true
}

// forget drops the lines that are not kept back any more, or all of them.
func (q *quietLog) forget(now time.Time) {
	for l, s := range q.lines {
		if !now.Before(s.until) {
			delete(q.lines, l)
		}
	}
	if len(q.lines) >= maxLines {
		clear(q.lines)
	}
}
