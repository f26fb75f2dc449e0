package ad

import (
	"fmt"
	"net"
	"time"
)

// maxMessage bounds one LDAP message. The library would take up to 2 GiB from a
// server that says so. A controller sends at most 1,500 values of a link at once
// (MaxValRange, MS-ADTS 3.1.1.3.4.6); Samba sends all.
const maxMessage = 32 << 20

// boundedConn refuses messages that are too large, and writes that nobody reads.
// It follows the headers of the outermost BER elements (X.690, 8.1), which in LDAP
// always have a definite length (RFC 4511, 5.1).
type boundedConn struct {
	net.Conn
	stall  time.Duration
	header []byte // of the message that begins, as far as it is known
	left   int    // bytes of the current message still to come
	err    error
}

// Read implements [net.Conn]. It is used from one goroutine.
func (b *boundedConn) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if b.left > 0 {
			skip := min(b.left, len(rest))
			b.left -= skip
			rest = rest[skip:]
			continue
		}
		b.header = append(b.header, rest[0])
		rest = rest[1:]
		size, done, bad := messageSize(b.header)
		if bad != nil {
			b.err = bad
			return 0, bad
		}
		if done {
			b.left, b.header = size, b.header[:0]
		}
	}
	return n, err
}

// Write implements [net.Conn].
func (b *boundedConn) Write(p []byte) (int, error) {
	if err := b.SetWriteDeadline(time.Now().Add(b.stall)); err != nil {
		return 0, err
	}
	return b.Conn.Write(p)
}

// messageSize reads the length from a BER header once it is complete.
func messageSize(header []byte) (size int, done bool, err error) {
	const sequence = 0x30
	if header[0] != sequence {
		return 0, false, fmt.Errorf("an LDAP message begins with 0x%02x", header[0])
	}
	if len(header) == 1 {
		return 0, false, nil
	}
	first := int(header[1])
	if first < 0x80 {
		return first, true, nil
	}
	count := first & 0x7f
	if count < 1 || count > 8 {
		return 0, false, fmt.Errorf("an LDAP message has a length in %d bytes", count)
	}
	if len(header) < 2+count {
		return 0, false, nil
	}
	for _, b := range header[2:] {
		if size = size<<8 | int(b); size > maxMessage {
			return 0, false, fmt.Errorf("an LDAP message has more than %d bytes", maxMessage)
		}
	}
	return size, true, nil
}
