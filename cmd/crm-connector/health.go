package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/connector/config"
)

func healthCommand(s streams) *cobra.Command {
	var path, admin string
	var ready bool
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running connector whether it is well",
		Long: `Ask a running connector whether it is well, as a container's health check does:
exit code 0 says yes, 1 no. The address is that of the pages: --admin, else the
configuration's where the file exists, else 127.0.0.1:8090.`,
		Example: "  crm-connector health --config /etc/crm-connector/crm-connector.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			endpoint := "/healthz"
			if ready {
				endpoint = "/readyz"
			}
			word, err := probe(c.Context(), "http://"+dialable(adminAddress(admin, path))+endpoint)
			if err != nil {
				return failed(err, program+" run --config "+path)
			}
			fmt.Fprintln(s.out, word)
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&admin, "admin", "", "`address` of the pages")
	c.Flags().BoolVar(&ready, "ready", false, "ask whether it takes webhooks rather than whether it lives")
	return c
}

// adminAddress gives the address of the pages. A configuration that has mistakes
// still names it: a running connector keeps its last good one.
func adminAddress(flag, path string) string {
	if flag != "" {
		return flag
	}
	if src, err := os.ReadFile(path); err == nil {
		if c, _ := config.Parse(path, src, os.LookupEnv); c != nil {
			return c.Admin.Listen
		}
	}
	return config.Default().Admin.Listen
}

// dialable turns a listener's address into one to connect to.
func dialable(listen string) string {
	for _, anywhere := range []string{"0.0.0.0:", "[::]:", ":"} {
		if port, ok := strings.CutPrefix(listen, anywhere); ok {
			return "127.0.0.1:" + port
		}
	}
	return listen
}

// probe gives what a health endpoint says.
func probe(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask for the health: %w", err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	word := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return "", errors.New("not well: " + answer.Status + " " + word)
	}
	return word, nil
}
