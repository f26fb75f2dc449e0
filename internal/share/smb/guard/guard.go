package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/exchange"
)

const (
	// MaxPayload is how much one request carries at most, by the library's own limit.
	MaxPayload = 1 << 20
	// maxHandshake bounds a frame before the session is up: 64 KiB, the least
	// that a message may have, are far more than any login needs.
	maxHandshake = 64 << 10
	// maxFrame bounds every later frame: 1 MiB of payload and its headers.
	maxFrame = MaxPayload + 8<<10
	// peek is how much of a later frame the guard reads itself: enough for a whole
	// TREE_CONNECT response, an interim answer, and the header of an encrypted message.
	peek = transformSize + headerSize
)

// phase is how far a connection has come. Frames that do not belong to it are
// refused, in both directions.
type phase int

const (
	negotiating    phase = iota // until the NEGOTIATE response was accepted
	authenticating              // until the last SESSION_SETUP response
	established                 // logged in; the library may not be ready to receive
	ready                       // the library has sent a request within the session
)

// Guard stands between the library and the TCP connection. The library's receiver
// is the only caller of Read, its sender the only one of Write.
//
// What it refuses closes the connection and is kept for [Guard.Refusal], because
// the library hides or loses the reason. Refusals of the server's identity and of
// what it offers come before any credential is sent.
//
// It also holds requests back until the server's credits suffice, because the library
// counts them wrongly, and keeps unsigned interim answers from it, see Guard.interim.
type Guard struct {
	net.Conn
	window    *exchange.Window
	offer     uint16 // the one dialect that is offered; 0 to find out what the server has
	encrypted bool   // refuse plain text
	host      string // for messages

	held []byte // a frame's length that waits for its packet, to go out in one piece

	buffer []byte // of the current frame what was looked at and not yet passed on
	body   int    // bytes of the current frame that are still on the wire

	mu          sync.Mutex
	phase       phase
	negotiation negotiation
	encrypts    bool   // session or share ask for encryption
	challenged  bool   // the server has answered the beginning of the login
	mechanism   bool   // it did so with NTLM
	setupStatus uint32 // of the SESSION_SETUP that ended the login, 0 when none failed
	dialStatus  uint32 // of a NEGOTIATE that was refused
	refusal     *fault.Fault
	lost        error          // the first error of the network
	keys        *exchange.Keys // of the session, from its first request on
	proven      bool           // the keys fit what the library sends
	failed      Header         // the newest answer that tells an error
	links       int            // answers that tell of a link in the path that was to be opened
}

// New stands before a connection to host, on which the library is to offer a dialect.
// Encrypted says that nothing but encrypted messages may pass.
func New(conn net.Conn, offer uint16, encrypted bool, host string) *Guard {
	return &Guard{Conn: conn, window: exchange.NewWindow(), offer: offer, encrypted: encrypted, host: host}
}

// Refusal returns what the guard refused, nil when nothing.
func (g *Guard) Refusal() *fault.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal
}

// Close ends the connection, and whatever waits to be sent on it.
func (g *Guard) Close() error {
	g.window.End()
	return g.Conn.Close()
}

// Dead reports whether the connection cannot be used any more.
func (g *Guard) Dead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal != nil || g.lost != nil
}

// Read passes on bytes of frames that were looked at.
func (g *Guard) Read(p []byte) (int, error) {
	if len(g.buffer) == 0 && g.body == 0 {
		if err := g.next(); err != nil {
			return 0, g.end(err)
		}
	}
	if len(g.buffer) > 0 {
		n := copy(p, g.buffer)
		g.buffer = g.buffer[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.body)])
	g.body -= n
	if err != nil {
		return n, g.end(err)
	}
	return n, nil
}

// end remembers the first error of the network. A refusal is none.
func (g *Guard) end(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal == nil && g.lost == nil {
		g.lost = err
	}
	return err
}

// next gets the next frame that the library may have.
func (g *Guard) next() error {
	for len(g.buffer) == 0 {
		if err := g.frame(); err != nil {
			return err
		}
	}
	return nil
}

