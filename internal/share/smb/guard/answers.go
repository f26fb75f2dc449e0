package guard

import (
	"errors"
	"io"

	"infrabackup/internal/fault"
)

// inspect decides about a frame from the server. Before is a message that the library
// has to get first.
func (g *Guard) inspect(frame []byte, size int) (before []byte, err error) {
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
	case current == negotiating && !h.encrypted && h.Command == commandNegotiate:
		g.count(h)
		return nil, g.inspectNegotiate(frame, h)
	case current == authenticating && !h.encrypted && h.Command == commandSessionSetup:
		g.count(h)
		return nil, g.inspectSetup(frame, h)
	case current < ready:
		return nil, g.refuse(fault.ShareProtocol, malformed("it does not belong to the handshake"))
	case h.encrypted:
		return nil, g.inspectEncrypted(frame, size)
	case h.Command < commandLogoff:
		return nil, g.refuse(fault.ShareProtocol, malformed("a second handshake within the session"))
	case SessionGone(h.Status):
		return nil, io.EOF // the server has forgotten the session and its keys: a lost connection
	case g.encrypted && h.Command > commandTreeDisconnect:
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
	if h.Command == commandTreeConnect && h.Status == statusSuccess {
		return before, g.inspectTree(frame)
	}
	return before, nil
}

// count takes in what an answer of the handshake grants. Answers to nothing that was
// asked are the library's to refuse.
func (g *Guard) count(h Header) {
	if h.interim {
		_ = g.window.Interim(h.id, h.async, h.credits, true) // bounded by the time for the login
		return
	}
	_, _ = g.window.Settle(h.id, h.async, h.credits)
}

// note remembers an answer that tells an error, because the library loses some.
func (g *Guard) note(h Header) {
	if h.Status == statusStoppedOnLink {
		g.mu.Lock()
		g.links++
		g.mu.Unlock()
	}
	if h.Status>>30 != 3 { // the severity of an error (MS-ERREF 2.3)
		return
	}
	g.mu.Lock()
	g.failed = h
	g.mu.Unlock()
}

// LinksTold returns how often the server told of a link instead of opening what lies there.
func (g *Guard) LinksTold() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links
}

// Failure returns and forgets the newest answer that told an error.
func (g *Guard) Failure() Header {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.failed
	g.failed = Header{}
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
func (g *Guard) interim(h Header, size int) error {
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
func (g *Guard) inspectEncrypted(frame []byte, size int) error {
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
	case h.Command < commandLogoff:
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
	errAnonymous    = errors.New("the server turned the login into an anonymous one")
)
