package sandbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// config is the adapter's part of a destination's configuration. sample.yaml
// shows every key with its default.
type config struct {
	URL   string           `yaml:"url"`
	Token connector.Secret `yaml:"token"`
	// UniqueKeys, Lag and Settling say how the server was started; see crm.Settings.
	UniqueKeys bool          `yaml:"unique_keys"`
	Lag        time.Duration `yaml:"lag"`
	Settling   time.Duration `yaml:"settling"`
	// Guarded uses the server's own check that a ticket is open.
	Guarded     bool          `yaml:"guarded"`
	Batch       int           `yaml:"batch"`
	Concurrency int           `yaml:"concurrency"`
	Timeout     time.Duration `yaml:"timeout"`
	Quota       quota         `yaml:"quota"`
}

// quota is how many calls the server allows in any window of a length.
type quota struct {
	Calls int           `yaml:"calls"`
	Per   time.Duration `yaml:"per"`
}

// maxBatch is how many records the server takes in one call.
const maxBatch = 100

func defaults() config {
	return config{
		URL:         "http://127.0.0.1:8081",
		Settling:    90 * time.Second,
		Guarded:     true,
		Batch:       maxBatch,
		Concurrency: 4,
		Timeout:     10 * time.Second,
		Quota:       quota{Per: 10 * time.Second},
	}
}

// validate names everything that is wrong, by key. The URL is the HTTP client's
// to check.
func (c *config) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Batch < 1 || c.Batch > maxBatch {
		wrong("batch: want 1 to %d, not %d", maxBatch, c.Batch)
	}
	if c.Concurrency < 1 {
		wrong("concurrency: want at least 1, not %d", c.Concurrency)
	}
	if c.Timeout <= 0 {
		wrong("timeout: want more than 0, not %s", c.Timeout)
	}
	if c.Settling < 0 {
		wrong("settling: a time cannot be negative")
	}
	if c.Lag < 0 {
		wrong("lag: a time cannot be negative")
	}
	if c.Quota.Calls < 0 || (c.Quota.Calls > 0 && c.Quota.Per <= 0) {
		wrong("quota: want calls, 0 for no limit, and per, longer than 0")
	}
	return errors.Join(errs...)
}
