package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/crm-connector/crm-connector/adapters"
	"github.com/crm-connector/crm-connector/connector/app"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/mappings"
)

func runCommand(s streams) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the connector",
		Long: `Run the connector until SIGTERM or SIGINT. It refuses to start on a configuration
or mapping with mistakes, with exit code 3. A socket that systemd passes on takes
the place of the configuration's listen.

On SIGHUP, and when the configuration's or a mapping's file changes, it reads them
again: the new ones take over whole, or the old ones stay and the log says why.`,
		Example: "  crm-connector run --config /etc/crm-connector/crm-connector.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !exists(path) {
				return missingConfig(path)
			}
			cfg, err := config.Load(path)
			if err != nil {
				return invalid(err, program+" validate --config "+path)
			}
			listener, err := inherited()
			if err != nil {
				return failed(err, "systemctl status crm-connector.socket")
			}
			return runApp(c.Context(), path, app.Options{
				Config: cfg, Adapters: adapters.All(), Log: newLogger(s.err, cfg.Log), Version: thisBuild().Version,
				Listener: listener, Load: func() (*config.Config, error) { return config.Load(path) },
			})
		},
	}
	configFlag(c, &path)
	return c
}

// runApp runs the connector and sorts its errors into exit codes.
func runApp(ctx context.Context, path string, options app.Options) error {
	a, err := app.New(options)
	if err == nil {
		err = runWatching(ctx, path, a, options)
	}
	if err == nil {
		return nil
	}
	_, badConfig := errors.AsType[config.Problems](err)
	_, badMapping := errors.AsType[mappings.Errors](err)
	if badConfig || badMapping {
		return invalid(err, program+" validate --config "+path)
	}
	// The files are right, so it is the machine, and mostly another connector.
	return failed(fmt.Errorf("run the connector: %w", err), program+" health --config "+path+"   # is one running already?")
}

// runWatching runs the connector, and lets it read its files again whenever they
// change.
func runWatching(ctx context.Context, path string, a *app.App, options app.Options) error {
	if options.Load == nil {
		return a.Run(ctx)
	}
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		w := watch{path: path, config: options.Config, log: options.Log}
		w.run(watching, func() {
			if a.Reload(watching) == nil {
				w.config = a.Config()
			}
		})
	})
	defer watcher.Wait()
	defer stop()
	return a.Run(ctx)
}

// newLogger makes the logger that the configuration asks for.
func newLogger(w io.Writer, c config.Log) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: !coloured(w), FullTimestamp: true})
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	if level, err := logrus.ParseLevel(c.Level); err == nil {
		log.SetLevel(level)
	}
	return log
}
