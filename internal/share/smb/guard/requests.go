package guard

import (
	"errors"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/exchange"
)

// inspectRequest decides about a frame to the server, and waits until there are credits
// for it.
func (g *Guard) inspectRequest(packet []byte) error {
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
		if h.encrypted || h.Command != commandNegotiate {
			return g.refuse(fault.Internal, malformed("a request before the negotiation"))
		}
	case current == authenticating:
		if h.encrypted || h.Command != commandSessionSetup {
			return g.refuse(fault.Internal, malformed("a request before the login"))
		}
	case keys == nil:
		return g.refuse(fault.Internal, malformed("a request without the session's keys"))
	case h.encrypted:
		if h, err = parseHeader(keys.Header(packet, false), len(packet)-transformSize); err != nil {
			return g.refuse(fault.Internal, errOtherKeys)
		}
	case h.Command < commandLogoff:
		return g.refuse(fault.Internal, malformed("a second handshake"))
	case g.encrypted && h.Command > commandTreeDisconnect:
		return g.refuse(fault.ShareNotEncrypted, errPlainRequest)
	case !g.fits(keys, packet):
		return g.refuse(fault.Internal, errOtherKeys)
	}
	return g.spend(exchange.Request{ID: h.id, Charge: h.charge, Asked: h.credits})
}

// fits makes sure, with the first signature of the library, that the guard has the same
// keys.
func (g *Guard) fits(keys *exchange.Keys, packet []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proven = g.proven || keys.Signed(packet)
	return g.proven
}

var errOtherKeys = errors.New("the session's keys are not those of the library")

func (g *Guard) spend(r exchange.Request) error {
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

// Payload is how many bytes a request on files may carry: a chunk where the server lets
// four of them be sent at a time, less where it does not.
func (g *Guard) Payload() int {
	return min(MaxPayload, max(1, g.window.Most()/4)*perCredit)
}
