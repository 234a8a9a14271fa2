package intake

import (
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// Server gives the settings of a server for the handler, which may be an Intake
// or a mux around it: no client can hold a connection for long without sending
// anything. The time for a body is the Intake's own.
func Server(handler http.Handler, logger logrus.FieldLogger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(serverLog{logger.WithField("component", "intake")}, "", 0),
	}
}

// serverLog passes the lines of net/http on. They are about connections, such as
// a failed handshake, and tell an operator little: they are debug.
type serverLog struct{ log logrus.FieldLogger }

// Write logs one line.
func (s serverLog) Write(p []byte) (int, error) {
	s.log.WithField("reason", strings.TrimSpace(string(p))).Debug("a connection failed")
	return len(p), nil
}
