package smb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/exchange"
)

const (
	// maxHandshake bounds a frame before the session is up: 64 KiB, the least
	// that a message may have, are far more than any login needs.
	maxHandshake = 64 << 10
	// maxFrame bounds every later frame: 1 MiB of payload and its headers.
	maxFrame = 1<<20 + 8<<10
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

// guard stands between the library and the TCP connection. The library's receiver
// is the only caller of Read, its sender the only one of Write.
//
// What it refuses closes the connection and is kept for [guard.verdict], because
// the library hides or loses the reason. Refusals of the server's identity and of
// what it offers come before any credential is sent.
//
// It also holds requests back until the server's credits suffice, because the library
// counts them wrongly, and keeps unsigned interim answers from it, see [guard.interim].
type guard struct {
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
	failed      header         // the newest answer that tells an error
}

func newGuard(conn net.Conn, offer uint16, transport Transport, host string) *guard {
	return &guard{Conn: conn, window: exchange.NewWindow(), offer: offer, encrypted: transport != Signed, host: host}
}

// verdict returns what the guard refused, nil when nothing.
func (g *guard) verdict() *fault.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal
}

// Close ends the connection, and whatever waits to be sent on it.
func (g *guard) Close() error {
	g.window.End()
	return g.Conn.Close()
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

// next gets the next frame that the library may have.
func (g *guard) next() error {
	for len(g.buffer) == 0 {
		if err := g.frame(); err != nil {
			return err
		}
	}
	return nil
}

// frame reads the beginning of a frame (all of it during the handshake) and decides.
func (g *guard) frame() error {
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
func (g *guard) refuse(code fault.Code, cause error) error {
	g.mu.Lock()
	if g.refusal == nil {
		g.refusal = fault.New(code, "the connection to "+g.host+" was refused", cause)
	}
	refusal := g.refusal
	g.mu.Unlock()
	return errors.Join(refusal, g.Close())
}

// inspect decides about a frame from the server. Before is a message that the library
// has to get first.
func (g *guard) inspect(frame []byte, size int) (before []byte, err error) {
	h, err := parseHeader(frame, size)
	if err == nil && !h.encrypted && !h.response {
		err = malformed("a request from a server")
	}
	if err != nil {
		return nil, g.refuse(fault.ShareProtocol, err)
	}
	g.mu.Lock()
	current := g.phase
	g.mu.Unlock()
	switch {
	case current == negotiating && !h.encrypted && h.command == commandNegotiate:
		g.count(h)
		return nil, g.inspectNegotiate(frame, h)
	case current == authenticating && !h.encrypted && h.command == commandSessionSetup:
		g.count(h)
		return nil, g.inspectSetup(frame, h)
	case current < ready:
		return nil, g.refuse(fault.ShareProtocol, malformed("it does not belong to the handshake"))
	case h.encrypted:
		return nil, g.inspectEncrypted(frame, size)
	case h.command < commandLogoff:
		return nil, g.refuse(fault.ShareProtocol, malformed("a second handshake within the session"))
	case sessionGone[h.status]:
		return nil, io.EOF // the server has forgotten the session and its keys: a lost connection
	case g.encrypted && h.command > commandTreeDisconnect:
		return nil, g.refuse(fault.ShareProtocol, errPlainAnswer)
	case h.interim:
		return nil, g.interim(h, size)
	case !h.signed:
		return nil, g.refuse(fault.ShareProtocol, errUnsigned)
	}
	request, ok := g.window.Settle(h.id, h.async, h.credits)
	if !ok {
		return nil, g.refuse(fault.ShareProtocol, malformed("an answer to nothing that was asked"))
	}
	g.note(h)
	if h.async != 0 {
		g.mu.Lock()
		// The library counts the final answer's credits as missing, since the interim
		// answer had them; with all that it asked for here, it misses no more than that.
		before = g.keys.Interim(frame, request.Asked)
		g.mu.Unlock()
	}
	if h.command == commandTreeConnect && h.status == statusSuccess {
		return before, g.inspectTree(frame)
	}
	return before, nil
}

// count takes in what an answer of the handshake grants. Answers to nothing that was
// asked are the library's to refuse.
func (g *guard) count(h header) {
	if h.interim {
		_ = g.window.Interim(h.id, h.async, h.credits, true) // bounded by the time for the login
		return
	}
	_, _ = g.window.Settle(h.id, h.async, h.credits)
}

// note remembers an answer that tells an error, because the library loses some.
func (g *guard) note(h header) {
	if h.status>>30 != 3 { // the severity of an error (MS-ERREF 2.3)
		return
	}
	g.mu.Lock()
	g.failed = h
	g.mu.Unlock()
}

// failure returns and forgets the newest answer that told an error.
func (g *guard) failure() header {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.failed
	g.failed = header{}
	return h
}

// interim takes in an interim answer outside encryption, "still working on it". Servers
// do not sign these (MS-SMB2 3.3.4.2), and clients do not verify them (3.2.5.1.3); the
// library refuses the unsigned ones when signatures are required, as they always are
// here. So it never gets what came over the network: the guard only remembers what the
// answer says, and believes it when the final answer, which is signed, has the same
// AsyncId. Then it tells the library first, which waits for the AsyncId, with an
// interim answer that it makes and signs itself. Forged ones have no effect but to be
// counted; a request that is only ever answered by them ends like one without answer.
func (g *guard) interim(h header, size int) error {
	if size > maxInterim {
		return g.refuse(fault.ShareProtocol, malformed("an interim answer of %d bytes", size))
	}
	if err := g.window.Interim(h.id, h.async, h.credits, false); err != nil {
		return g.refuse(fault.ShareProtocol, malformed("%v", err))
	}
	return errDropped
}

// inspectEncrypted looks at the header of the message within. The library verifies the
// whole, but would go on waiting when it cannot, and trusts what is inside.
func (g *guard) inspectEncrypted(frame []byte, size int) error {
	g.mu.Lock()
	inner := g.keys.Header(frame, true)
	g.mu.Unlock()
	if inner == nil {
		return g.refuse(fault.ShareProtocol, malformed("encryption that was not agreed on"))
	}
	h, err := parseHeader(inner, size-transformSize)
	switch {
	case err != nil || h.encrypted:
		return g.refuse(fault.ShareProtocol, errUnreadable)
	case !h.response:
		return g.refuse(fault.ShareProtocol, malformed("a request from a server"))
	case h.command < commandLogoff:
		return g.refuse(fault.ShareProtocol, malformed("a second handshake within the session"))
	case h.interim:
		if err := g.window.Interim(h.id, h.async, h.credits, true); err != nil {
			return g.refuse(fault.ShareProtocol, malformed("%v", err))
		}
		return nil
	}
	if _, ok := g.window.Settle(h.id, h.async, h.credits); !ok {
		return g.refuse(fault.ShareProtocol, malformed("an answer to nothing that was asked"))
	}
	g.note(h)
	return nil
}

// errDropped says that a frame is not for the library.
var errDropped = errors.New("the frame is dropped")

var (
	errUnsigned     = errors.New("the server sent an answer without a signature")
	errUnreadable   = errors.New("the server sent an encrypted message that does not open")
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

// inspectRequest decides about a frame to the server, and waits until there are credits
// for it.
func (g *guard) inspectRequest(packet []byte) error {
	h, err := parseHeader(packet, len(packet))
	if err != nil {
		return g.refuse(fault.Internal, err)
	}
	g.mu.Lock()
	current, keys := g.phase, g.keys
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
	case keys == nil:
		return g.refuse(fault.Internal, malformed("a request without the session's keys"))
	case h.encrypted:
		if h, err = parseHeader(keys.Header(packet, false), len(packet)-transformSize); err != nil {
			return g.refuse(fault.Internal, errOtherKeys)
		}
	case h.command < commandLogoff:
		return g.refuse(fault.Internal, malformed("a second handshake"))
	case g.encrypted && h.command > commandTreeDisconnect:
		return g.refuse(fault.ShareNotEncrypted, errPlainRequest)
	case !g.fits(keys, packet):
		return g.refuse(fault.Internal, errOtherKeys)
	}
	return g.spend(exchange.Request{ID: h.id, Charge: h.charge, Asked: h.credits})
}

// fits makes sure, with the first signature of the library, that the guard has the same
// keys.
func (g *guard) fits(keys *exchange.Keys, packet []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proven = g.proven || keys.Signed(packet)
	return g.proven
}

var errOtherKeys = errors.New("the session's keys are not those of the library")

func (g *guard) spend(r exchange.Request) error {
	err := g.window.Spend(r)
	var short *exchange.ShortError
	switch {
	case !errors.As(err, &short):
		return err
	case g.window.Most() < short.Needed:
		return g.refuse(fault.ShareCredits, err)
	}
	return g.refuse(fault.ShareUnreachable, errRanDry)
}

// errRanDry says that nothing can be sent any more: the library asks for no credits at
// times, when its count has run over, and gets none.
var errRanDry = errors.New("the server has granted no credits for what comes next")

// room is how many bytes a request on files may carry: a part where the server lets
// four of them be sent at a time, less where it does not.
func (g *guard) room() int {
	return min(part, max(1, g.window.Most()/4)*perCredit)
}
