package smb_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb"
)

// try opens the share on a scripted server, which must neither crash nor hang.
func try(t testing.TB, s script) (*badServer, error) {
	server := &badServer{script: s}
	start := time.Now()
	store, err := smb.Open(t.Context(), server.config())
	require.Nil(t, store)
	require.Error(t, err)
	require.Less(t, time.Since(start), 10*time.Second)
	server.group.Wait()
	return server, err
}

func change(frame []byte, offset int, value ...byte) []byte {
	copy(frame[offset:], value)
	return frame
}

// Frames that would crash the library, or that do not belong where they are.
func TestMalformedFrames(t *testing.T) {
	good := func(p *peer) []byte { return answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 2, 1<<20)) }
	for name, s := range map[string]script{
		"ten bytes":            func(p *peer) { p.request(); p.send(make([]byte, 10)) },
		"no bytes":             func(p *peer) { p.request(); p.send(nil) },
		"63 bytes":             func(p *peer) { p.send(good(p)[:63]) },
		"64 bytes":             func(p *peer) { p.send(good(p)[:64]) },
		"127 bytes":            func(p *peer) { p.send(good(p)[:127]) },
		"huge length":          func(p *peer) { p.request(); p.raw([]byte{0, 0xFF, 0xFF, 0xFF}) },
		"NetBIOS keep-alive":   func(p *peer) { p.request(); p.raw([]byte{0x85, 0, 0, 0}) },
		"HTTP":                 func(p *peer) { p.request(); p.raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"SMB 1":                func(p *peer) { p.send(change(good(p), 0, 0xFF)) },
		"header size":          func(p *peer) { p.send(change(good(p), 4, 63)) },
		"next command":         func(p *peer) { p.send(change(good(p), 20, 0xFF, 0xFF, 0xFF, 0x7F)) },
		"request from server":  func(p *peer) { p.send(change(good(p), 16, 0)) },
		"encrypted at once":    func(p *peer) { p.request(); p.send(transform(64)) },
		"wrong command":        func(p *peer) { p.send(change(good(p), 12, cmdCreate)) },
		"context offset":       func(p *peer) { p.send(change(good(p), 124, 0xFF, 0xFF, 0xFF, 0xFF)) },
		"context count":        func(p *peer) { p.send(change(change(good(p), 70, 0xFF, 0xFF), 128, 9)) },
		"context length":       func(p *peer) { p.send(change(good(p), 130, 0xFF, 0xFF)) },
		"two ciphers":          func(p *peer) { p.send(change(good(p), 184, 2)) },
		"no write size":        func(p *peer) { p.send(change(good(p), 100, 0, 0, 0, 0)) },
		"tiny read size":       func(p *peer) { p.send(answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 2, 4096))) },
		"setup of ten bytes":   func(p *peer) { p.greet(); p.request(); p.send(make([]byte, 10)) },
		"second negotiate":     func(p *peer) { p.greet(); p.send(good(p)) },
		"setup without a body": func(p *peer) { p.greet(); p.send(answer(p.request(), cmdSessionSetup, 0, nil)) },
		"encrypted in login":   func(p *peer) { p.greet(); p.request(); p.send(transform(64)) },
		"answer before ready":  func(p *peer) { p.greet(); loginWith(p, answer(nil, cmdTreeConnect, 0, make([]byte, 16))); p.drain() },
		"third setup":          func(p *peer) { p.login(4); p.send(answer(p.request(), cmdSessionSetup, 0, setup(1, nil))) },
		"short encrypted":      func(p *peer) { p.login(4); p.request(); p.send(transform(64)[:100]) },
		"encrypted size":       func(p *peer) { p.login(4); p.request(); p.send(change(transform(64), 36, 65)) },
		"encryption flag":      func(p *peer) { p.login(4); p.request(); p.send(change(transform(64), 42, 0)) },
		"plain answer":         func(p *peer) { p.login(4); p.send(answer(p.request(), cmdCreate, 0, make([]byte, 89))) },
		"plain interim":        func(p *peer) { p.login(4); p.send(answer(p.request(), cmdCreate, 0x103, refusal)) },
		"unsigned answer":      unsigned,
		"forged signature": func(p *peer) {
			p.login(0)
			p.send(change(answer(p.request(), cmdTreeConnect, 0, []byte{16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 16, 9))
		},
		"undecryptable":    func(p *peer) { p.login(4); p.request(); p.send(transform(64)) },
		"long after login": func(p *peer) { p.login(4); p.request(); p.raw([]byte{0, 0x20, 0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, s)
			require.ErrorIs(t, err, fault.ShareProtocol)
		})
	}
}

func unsigned(p *peer) { p.login(0); p.send(answer(p.request(), cmdTreeConnect, 0, make([]byte, 16))) }

