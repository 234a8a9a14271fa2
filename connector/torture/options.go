package torture

import (
	"cmp"
	"errors"
	"os"
	"time"

	"github.com/spf13/pflag"
)

// Options say how a run goes. Defaults gives a full one.
type Options struct {
	// Program is the connector's binary; by default the one that runs.
	Program string `json:"-"`
	// Seed chooses the webhooks, their order and the moments of the kills.
	Seed uint64 `json:"seed"`

	// Conversations is how many customers write, Messages how many messages each,
	// and Replies how many of the business's messages each gets receipts for.
	// Strangers get such receipts and never write.
	Conversations int `json:"conversations"`
	Messages      int `json:"messages"`
	Replies       int `json:"replies"`
	Strangers     int `json:"strangers"`
	// Copies is the part of all webhooks that is sent twice.
	Copies float64 `json:"copies"`
	// Connections is how many webhooks are in flight at once.
	Connections int `json:"connections"`
	// Duration makes the customers go on writing for so long.
	Duration time.Duration `json:"duration"`

	// Faults is the probability of every fault of the CRM for each call, until
	// everything is delivered or FaultsFor after the last webhook.
	Faults    float64       `json:"faults"`
	FaultsFor time.Duration `json:"faults_for"`
	// Kills is how often the connector is killed, and KillEvery about how often. With
	// Kills alone the moments are spread over the sending; with KillEvery they go on
	// until everything is delivered.
	Kills     int           `json:"kills"`
	KillEvery time.Duration `json:"kill_every"`
	// Quota is what the CRM sells.
	Quota Quota `json:"quota"`

	// UniqueKeys, Guarded, Batch, Lag and LateBy say what the sandbox is like. Records
	// is how many it is given in one call: with few there are many calls.
	UniqueKeys bool          `json:"unique_keys"`
	Guarded    bool          `json:"guarded"`
	Batch      string        `json:"batch"`
	Records    int           `json:"records"`
	Lag        time.Duration `json:"lag"`
	LateBy     time.Duration `json:"late_by"`
	// Mapping, Timeout, Settling and Fresh are in the connector's configuration.
	Mapping  string        `json:"mapping"`
	Timeout  time.Duration `json:"timeout"`
	Settling time.Duration `json:"settling"`
	Fresh    time.Duration `json:"fresh_within"`

	// Patience is how long the connector may take after the last webhook.
	Patience time.Duration `json:"patience"`
	// Dir is where the run's files go, by default a new temporary directory. Keep
	// leaves it there also after a good run.
	Dir  string `json:"-"`
	Keep bool   `json:"-"`
	// Tell, if not nil, is told what happens now.
	Tell func(what string) `json:"-"`
}

// defaultMapping is the one whose every effect the judge knows.
const defaultMapping = "builtin:support-desk"

// Defaults gives the options of a full run without faults and kills.
func Defaults() Options {
	return Options{
		Seed: 1, Conversations: 1000, Messages: 10, Replies: 2, Strangers: 100, Copies: 0.1, Connections: 64,
		FaultsFor: 2 * time.Minute, Guarded: true, Batch: "each", Records: 100, LateBy: 6 * time.Second,
		Mapping: defaultMapping, Timeout: 2 * time.Second, Settling: 10 * time.Second, Fresh: 2 * time.Second,
		Patience: 10 * time.Minute, Quota: Quota{Kind: "sliding"},
	}
}

