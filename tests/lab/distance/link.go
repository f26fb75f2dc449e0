package distance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pieceSize is how much is read at once.
	pieceSize = 64 << 10
	// inFlight is how many pieces are on their way at once in each direction. With
	// 25 ms this allows more than 300 MB/s, which is more than the tests need.
	inFlight = 128
)

// Options say what is how far away.
type Options struct {
	Listen    string        // address and port, on the loopback network
	Target    string        // address and port of the server
	RoundTrip time.Duration // how long an answer takes at least, beside the server's own time
}

// Count is what has passed since [Open].
type Count struct {
	Connections int64
	Requests    int64 // frames from clients to the server
	// Turns is the length of the longest chain of requests of which each was sent when the
	// answer to the one before had come, on whatever connection: requests that are on their
	// way together count once. It is what the round trip is paid for.
	Turns    int64
	Sent     int64 // bytes from clients to the server
	Received int64 // bytes from the server to clients
}

// Since is what has passed since an earlier count.
func (c Count) Since(earlier Count) Count {
	return Count{
		Connections: c.Connections - earlier.Connections, Requests: c.Requests - earlier.Requests, Turns: c.Turns - earlier.Turns,
		Sent: c.Sent - earlier.Sent, Received: c.Received - earlier.Received,
	}
}

// Link is a proxy in front of one server.
type Link struct {
	options  Options
	listener net.Listener
	working  sync.WaitGroup

	connections, requests, turns, sent, received atomic.Int64

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

// Open listens. Close the link to end it.
func Open(o Options) (*Link, error) {
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen in front of %s: %w", o.Target, err)
	}
	l := &Link{options: o, listener: listener, open: map[net.Conn]bool{}}
	l.working.Go(l.accept)
	return l, nil
}

// Address is where clients find the server.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Count is what has passed so far.
func (l *Link) Count() Count {
	return Count{
		Connections: l.connections.Load(), Requests: l.requests.Load(), Turns: l.turns.Load(),
		Sent: l.sent.Load(), Received: l.received.Load(),
	}
}

// Close ends the link and all that passes through it.
func (l *Link) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	for c := range l.open {
		_ = c.Close() // its two directions end with it
	}
	l.mu.Unlock()
	l.working.Wait()
	return err
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.working.Go(func() { l.serve(client) })
	}
}

// hold makes Close end a connection. It reports whether there is still time.
func (l *Link) hold(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return !l.closed
}

func (l *Link) drop(c net.Conn) {
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	_ = c.Close() // what could be sent was
}

func (l *Link) serve(client net.Conn) {
	defer l.drop(client)
	if !l.hold(client) {
		return
	}
	server, err := net.Dial("tcp", l.options.Target)
	if err != nil {
		return // the client sees its connection end, as behind a router
	}
	defer l.drop(server)
	if !l.hold(server) {
		return
	}
	l.connections.Add(1)
	w := &waiting{link: l}
	var both sync.WaitGroup
	both.Go(func() { l.carry(server, client, &l.sent, &frames{begun: w.ask}, nil) })
	both.Go(func() { l.carry(client, server, &l.received, nil, &frames{begun: w.answer}) })
	both.Wait()
}

// piece is what was read at once, and when it arrives.
type piece struct {
	data []byte
	due  time.Time
}

// waiting are the requests of one connection that have no answer yet: for each, which
// turn it is.
type waiting struct {
	link *Link

	mu    sync.Mutex
	turns []int64
}

// ask notes a request, which comes behind all answers that were handed over before.
func (w *waiting) ask() {
	w.link.requests.Add(1)
	w.mu.Lock()
	w.turns = append(w.turns, w.link.turns.Load()+1)
	w.mu.Unlock()
}

// answer notes an answer, before it is handed over. Servers may answer in another order,
// and twice; that the oldest request is taken for answered makes the count no smaller than
// by a request or two.
func (w *waiting) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.turns) == 0 {
		return
	}
	turn := w.turns[0]
	w.turns = w.turns[1:]
	for now := w.link.turns.Load(); now < turn && !w.link.turns.CompareAndSwap(now, turn); now = w.link.turns.Load() {
	}
}

// carry takes what from says to to, half a round trip later. The end of one direction
// ends the other, once what is on its way has arrived. Frames are counted when they come
// and when they are handed over.
func (l *Link) carry(to, from net.Conn, bytes *atomic.Int64, come, handed *frames) {
	pieces := make(chan piece, inFlight)
	var arriving sync.WaitGroup
	arriving.Go(func() {
		failed := false
		for p := range pieces {
			if wait := time.Until(p.due); wait > 0 {
				time.Sleep(wait)
			}
			handed.see(p.data)
			if _, err := to.Write(p.data); err != nil {
				failed = true
				break
			}
		}
		if failed {
			_ = from.Close() // so that no more is read
		}
		for range pieces { // what was on its way is lost
		}
	})
	for {
		data := make([]byte, pieceSize)
		n, err := from.Read(data)
		if n > 0 {
			bytes.Add(int64(n))
			come.see(data[:n])
			pieces <- piece{data[:n], time.Now().Add(l.options.RoundTrip / 2)}
		}
		if err != nil {
			break
		}
	}
	close(pieces)
	arriving.Wait()
	if tcp, ok := to.(*net.TCPConn); ok {
		if err := tcp.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
			_ = tcp.Close() // it is broken
		}
	}
}

// frames finds the frames in a stream: four bytes of which three are the length of what
// follows. A nil one looks at nothing.
type frames struct {
	begun  func()
	header []byte
	left   int
}

// see looks at the next bytes.
func (f *frames) see(p []byte) {
	for f != nil && len(p) > 0 {
		if f.left > 0 {
			skip := min(f.left, len(p))
			f.left, p = f.left-skip, p[skip:]
			continue
		}
		take := min(4-len(f.header), len(p))
		f.header, p = append(f.header, p[:take]...), p[take:]
		if len(f.header) == 4 {
			f.left = int(binary.BigEndian.Uint32(f.header) & 0xffffff)
			f.header = f.header[:0]
			f.begun()
		}
	}
}
