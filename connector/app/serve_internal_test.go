package app

import (
	"net"
	"testing"
	"time"
)

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	inner, err := listen(t.Context(), nil, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 2)
	accepted, done := make(chan net.Conn, 3), make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				done <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Error("a third connection got in while two are open")
	case <-time.After(50 * time.Millisecond):
	}
	for range 2 { // The second time frees nothing.
		_ = first.Close()
	}
	<-accepted
	_ = l.Close()
	if err := <-done; err == nil {
		t.Error("a closed listener accepts")
	}
	_ = second.Close()
}
