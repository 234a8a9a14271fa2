package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"
)

// world is the connector and the CRM of a run, with their files.
type world struct {
	o   Options
	dir string
	// hook, admin and crm are the addresses of the webhook, the connector's pages
	// and the sandbox.
	hook, admin, crm string
	connector        *child
	sandbox          *child
}

// token is what the sandbox asks for.
const token = "torture-token"

// newWorld makes the directory and the configuration.
func newWorld(o Options) (*world, error) {
	w := &world{o: o, dir: o.Dir}
	var err error
	if w.dir == "" {
		w.dir, err = os.MkdirTemp("", "crm-connector-torture-")
	} else {
		err = os.MkdirAll(w.dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	at, err := freeAddresses(context.Background(), 3)
	if err != nil {
		return nil, err
	}
	w.hook, w.admin, w.crm = "http://"+at[0]+"/webhook", "http://"+at[1], "http://"+at[2]
	file := filepath.Join(w.dir, "crm-connector.yaml")
	var config bytes.Buffer
	if o.Mapping, err = place(o.Mapping); err != nil {
		return nil, err
	}
	err = configuration.Execute(&config, map[string]any{
		"Listen": at[0], "Admin": at[1], "CRM": w.crm, "Data": filepath.Join(w.dir, "data"),
		"Secret": secret, "Token": token, "O": o,
	})
	if err == nil {
		err = os.WriteFile(file, config.Bytes(), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	w.connector = newChild(o.Program, w.dir, "run", "run", "--config", file)
	w.sandbox = newChild(o.Program, w.dir, "sandbox", sandboxFlags(&o, at[2])...)
	return w, nil
}

// place gives a mapping's file its whole path.
func place(mapping string) (string, error) {
	if filepath.Ext(mapping) == "" {
		return mapping, nil
	}
	return filepath.Abs(mapping)
}

var configuration = template.Must(template.New("configuration").Parse(`listen: {{.Listen}}
admin:
  listen: {{.Admin}}
data: {{printf "%q" .Data}}
sources:
  - path: /webhook
    secret: {{.Secret}}
destinations:
  - name: crm
    adapter: sandbox
    settings:
      url: {{.CRM}}
      token: {{.Token}}
      unique_keys: {{.O.UniqueKeys}}
      guarded: {{.O.Guarded}}
      batch: {{.O.Records}}
      lag: {{.O.Lag}}
      settling: {{.O.Settling}}
      timeout: {{.O.Timeout}}
{{- if .O.Quota.Calls}}
      quota: {calls: {{.O.Quota.Calls}}, per: {{.O.Quota.Per}}}
{{- end}}
    mapping: {{printf "%q" .O.Mapping}}
    fresh_within: {{.O.Fresh}}
`))

// sandboxFlags are the arguments of the sandbox. Its faults come later.
func sandboxFlags(o *Options, address string) []string {
	args := []string{
		"sandbox", "--listen", address, "--token", token, "--seed", strconv.FormatUint(o.Seed, 10),
		"--unique-keys=" + strconv.FormatBool(o.UniqueKeys), "--batch", o.Batch,
		"--lag", o.Lag.String(), "--late-by", o.LateBy.String(),
		"--slowest", (o.Timeout / 4).String(), "--drip", o.Timeout.String(),
	}
	if q := o.Quota; q.Calls > 0 {
		args = append(args, "--quota", strconv.Itoa(q.Calls), "--quota-window", q.Per.String(), "--quota-kind", q.Kind)
	}
	return args
}

// start starts both processes and waits until they are ready.
func (w *world) start(ctx context.Context) error {
	for _, c := range []struct {
		*child
		url string
	}{{w.sandbox, w.crm + "/api/stats"}, {w.connector, w.admin + "/readyz"}} {
		if err := c.start(); err != nil {
			return err
		}
		if err := c.await(ctx, c.url); err != nil {
			return err
		}
	}
	return nil
}

// close ends both processes.
func (w *world) close() {
	w.connector.kill()
	w.sandbox.kill()
}

// faults sets the probability of every fault of the CRM.
func (w *world) faults(ctx context.Context, p float64) error {
	body, err := json.Marshal(map[string]float64{"faults": p})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, w.crm+"/api/control", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return do(request, nil)
}

// status is what the connector says of itself.
type status struct {
	Journal struct {
		Accepted    int `json:"accepted"`
		Quarantined int `json:"quarantined"`
	} `json:"journal"`
	Destinations []destination `json:"destinations"`
}

// destination is how the CRM's account is doing.
type destination struct {
	State  string `json:"state"`
	Paused *struct {
		Why string `json:"why"`
	} `json:"paused"`
	Backlog  int            `json:"backlog"`
	Outcomes map[string]int `json:"outcomes"`
	Unknown  int            `json:"unknown_ends"`
}

// drain waits until the connector has nothing left to do, ends the kills with
// settled, and leaves a CRM without faults.
func (w *world) drain(ctx context.Context, settled func()) error {
	patience, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	calm := time.Now().Add(w.o.FaultsFor)
	faulty := w.o.Faults > 0
	for {
		if faulty && time.Now().After(calm) {
			if err := w.faults(ctx, 0); err != nil {
				return err
			}
			faulty = false
		}
		var s status
		err := get(patience, w.admin+"/api/status", &s)
		if err == nil && len(s.Destinations) == 1 && s.Destinations[0].Backlog == 0 {
			break
		}
		select {
		case <-patience.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			w.o.Tell("patience is at an end")
		case <-time.After(200 * time.Millisecond):
			continue
		}
		break
	}
	settled()
	return w.faults(ctx, 0)
}

// settle waits until what the CRM may still commit late is committed.
func (w *world) settle(ctx context.Context) error {
	w.o.Tell("waiting for what the CRM may still commit late")
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(w.o.Timeout + w.o.LateBy + time.Second):
		return nil
	}
}

// get reads JSON from one of the processes.
func get(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return do(request, into)
}

func do(request *http.Request, into any) error {
	reply, err := web.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", request.URL.Path, err)
	case reply.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answered %d", request.URL.Path, reply.StatusCode)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", request.URL.Path, err)
	}
	return nil
}
