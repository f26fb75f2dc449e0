package guard

import (
	"bytes"

	"infrabackup/internal/fault"
)

// DialectError says that the server answered with a dialect that was not offered.
type DialectError uint16

// Error implements error.
func (e DialectError) Error() string {
	return "the server offers " + DialectName(uint16(e)) + "; SMB 3.0 or later is needed"
}

func (g *Guard) inspectNegotiate(frame []byte, h Header) error {
	if h.Status != statusSuccess {
		g.mu.Lock()
		g.dialStatus = h.Status
		g.mu.Unlock()
		return nil
	}
	n, err := parseNegotiate(frame)
	if err != nil {
		return g.refuse(fault.ShareProtocol, err)
	}
	if n.dialect != g.offer {
		return g.refuse(fault.ShareDialect, DialectError(n.dialect))
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

func (g *Guard) inspectSetup(frame []byte, h Header) error {
	switch h.Status {
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
		g.setupStatus = h.Status
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

func (g *Guard) inspectTree(frame []byte) error {
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
