package smb_test

import (
	"context"
	"encoding/asn1"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// A server that is written down as a script, for what no real server does. Frame
// layouts are from MS-SMB2 2.2, as in frame.go.

const (
	cmdNegotiate    = 0
	cmdSessionSetup = 1
	cmdTreeConnect  = 3
	cmdCreate       = 5

	moreProcessing = 0xC0000016
)

// script answers one connection; it returns when it has nothing more to say. The
// connection is closed then.
type script func(p *peer)

// badServer runs a script for each connection and notes what clients send.
type badServer struct {
	script script

	mu     sync.Mutex
	offers [][]uint16 // dialects of each NEGOTIATE
	setups int        // SESSION_SETUP requests
	conns  int
	group  sync.WaitGroup
}

// config points the product at the scripted server, over an in-memory connection.
func (s *badServer) config() smb.Config {
	return smb.Config{
		UNC: share.UNC{Host: "fs.example.com", Share: "backups"}, Username: `LAB\backup`, Password: secret.New("secret"),
		DialTimeout: 300 * time.Millisecond, StallTimeout: 300 * time.Millisecond,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			s.group.Go(func() {
				defer func() { _ = server.Close() }()
				s.script(&peer{Conn: server, server: s})
			})
			return client, nil
		},
	}
}

type peer struct {
	net.Conn
	server *badServer
}

// request reads one frame, nil at the end of the connection.
func (p *peer) request() []byte {
	var length [4]byte
	if _, err := io.ReadFull(p, length[:]); err != nil {
		return nil
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(p, frame); err != nil {
		return nil
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if frame[0] == 0xFE {
		switch binary.LittleEndian.Uint16(frame[12:]) {
		case cmdNegotiate:
			var offer []uint16
			for i := range int(binary.LittleEndian.Uint16(frame[66:])) {
				offer = append(offer, binary.LittleEndian.Uint16(frame[100+2*i:]))
			}
			p.server.offers = append(p.server.offers, offer)
		case cmdSessionSetup:
			p.server.setups++
		}
	}
	return frame
}

// raw sends bytes as they are. A client that has hung up is no failure.
func (p *peer) raw(b []byte) { _, _ = p.Write(b) }

// send sends a frame with its length.
func (p *peer) send(frame []byte) {
	p.raw(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

// drain reads until the client hangs up.
func (p *peer) drain() {
	for p.request() != nil {
	}
}

// answer makes the frame that answers a request.
func answer(request []byte, command uint16, status uint32, body []byte) []byte {
	frame := make([]byte, 64, 64+len(body))
	copy(frame, "\xFESMB")
	binary.LittleEndian.PutUint16(frame[4:], 64)
	binary.LittleEndian.PutUint32(frame[8:], status)
	binary.LittleEndian.PutUint16(frame[12:], command)
	binary.LittleEndian.PutUint16(frame[14:], 32) // credits
	binary.LittleEndian.PutUint32(frame[16:], 1)  // a response
	if len(request) >= 64 {
		copy(frame[24:32], request[24:32]) // the message's id
	}
	if command != cmdNegotiate {
		frame[40] = 7 // the session's id
	}
	return append(frame, body...)
}

// refusal is the body of an error response.
var refusal = []byte{9, 0, 0, 0, 0, 0, 0, 0, 0}

// negotiated is the body of a NEGOTIATE response.
func negotiated(dialect, cipher uint16, size uint32) []byte {
	body := make([]byte, 64)
	le := binary.LittleEndian
	le.PutUint16(body, 65)
	le.PutUint16(body[2:], 1) // signing enabled
	le.PutUint16(body[4:], dialect)
	le.PutUint32(body[24:], 0x44) // large MTU, encryption
	for i := range 3 {
		le.PutUint32(body[28+4*i:], size)
	}
	le.PutUint16(body[56:], 128)
	if dialect != 0x0311 {
		return body
	}
	le.PutUint16(body[6:], 1)
	le.PutUint32(body[60:], 128)
	hash := make([]byte, 8+38+2)
	le.PutUint16(hash, 1)
	le.PutUint16(hash[2:], 38)
	le.PutUint16(hash[8:], 1)
	le.PutUint16(hash[10:], 32)
	le.PutUint16(hash[12:], 1) // SHA-512
	body = append(body, hash...)
	if cipher != 0 {
		le.PutUint16(body[6:], 2)
		body = append(body, 2, 0, 4, 0, 0, 0, 0, 0, 1, 0, byte(cipher), 0)
	}
	return body
}

var (
	ntlm     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}
	kerberos = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
)

// challenge is the body of the first SESSION_SETUP response: a SPNEGO token (RFC
// 4178) that picks a mechanism.
func challenge(mechanism asn1.ObjectIdentifier, token []byte) []byte {
	inner, err := asn1.Marshal(struct {
		State     asn1.Enumerated       `asn1:"explicit,tag:0"`
		Mechanism asn1.ObjectIdentifier `asn1:"explicit,tag:1"`
		Token     []byte                `asn1:"explicit,tag:2"`
	}{1, mechanism, token})
	if err != nil {
		panic(err) // the values are all ours
	}
	outer, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: inner})
	if err != nil {
		panic(err)
	}
	return setup(0, outer)
}

// setup is the body of a SESSION_SETUP response.
func setup(flags uint16, token []byte) []byte {
	body := make([]byte, 8)
	binary.LittleEndian.PutUint16(body, 9)
	binary.LittleEndian.PutUint16(body[2:], flags)
	binary.LittleEndian.PutUint16(body[4:], 72)
	binary.LittleEndian.PutUint16(body[6:], uint16(len(token)))
	return append(body, token...)
}

// ntlmChallenge is a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2) of a server called FS.
func ntlmChallenge() []byte {
	token := make([]byte, 56)
	copy(token, "NTLMSSP\x00\x02")
	binary.LittleEndian.PutUint16(token[12:], 4)
	binary.LittleEndian.PutUint16(token[14:], 4)
	binary.LittleEndian.PutUint32(token[16:], 56)
	binary.LittleEndian.PutUint32(token[20:], 0xE2898215)
	copy(token[24:], "12345678")
	binary.LittleEndian.PutUint16(token[40:], 12)
	binary.LittleEndian.PutUint16(token[42:], 12)
	binary.LittleEndian.PutUint32(token[44:], 60)
	return append(token, 'F', 0, 'S', 0, 2, 0, 4, 0, 'F', 0, 'S', 0, 0, 0, 0, 0)
}

// greet answers a NEGOTIATE as a good server does.
func (p *peer) greet() { p.send(answer(p.request(), cmdNegotiate, 0, negotiated(0x0311, 2, 1<<20))) }

// login answers everything up to the last SESSION_SETUP as a good server does,
// and that with flags.
func (p *peer) login(flags uint16) {
	p.greet()
	p.send(answer(p.request(), cmdSessionSetup, moreProcessing, challenge(ntlm, ntlmChallenge())))
	p.send(answer(p.request(), cmdSessionSetup, 0, setup(flags, nil)))
}

// transform is an encrypted frame (MS-SMB2 2.2.41) that nobody can decrypt.
func transform(size int) []byte {
	frame := make([]byte, 52+size)
	copy(frame, "\xFDSMB")
	for i := 4; i < len(frame); i++ {
		frame[i] = 0xEE
	}
	binary.LittleEndian.PutUint32(frame[36:], uint32(size))
	binary.LittleEndian.PutUint32(frame[40:], 0x00010000) // encrypted
	copy(frame[44:], []byte{7, 0, 0, 0, 0, 0, 0, 0})
	return frame
}
