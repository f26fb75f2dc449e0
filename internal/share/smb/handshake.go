package smb

import (
	"bytes"

	"infrabackup/internal/fault"
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
