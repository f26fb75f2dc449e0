package web

import (
	"net"
	"net/netip"
	"sync"
)

// listener closes connections that are too many, of all or of one address, so that none is
// kept waiting and no address can hold them all.
type listener struct {
	net.Listener
	max, maxAddress int

	mu    sync.Mutex
	open  int
	count map[string]int // by address
}

func newListener(l net.Listener, limits Limits) *listener {
	return &listener{Listener: l, max: limits.Connections, maxAddress: limits.AddressConnections, count: map[string]int{}}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := client(conn.RemoteAddr().String())
		if l.enter(address) {
			return &limited{Conn: conn, leave: sync.OnceFunc(func() { l.leave(address) })}, nil
		}
		_ = conn.Close() // it is one too many, and nothing was read
	}
}

func (l *listener) enter(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.max || l.count[address] >= l.maxAddress {
		return false
	}
	l.open++
	l.count[address]++
	return true
}

func (l *listener) leave(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.count[address]--; l.count[address] == 0 {
		delete(l.count, address)
	}
}

// limited is a connection that is counted until it is closed.
type limited struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *limited) Close() error {
	c.leave()
	return c.Conn.Close()
}

// client is what limits are counted by: the address, and of IPv6 the network of 64 bits that
// one host can have all of.
func client(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return network.String()
}