// TestUnsignedAnswers: the library refuses such an answer, too, but only where it asked
// for signatures itself. The guard has to be the one that does.
func TestUnsignedAnswers(t *testing.T) {
	_, err := try(t, unsigned)
	require.ErrorIs(t, err, fault.ShareProtocol)
	require.ErrorContains(t, err, "an answer without a signature")
}

// loginWith sends another frame in the same breath as the end of the login, when
// the library's receiver may not have its keys yet.
func loginWith(p *peer, frame []byte) {
	p.send(answer(p.request(), cmdSessionSetup, moreProcessing, challenge(ntlm, ntlmChallenge())))
	last := answer(p.request(), cmdSessionSetup, 0, setup(4, nil))
	both := append(binary.BigEndian.AppendUint32(nil, uint32(len(last))), last...)
	both = binary.BigEndian.AppendUint32(both, uint32(len(frame)))
	p.raw(append(both, frame...))
}

// An encrypted frame right behind the login is refused while the library has no
// keys for it; when it has, nobody can decrypt the frame.
func TestEncryptedBeforeReady(t *testing.T) {
	for range 50 {
		_, err := try(t, func(p *peer) { p.greet(); loginWith(p, transform(4096)) })
		require.Contains(t, []fault.Code{fault.ShareProtocol, fault.ShareUnreachable}, fault.CodeOf(err))
	}
}

// Answers that never come, or never end, cost the time limit.
func TestEndlessAnswers(t *testing.T) {
	for name, s := range map[string]script{
		"silence":             func(p *peer) { p.drain() },
		"half a length":       func(p *peer) { p.request(); p.raw([]byte{0, 0}); p.drain() },
		"frame without end":   func(p *peer) { p.request(); p.raw(append([]byte{0, 0, 4, 0}, "\xFESMB"...)); p.drain() },
		"silence in login":    func(p *peer) { p.greet(); p.drain() },
		"silence after login": func(p *peer) { p.login(4); p.drain() },
		"interim for ever": func(p *peer) {
			p.greet()
			for request := p.request(); ; {
				if _, err := p.Write(append([]byte{0, 0, 0, 73}, answer(request, cmdSessionSetup, 0x103, refusal)...)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, s)
			require.ErrorIs(t, err, fault.ShareUnreachable)
		})
	}
}

// Whatever a server of SMB 2 answers, no credential is sent, each dialect gets a
// connection of its own, and SMB 2 is offered only to find out what to report.
func TestOldDialects(t *testing.T) {
	offers := [][]uint16{{0x0311}, {0x0302}, {0x0300}, {0x0311, 0x0302, 0x0300, 0x0210, 0x0202}}
	says := func(dialect uint16) script {
		return func(p *peer) {
			for request := p.request(); request != nil; request = p.request() {
				p.send(answer(request, cmdNegotiate, 0, negotiated(dialect, 2, 1<<20)))
			}
		}
	}
	for name, c := range map[string]struct {
		script script
		code   fault.Code
		text   string
	}{
		"SMB 2.1":          {says(0x0210), fault.ShareDialect, "SMB 2.1"},
		"SMB 2.0.2":        {says(0x0202), fault.ShareDialect, "SMB 2.0.2"},
		"wildcard":         {says(0x02FF), fault.ShareDialect, "SMB 2 of an unnamed version"},
		"unknown":          {says(0x0999), fault.ShareDialect, "0x0999"},
		"not supported":    {func(p *peer) { p.send(answer(p.request(), cmdNegotiate, 0xC00000BB, refusal)); p.drain() }, fault.ShareDialect, "0xc00000bb"},
		"closed at once":   {func(p *peer) { p.request() }, fault.ShareUnreachable, "SMB 1"},
		"closed unless 2.": {func(p *peer) { only(p, 0x0210) }, fault.ShareDialect, "SMB 2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := try(t, c.script)
			require.ErrorIs(t, err, c.code)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, offers, server.offers)
			require.Equal(t, len(offers), server.conns)
			require.Zero(t, server.setups)
		})
	}
}

// only answers when the dialect is among those offered, and hangs up otherwise.
func only(p *peer, dialect uint16) {
	request := p.request()
	for i := range int(binary.LittleEndian.Uint16(request[66:])) {
		if binary.LittleEndian.Uint16(request[100+2*i:]) == dialect {
			p.send(answer(request, cmdNegotiate, 0, negotiated(dialect, 2, 1<<20)))
			p.drain()
		}
	}
}

