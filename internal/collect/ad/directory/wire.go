package directory

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Limits of what a server may send, all of them checked before the bytes are taken
// apart. Nothing of a message is copied: values are slices of it.
const (
	// MaxMessage bounds one LDAP message. A controller sends at most 1,500 values of a
	// link at once (MaxValRange, MS-ADTS 3.1.1.3.4.6); Samba sends all.
	MaxMessage = 32 << 20
	// maxGreeting bounds answers to the login: they hold a code and a line of text.
	maxGreeting = 64 << 10
	// maxPlainMessage bounds messages that hold no large links: what a controller says
	// of itself, its schema, and the objects of certificate services.
	maxPlainMessage = 8 << 20
	// maxElements bounds the values of one object, which each take some 100 bytes of
	// their own. A link value with its GUID and SID has more than 100 bytes, so that no
	// message has more of them.
	maxElements = 400_000
	// maxEntryAttributes bounds the attributes of one object; a schema has some 1,500.
	maxEntryAttributes = 10_000
	// maxCookie bounds the cookie of a page, which is sent back. RFC 2696 has no limit;
	// controllers send some hundred bytes.
	maxCookie = 64 << 10
	// MaxSmall is the size of a message, or of a record, up to which it may be in memory
	// together with those of other connections. Larger ones are there one at a time.
	MaxSmall = 512 << 10
	// firstPiece is how much of a message is made room for before it came.
	firstPiece = 1 << 20
)

// Identifiers of BER elements (X.690, 8.1.2) that LDAP uses (RFC 4511).
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31
	tagBindAnswer  = 0x61 // [APPLICATION 1]
	tagEntry       = 0x64 // [APPLICATION 4]
	tagSearchDone  = 0x65 // [APPLICATION 5]
	tagReference   = 0x73 // [APPLICATION 19]
	tagExtended    = 0x78 // [APPLICATION 24]
	tagControls    = 0xa0 // [0]
	longForm       = 0x80
	highTag        = 0x1f
	maxLengthBytes = 8
)

// errMalformed is what is behind every answer that is no LDAP, or is more of it than
// may be.
var errMalformed = errors.New("the server's answer is not the LDAP that was requested")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// message is one LDAPMessage (RFC 4511, 4.1.1).
type message struct {
	id       int64
	op       byte   // identifier of the protocolOp
	body     []byte // its content
	controls []byte // content of the controls
}

// readMessage reads one message of at most limit bytes. Memory is taken as bytes
// come, not as a length promises. Large, when not nil, is called before a message of
// more than MaxSmall bytes is read.
func readMessage(r *bufio.Reader, limit int, large func() error) (m message, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return m, err
	}
	if first != tagSequence {
		return m, malformed("a message begins with 0x%02x", first)
	}
	size, err := readLength(r)
	if err != nil {
		return m, err
	}
	if size > uint64(limit) {
		return m, malformed("a message has %d bytes, at most %d are possible here", size, limit)
	}
	if size > MaxSmall && large != nil {
		if err := large(); err != nil {
			return m, err
		}
	}
	data := make([]byte, min(int(size), firstPiece))
	if _, err := io.ReadFull(r, data); err != nil {
		return m, cutShort(err)
	}
	if len(data) < int(size) {
		whole := make([]byte, size)
		if _, err := io.ReadFull(r, whole[copy(whole, data):]); err != nil {
			return m, cutShort(err)
		}
		data = whole
	}
	return parseMessage(data)
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readLength(r io.ByteReader) (size uint64, err error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, cutShort(err)
	}
	if b < longForm {
		return uint64(b), nil
	}
	count := int(b &^ longForm)
	if count < 1 || count > maxLengthBytes {
		// The indefinite form is not LDAP's (RFC 4511, 5.1).
		return 0, malformed("a length in %d bytes", count)
	}
	for range count {
		if b, err = r.ReadByte(); err != nil {
			return 0, cutShort(err)
		}
		size = size<<8 | uint64(b)
	}
	return size, nil
}

func parseMessage(data []byte) (m message, err error) {
	p := elements{data}
	if m.id, err = p.integer(tagInteger); err != nil {
		return m, err
	}
	if m.op, m.body, err = p.next(); err != nil {
		return m, err
	}
	if len(p.rest) > 0 {
		if m.controls, err = p.take(tagControls); err != nil {
			return m, err
		}
	}
	if len(p.rest) > 0 {
		return m, malformed("%d bytes behind the end of a message", len(p.rest))
	}
	return m, nil
}

// elements takes BER elements of definite length off the front of bytes. It follows
// LDAP's grammar as far as it is asked to and goes no deeper, so nesting costs
// nothing.
type elements struct{ rest []byte }

// next returns the identifier and the content of the next element.
func (p *elements) next() (tag byte, content []byte, err error) {
	if len(p.rest) < 2 {
		return 0, nil, malformed("an element is missing")
	}
	tag = p.rest[0]
	if tag&highTag == highTag {
		return 0, nil, malformed("an element has the identifier 0x%02x", tag)
	}
	at := 2
	size := uint64(p.rest[1])
	if size >= longForm {
		count := int(size &^ longForm)
		if count < 1 || count > maxLengthBytes || len(p.rest) < at+count {
			return 0, nil, malformed("an element has a length in %d bytes", count)
		}
		size = 0
		for _, b := range p.rest[at : at+count] {
			size = size<<8 | uint64(b)
		}
		at += count
	}
	if size > uint64(len(p.rest)-at) {
		return 0, nil, malformed("an element has %d bytes, where %d are left", size, len(p.rest)-at)
	}
	end := at + int(size)
	content = p.rest[at:end:end]
	p.rest = p.rest[end:]
	return tag, content, nil
}

// take returns the content of the next element, which must have the identifier.
func (p *elements) take(want byte) ([]byte, error) {
	tag, content, err := p.next()
	if err != nil {
		return nil, err
	}
	if tag != want {
		return nil, malformed("an element has the identifier 0x%02x instead of 0x%02x", tag, want)
	}
	return content, nil
}

// integer reads an INTEGER or ENUMERATED of up to 64 bits.
func (p *elements) integer(want byte) (n int64, err error) {
	content, err := p.take(want)
	if err != nil {
		return 0, err
	}
	if len(content) < 1 || len(content) > 8 {
		return 0, malformed("a number of %d bytes", len(content))
	}
	n = int64(int8(content[0]))
	for _, b := range content[1:] {
		n = n<<8 | int64(b)
	}
	return n, nil
}
