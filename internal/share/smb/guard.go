package smb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"infrabackup/internal/fault"
)

const (
	// maxHandshake bounds a frame before the session is up: 64 KiB, the least
	// that a message may have, are far more than any login needs.
	maxHandshake = 64 << 10
	// maxFrame bounds every later frame: 1 MiB of payload and its headers.
	maxFrame = 1<<20 + 8<<10
	// peek is how much of a later frame the guard reads itself: enough for a
	// whole TREE_CONNECT response.
	peek = headerSize + 16
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

// guard stands between the library and the TCP connection. The library's receiver
// is the only caller of Read, its sender the only one of Write.
//
// What it refuses closes the connection and is kept for [guard.verdict], because
// the library hides or loses the reason. Refusals of the server's identity and of
// what it offers come before any credential is sent.
type guard struct {
	net.Conn
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
	lost        error // the first error of the network
}

func newGuard(conn net.Conn, offer uint16, transport Transport, host string) *guard {
	return &guard{Conn: conn, offer: offer, encrypted: transport != Signed, host: host}
}

// verdict returns what the guard refused, nil when nothing.
func (g *guard) verdict() *fault.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal
}

// dead reports whether the connection cannot be used any more.
func (g *guard) dead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal != nil || g.lost != nil
}

// Read passes on bytes of frames that were looked at.
func (g *guard) Read(p []byte) (int, error) {
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
func (g *guard) end(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal == nil && g.lost == nil {
		g.lost = err
	}
	return err
}

// next reads the beginning of a frame (all of it during the handshake) and decides.
func (g *guard) next() error {
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
	if err := g.inspect(frame[4:], size); err != nil {
		return err
	}
	g.buffer, g.body = frame, size-(len(frame)-4)
	return nil
}

// refuse keeps the reason, closes the connection and returns the reason.
func (g *guard) refuse(code fault.Code, cause error) error {
	g.mu.Lock()
	if g.refusal == nil {
		g.refusal = fault.New(code, "the connection to "+g.host+" was refused", cause)
	}
	refusal := g.refusal
	g.mu.Unlock()
	return errors.Join(refusal, g.Close())
}

// inspect decides about a frame from the server.
func (g *guard) inspect(frame []byte, size int) error {
	h, err := parseHeader(frame, size)
	if err == nil && !h.encrypted && !h.response {
		err = malformed("a request from a server")
	}
	if err != nil {
		return g.refuse(fault.ShareProtocol, err)
	}
	g.mu.Lock()
	current := g.phase
	g.mu.Unlock()
	switch {
	case current == negotiating && !h.encrypted && h.command == commandNegotiate:
		return g.inspectNegotiate(frame, h)
	case current == authenticating && !h.encrypted && h.command == commandSessionSetup:
		return g.inspectSetup(frame, h)
	case current < ready:
		return g.refuse(fault.ShareProtocol, malformed("it does not belong to the handshake"))
	case h.encrypted:
		return nil
	case h.command < commandLogoff:
		return g.refuse(fault.ShareProtocol, malformed("a second handshake within the session"))
	case sessionGone[h.status]:
		return io.EOF // the server has forgotten the session and its keys: a lost connection
	case g.encrypted && h.command > commandTreeDisconnect:
		return g.refuse(fault.ShareProtocol, errPlainAnswer)
	case !h.signed && !h.interim:
		return g.refuse(fault.ShareProtocol, errUnsigned)
	case h.command == commandTreeConnect && h.status == statusSuccess:
		return g.inspectTree(frame)
	}
	return nil
}

var (
	errUnsigned     = errors.New("the server sent an answer without a signature")
	errPlainAnswer  = errors.New("the server sent plain text within an encrypted session")
	errPlainRequest = errors.New("the server asks for no encryption, so file data would leave in plain text")
	errNoCipher     = errors.New("the server offers no encryption that is supported (AES-128-GCM or AES-128-CCM)")
	errGuest        = errors.New("the server mapped the login to its guest account")
	errAnonymous    = errors.New("the server made the login an anonymous one")
)

// errDialect says that the server answered with a dialect that was not offered.
type errDialect uint16

func (e errDialect) Error() string {
	return "the server offers " + dialectName(uint16(e)) + "; SMB 3.0 or later is needed"
}

func (g *guard) inspectNegotiate(frame []byte, h header) error {
	if h.status != statusSuccess {
		g.mu.Lock()
		g.dialStatus = h.status
		g.mu.Unlock()
		return nil
	}
	n, err := parseNegotiate(frame)
	if err != nil {
		return g.refuse(fault.ShareProtocol, err)
	}
	if n.dialect != g.offer {
		return g.refuse(fault.ShareDialect, errDialect(n.dialect))
	}
	if n.sizes < minSize {
		return g.refuse(fault.ShareProtocol, malformed("at most %d bytes a request", n.sizes))
	}
	if n.cipher == 0 && g.encrypted || n.cipher > cipherGCM {
		return g.refuse(fault.ShareNotEncrypted, errNoCipher)
	}
	g.mu.Lock()
	g.negotiation, g.phase = n, authenticating
	g.mu.Unlock()
	return nil
}

func (g *guard) inspectSetup(frame []byte, h header) error {
	switch h.status {
	case statusPending:
		return nil
	case statusMoreProcessing:
		g.mu.Lock()
		g.challenged = true
		g.mechanism = g.mechanism || bytes.Contains(frame, signatureNTLM)
		g.mu.Unlock()
		return nil
	case statusSuccess:
	default:
		g.mu.Lock()
		g.setupStatus = h.status
		g.mu.Unlock()
		return nil
	}
	flags, err := parseSessionFlags(frame)
	if err != nil {
		return g.refuse(fault.ShareProtocol, err)
	}
	if flags&sessionGuest != 0 {
		return g.refuse(fault.ShareGuest, errGuest)
	}
	if flags&sessionNull != 0 {
		return g.refuse(fault.ShareGuest, errAnonymous)
	}
	g.mu.Lock()
	noCipher := flags&sessionEncrypt != 0 && g.negotiation.cipher == 0
	g.encrypts = flags&sessionEncrypt != 0
	g.phase = established
	g.mu.Unlock()
	if noCipher {
		return g.refuse(fault.ShareNotEncrypted, errNoCipher)
	}
	return nil
}

func (g *guard) inspectTree(frame []byte) error {
	flags, err := parseShareFlags(frame)
	if err != nil {
		return g.refuse(fault.ShareProtocol, err)
	}
	if flags&shareEncrypt == 0 {
		return nil
	}
	g.mu.Lock()
	noCipher := g.negotiation.cipher == 0
	g.encrypts = true
	g.mu.Unlock()
	if noCipher {
		return g.refuse(fault.ShareNotEncrypted, errNoCipher)
	}
	return nil
}

// Write holds a frame's length back until the packet follows, looks at the packet,
// and sends both at once.
func (g *guard) Write(p []byte) (int, error) {
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

// inspectRequest decides about a frame to the server.
func (g *guard) inspectRequest(packet []byte) error {
	h, err := parseHeader(packet, len(packet))
	if err != nil {
		return g.refuse(fault.Internal, err)
	}
	g.mu.Lock()
	current := g.phase
	if current == established {
		g.phase = ready
	}
	g.mu.Unlock()
	switch {
	case current == negotiating:
		if h.encrypted || h.command != commandNegotiate {
			return g.refuse(fault.Internal, malformed("a request before the negotiation"))
		}
	case current == authenticating:
		if h.encrypted || h.command != commandSessionSetup {
			return g.refuse(fault.Internal, malformed("a request before the login"))
		}
	case h.encrypted:
	case h.command < commandLogoff:
		return g.refuse(fault.Internal, malformed("a second handshake"))
	case g.encrypted && h.command > commandTreeDisconnect:
		return g.refuse(fault.ShareNotEncrypted, errPlainRequest)
	}
	return nil
}
