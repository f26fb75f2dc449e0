package e2e

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// gate is a way to a server that can be shut: for whoever goes through it the server is away
// then, while others go on.
type gate struct {
	address, target string
	listener        net.Listener
	all             sync.WaitGroup

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

// newGate opens a way to a server until the test ends.
func newGate(t *testing.T, target string) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{address: listener.Addr().String(), target: target, listener: listener, conns: map[net.Conn]bool{}}
	g.all.Go(g.accept)
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		g.set(true)
		g.all.Wait()
	})
	return g
}

// set shuts the gate, which ends all connections through it, or opens it again.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for c := range g.conns {
		if shut {
			_ = c.Close() // it may have ended
		}
	}
}

// enter takes part in a connection, if the gate is open.
func (g *gate) enter(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		_ = c.Close() // nobody has come in
		return false
	}
	g.conns[c] = true
	return true
}

func (g *gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	_ = c.Close() // it may have been closed
}

func (g *gate) accept() {
	for {
		in, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && g.enter(in) {
			g.all.Go(func() { g.carry(in) })
		}
	}
}

// carry carries both directions of a connection until one of them ends.
func (g *gate) carry(in net.Conn) {
	defer g.leave(in)
	out, err := net.Dial("tcp", g.target)
	if err != nil || !g.enter(out) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(in, out) // its end is the connection's
		_ = in.Close()
	})
	_, _ = io.Copy(out, in) // its end is the connection's
	g.leave(out)
	back.Wait()
}
