package torture

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// child is a process of the program: the connector or the sandbox.
type child struct {
	name    string
	program string
	args    []string
	// log is the file that its output goes to.
	log string

	mu    sync.Mutex
	run   *exec.Cmd
	ended chan struct{}
	fail  func(error)
	// meant says that the process is being killed on purpose.
	meant bool
}

// start starts the process.
func (c *child) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of the %s: %w", c.name, err)
	}
	defer out.Close() //nolint:errcheck // The process has its own handle.
	cmd := exec.CommandContext(context.Background(), c.program, c.args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the %s: %w", c.name, err)
	}
	c.run, c.ended, c.meant = cmd, make(chan struct{}), false
	go c.watch(cmd, c.ended)
	return nil
}

// watch waits for the process's end and tells of one that nobody meant.
func (c *child) watch(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	c.mu.Lock()
	meant, fail := c.meant, c.fail
	c.mu.Unlock()
	close(ended)
	if !meant && fail != nil {
		fail(fmt.Errorf("the %s ended by itself: %w\n%s", c.name, err, c.lastWords()))
	}
}

// lastWords gives the end of the process's output.
func (c *child) lastWords() []byte {
	const most = 2 << 10
	text, err := os.ReadFile(c.log)
	if err != nil {
		return nil
	}
	text = text[max(0, len(text)-most):]
	return bytes.TrimSpace(text)
}

// onEnd says whom to tell when the process ends by itself.
func (c *child) onEnd(fail func(error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

// kill kills the process with SIGKILL and waits until it is gone.
func (c *child) kill() {
	c.mu.Lock()
	run, ended := c.run, c.ended
	c.meant = true
	c.mu.Unlock()
	if run == nil {
		return
	}
	_ = run.Process.Kill() // One that has ended already is dead enough.
	<-ended
}

// await waits until an address answers 200.
func (c *child) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if err := get(ctx, url, nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the %s is not ready: %w\n%s", c.name, ctx.Err(), c.lastWords())
		case <-c.ended:
			return fmt.Errorf("the %s ended by itself\n%s", c.name, c.lastWords())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ports of the range from which systems take no port for outgoing connections: a
// client that knocks at a dead connector's port could otherwise be given that very
// port, and then hold it against the connector that comes back.
const (
	lowestPort = 15_000
	ports      = 15_000
)

// freeAddresses gives addresses on this machine that nobody listens on.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for port := lowestPort + os.Getpid()*7%ports; len(addresses) < n; port++ {
		if port >= lowestPort+2*ports {
			return nil, fmt.Errorf("find %d free ports: there are none", n)
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// newChild makes a process of the program that writes its log into a directory.
func newChild(program, dir, name string, args ...string) *child {
	return &child{name: name, program: program, args: args, log: filepath.Join(dir, name+".log")}
}

// web asks the processes, which are all on this machine.
var web = &http.Client{
	Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 5 * time.Second},
}