// Register makes a command-line flag of every option, with what the options hold
// as defaults.
func (o *Options) Register(fs *pflag.FlagSet) {
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "start of the randomness; the same seed sends the same webhooks")
	fs.IntVar(&o.Conversations, "conversations", o.Conversations, "how many customers write")
	fs.IntVar(&o.Messages, "messages", o.Messages, "how many messages each of them writes")
	fs.IntVar(&o.Replies, "replies", o.Replies, "how many of the business's messages each gets receipts for")
	fs.IntVar(&o.Strangers, "strangers", o.Strangers, "how many more get receipts and never write")
	fs.Float64Var(&o.Copies, "copies", o.Copies, "part of the webhooks that is sent twice")
	fs.IntVar(&o.Connections, "connections", o.Connections, "how many webhooks are in flight at once")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "go on for so long rather than for so many messages")
	fs.Float64Var(&o.Faults, "faults", o.Faults, "probability of every fault of the CRM, like 0.05")
	fs.DurationVar(&o.FaultsFor, "faults-for", o.FaultsFor, "how long after the last webhook the faults go on at most")
	fs.IntVar(&o.Kills, "kills", o.Kills, "how often the connector is killed")
	fs.DurationVar(&o.KillEvery, "kill-every", o.KillEvery, "kill it about so often until everything is delivered")
	fs.Var(&o.Quota, "quota", "what the CRM sells, like 100/10s or 100/10s/fixed")
	fs.BoolVar(&o.UniqueKeys, "unique-keys", o.UniqueKeys, "the CRM's external ids are unique")
	fs.BoolVar(&o.Guarded, "guarded", o.Guarded, "the CRM refuses comments on closed tickets when asked to")
	fs.StringVar(&o.Batch, "batch", o.Batch, "how the CRM answers batches: each, whole or job")
	fs.IntVar(&o.Records, "records", o.Records, "how many records a call may carry; with few there are many calls")
	fs.DurationVar(&o.Lag, "lag", o.Lag, "how long a new record stays invisible to the CRM's search")
	fs.DurationVar(&o.LateBy, "late-by", o.LateBy, "how long after the time-out the CRM commits a late call")
	fs.StringVar(&o.Mapping, "mapping", o.Mapping, "the connector's mapping; messages' texts must reach a comment")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long a call to the CRM may take")
	fs.DurationVar(&o.Settling, "settling", o.Settling, "how long after the time-out the connector reckons with a late commit")
	fs.DurationVar(&o.Fresh, "fresh-within", o.Fresh, "how long the connector may collect receipts")
	fs.DurationVar(&o.Patience, "patience", o.Patience, "how long the connector may take after the last webhook")
	fs.StringVar(&o.Program, "program", o.Program, "`binary` of the connector (default: this one)")
	fs.StringVar(&o.Dir, "dir", o.Dir, "`directory` for the run's files (default: a temporary one)")
	fs.BoolVar(&o.Keep, "keep", o.Keep, "leave the run's files there also when all is well")
}

// Validate names everything that is wrong with the options, and fills in what
// they leave open.
func (o *Options) Validate() error {
	var errs []error
	wrong := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	wrong(o.Conversations < 1 || o.Messages < 1 || o.Connections < 1, "conversations, messages and connections must be above 0")
	wrong(o.Records < 1 || o.Records > 100, "records must be from 1 to 100")
	wrong(o.Replies < 0 || o.Strangers < 0 || o.Kills < 0, "replies, strangers and kills must not be negative")
	wrong(!(o.Copies >= 0 && o.Copies <= 1), "copies must be from 0 to 1")
	wrong(!(o.Faults >= 0 && o.Faults < 1), "faults must be from 0 to below 1")
	wrong(o.Duration < 0 || o.KillEvery < 0 || o.Lag < 0 || o.FaultsFor < 0, "times must not be negative")
	wrong(o.Timeout <= 0 || o.LateBy <= 0 || o.Fresh <= 0 || o.Patience <= 0, "timeout, late-by, fresh-within and patience must be above 0")
	wrong(o.Settling <= o.LateBy, "settling must be longer than late-by: the connector can't expect what it isn't told of")
	if o.Program == "" {
		path, err := os.Executable()
		wrong(err != nil, "the program's own file can't be found; name it")
		o.Program = path
	}
	o.Batch, o.Mapping = cmp.Or(o.Batch, "each"), cmp.Or(o.Mapping, defaultMapping)
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	return errors.Join(errs...)
}