func TestNoCipher(t *testing.T) {
	for name, s := range map[string]script{
		"none":    func(p *peer) { p.send(answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 0, 1<<20))); p.drain() },
		"AES-256": func(p *peer) { p.send(answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 4, 1<<20))); p.drain() },
		"SMB 3.0": func(p *peer) {
			p.send(change(answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 0, 1<<20)), 88, 4))
			p.drain()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := try(t, s)
			require.ErrorIs(t, err, fault.ShareNotEncrypted)
			require.Zero(t, server.setups)
			require.Equal(t, 1, server.conns)
		})
	}
}

// However a login ends, it is one login.
func TestLoginEnds(t *testing.T) {
	first := func(status uint32, body []byte) script {
		return func(p *peer) { p.greet(); p.send(answer(p.request(), cmdSessionSetup, status, body)); p.drain() }
	}
	second := func(status uint32) script {
		return func(p *peer) {
			p.greet()
			p.send(answer(p.request(), cmdSessionSetup, moreProcessing, challenge(ntlm, ntlmChallenge())))
			p.send(answer(p.request(), cmdSessionSetup, status, refusal))
			p.drain()
		}
	}
	broken := ntlmChallenge()
	binary.LittleEndian.PutUint32(broken[44:], 0xFFFFFFFA) // the offset of the target's information
	for name, c := range map[string]struct {
		script script
		code   fault.Code
	}{
		"guest":                {func(p *peer) { p.login(1); p.drain() }, fault.ShareGuest},
		"anonymous":            {func(p *peer) { p.login(2); p.drain() }, fault.ShareGuest},
		"guest, encrypted":     {func(p *peer) { p.login(5); p.drain() }, fault.ShareGuest},
		"guest at the start":   {first(0, setup(1, nil)), fault.ShareGuest},
		"success at the start": {first(0, setup(0, nil)), fault.ShareProtocol},
		"wrong password":       {second(0xC000006D), fault.ShareAuthFailed},
		"locked":               {second(0xC0000234), fault.ShareAccountLocked},
		"expired":              {second(0xC0000071), fault.ShareAccountInvalid},
		"denied":               {second(0xC0000022), fault.ShareAccessDenied},
		"no domain controller": {second(0xC000005E), fault.ShareUnreachable},
		"NTLM blocked":         {first(0xC0000418, refusal), fault.ShareNTLMRefused},
		"NTLM not supported":   {first(0xC00000BB, refusal), fault.ShareNTLMRefused},
		"Kerberos only":        {first(moreProcessing, challenge(kerberos, []byte("ticket, please"))), fault.ShareNTLMRefused},
		"no token":             {first(moreProcessing, setup(0, nil)), fault.ShareNTLMRefused},
		"garbage token":        {first(moreProcessing, setup(0, []byte("NTLMSSP\x00 but no SPNEGO"))), fault.ShareProtocol},
		"broken NTLM offset":   {first(moreProcessing, challenge(ntlm, broken)), fault.ShareProtocol},
		"hangs up":             {func(p *peer) { p.greet(); p.request() }, fault.ShareUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := try(t, c.script)
			require.ErrorIs(t, err, c.code, "%v", err)
			require.LessOrEqual(t, server.setups, 2, "two messages are one login")
			require.Equal(t, 1, server.conns)
			require.NotContains(t, err.Error(), "goroutine")
		})
	}
}

// No bytes of a server crash the process, at any point of the conversation.
func FuzzServer(f *testing.F) {
	f.Add(byte(0), []byte{0, 0, 0, 10, 0xFE, 'S', 'M', 'B', 64, 0, 0, 0, 0, 0})
	f.Add(byte(1), append([]byte{0, 0, 0, 73}, answer(nil, cmdSessionSetup, 0x103, refusal)...))
	f.Add(byte(2), append([]byte{0, 0, 0, 116}, transform(64)...))
	f.Add(byte(3), append([]byte{0, 0, 0, 80}, answer(nil, cmdTreeConnect, 0, make([]byte, 16))...))
	f.Add(byte(1), bytes.Repeat([]byte{0xFE}, 100))
	frame := answer(nil, cmdNegotiate, 0, negotiated(0x0311, 2, 1<<20))
	f.Add(byte(0), append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	frame = answer(nil, cmdSessionSetup, moreProcessing, challenge(ntlm, ntlmChallenge()))
	f.Add(byte(1), append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	f.Fuzz(func(t *testing.T, stage byte, data []byte) {
		_, err := try(t, func(p *peer) {
			switch stage % 4 {
			case 0:
			case 1:
				p.greet()
			case 2:
				p.greet()
				p.send(answer(p.request(), cmdSessionSetup, moreProcessing, challenge(ntlm, ntlmChallenge())))
			case 3:
				p.login(4)
			}
			p.request()
			p.raw(data)
		})
		_, known := fault.Of(err)
		require.True(t, known, "%v", err)
	})
}
