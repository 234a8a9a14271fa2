package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
)

// sandboxAddress is where the sandbox listens unless it is told otherwise.
const sandboxAddress = "127.0.0.1:8081"

func sandboxCommand(s streams) *cobra.Command {
	var listen string
	var options crm.Options
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a small CRM to try things with",
		Long: `Run a small CRM to try things with, on this machine and in memory: contacts,
tickets and comments, a page that shows them live, and faults on demand.`,
		Example: `  crm-connector sandbox --token secret
  crm-connector sandbox --quota 100 --quota-window 10s --faults 0.05`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := options.Validate(); err != nil {
				return usage(err, program+" sandbox --help")
			}
			return serveSandbox(c.Context(), s, listen, crm.New(options))
		},
	}
	c.Flags().StringVar(&listen, "listen", sandboxAddress, "`address` of the API and the page")
	options.Register(c.Flags())
	return c
}

func serveSandbox(ctx context.Context, s streams, address string, server *crm.Server) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return failed(fmt.Errorf("listen for the sandbox: %w", err), program+" sandbox --listen 127.0.0.1:0")
	}
	fmt.Fprintf(s.err, "the sandbox's page: http://%s/\n", listener.Addr())
	return serve(ctx, listener, server.Handler())
}

// serve serves until the context ends, and gives running requests a moment.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close() // Pages hold their event streams open for ever.
		}
	})
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return failed(fmt.Errorf("serve: %w", err), "")
	}
	return nil
}
