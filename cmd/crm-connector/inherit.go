package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstInherited is the descriptor of the first socket that systemd passes on.
const firstInherited = 3

// inherited gives the listening socket that systemd holds for this process, or
// nil when there is none. While a new process takes over, connections wait in the
// socket instead of being refused. The variables are taken away, so that nothing
// that is started from here believes them.
func inherited() (net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("take the inherited socket: %w", err)
		}
	}
	if pid != strconv.Itoa(os.Getpid()) || count == "" {
		return nil, nil
	}
	if count != "1" {
		return nil, fmt.Errorf("take the inherited socket: %s were passed on, want 1", count)
	}
	file := os.NewFile(firstInherited, "inherited socket")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("take the inherited socket: %w", err)
	}
	return listener, nil
}