// frame reads the beginning of a frame (all of it during the handshake) and decides.
func (g *Guard) frame() error {
	var length [4]byte
	if _, err := io.ReadFull(g.Conn, length[:]); err != nil {
		return err
	}
	g.mu.Lock()
	current := g.phase
	g.mu.Unlock()
	size, limit, look := int(binary.BigEndian.Uint32(length[:])), maxFrame, peek
	if current < ready {
		limit, look = maxHandshake, maxHandshake
	}
	if size < headerSize || size > limit { // includes a first byte that is not zero
		return g.refuse(fault.ShareProtocol, malformed("it announces %d bytes", size))
	}
	frame := make([]byte, 4+min(size, look))
	copy(frame, length[:])
	if _, err := io.ReadFull(g.Conn, frame[4:]); err != nil {
		return err
	}
	before, err := g.inspect(frame[4:], size)
	if errors.Is(err, errDropped) {
		return nil
	}
	if err != nil {
		return err
	}
	if before != nil {
		frame = append(append(binary.BigEndian.AppendUint32(nil, uint32(len(before))), before...), frame...)
	}
	g.buffer, g.body = frame, size-min(size, look)
	return nil
}

// refuse keeps the reason, closes the connection and returns the reason.
func (g *Guard) refuse(code fault.Code, cause error) error {
	g.mu.Lock()
	if g.refusal == nil {
		g.refusal = fault.New(code, "the connection to "+g.host+" was refused", cause)
	}
	refusal := g.refusal
	g.mu.Unlock()
	return errors.Join(refusal, g.Close())
}

// Write holds a frame's length back until the packet follows, looks at the packet,
// and sends both at once.
func (g *Guard) Write(p []byte) (int, error) {
	if g.held == nil && len(p) == 4 {
		g.held = append(make([]byte, 0, 4), p...)
		return len(p), nil
	}
	length := g.held
	g.held = nil
	if len(length) != 4 || int(binary.BigEndian.Uint32(length)) != len(p) {
		return 0, g.refuse(fault.Internal, malformed("length and packet do not fit"))
	}
	if err := g.inspectRequest(p); err != nil {
		return 0, err
	}
	pieces := net.Buffers{length, p}
	if _, err := pieces.WriteTo(g.Conn); err != nil {
		return 0, g.end(err)
	}
	return len(p), nil
}

// Declined reports whether the server ended the negotiation without accepting the
// dialect: by a status, by another dialect, or by closing the connection.
func (g *Guard) Declined() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase != negotiating {
		return false
	}
	return g.dialStatus != 0 || g.lost != nil || g.refusal != nil && g.refusal.Code == fault.ShareDialect
}

// Agreement is what was agreed with the server.
type Agreement struct {
	Dialect   uint16
	Cipher    uint16 // 0 when the server has none
	Encrypted bool   // the server asks for encryption of session or share
	Credits   int    // that the largest request of the library costs
}

// Agreed tells what was agreed.
func (g *Guard) Agreed() Agreement {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Agreement{Dialect: g.negotiation.dialect, Cipher: g.negotiation.cipher, Encrypted: g.encrypts, Credits: g.negotiation.credits}
}

// Credits is how many credits the server has granted for what comes next.
func (g *Guard) Credits() int { return g.window.Held() }

// Login is how a handshake that failed went.
type Login struct {
	SetupStatus    uint32 // of the SESSION_SETUP that ended it, 0 when none failed
	DialStatus     uint32 // of a NEGOTIATE that was refused, else 0
	OtherMechanism bool   // the server answered with another mechanism than NTLM
}

// Login tells how the handshake went.
func (g *Guard) Login() Login {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := Login{SetupStatus: g.setupStatus, OtherMechanism: g.challenged && !g.mechanism}
	if g.phase == negotiating {
		l.DialStatus = g.dialStatus
	}
	return l
}

// TakeKeys derives the session's keys, before the first request within the session, from
// the key that the login ended with and the hash of the handshake.
func (g *Guard) TakeKeys(sessionKey, handshake []byte) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys, err = exchange.Derive(sessionKey, g.negotiation.dialect, g.negotiation.cipher, handshake)
	return err
}

// SessionGone reports whether a status is one that a server without the session's keys can
// only send in plain text.
func SessionGone(status uint32) bool {
	return status == 0xC0000203 || status == 0xC000035C || status == 0xC00000C9 // USER_SESSION_DELETED, NETWORK_SESSION_EXPIRED, NETWORK_NAME_DELETED
}
