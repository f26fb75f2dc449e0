package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Facts of the wire, all little-endian, from MS-SMB2: 2.2.1 (header), 2.2.4
// (NEGOTIATE response), 2.2.6 (SESSION_SETUP response), 2.2.10 (TREE_CONNECT
// response), 2.2.41 (TRANSFORM_HEADER).
const (
	headerSize    = 64
	transformSize = 52

	commandNegotiate      = 0
	commandSessionSetup   = 1
	commandLogoff         = 2
	commandTreeConnect    = 3
	commandTreeDisconnect = 4

	// CommandSetInfo is the command that renames and removes.
	CommandSetInfo = 0x11

	flagResponse = 1 // SMB2_FLAGS_SERVER_TO_REDIR
	flagAsync    = 2 // SMB2_FLAGS_ASYNC_COMMAND
	flagSigned   = 8 // SMB2_FLAGS_SIGNED

	statusSuccess        = 0
	statusPending        = 0x00000103
	statusMoreProcessing = 0xC0000016
	statusStoppedOnLink  = 0x8000002D // STATUS_STOPPED_ON_SYMLINK

	sessionGuest   = 1
	sessionNull    = 2
	sessionEncrypt = 4

	shareEncrypt = 0x00008000 // SMB2_SHAREFLAG_ENCRYPT_DATA

	capLargeMTU   = 0x00000004 // SMB2_GLOBAL_CAP_LARGE_MTU: requests may cost several credits
	capEncryption = 0x00000040 // SMB2_GLOBAL_CAP_ENCRYPTION, dialects 3.0 and 3.0.2

	contextEncryption = 2 // SMB2_ENCRYPTION_CAPABILITIES, dialect 3.1.1

	cipherCCM = 1
	cipherGCM = 2

	// minSize is the least that MS-SMB2 3.3.5.4 lets a server of these dialects
	// offer for one request; zero would make the library loop for ever.
	minSize = 64 << 10

	// perCredit is how many bytes of a request or an answer one credit pays for
	// (MS-SMB2 3.1.5.2).
	perCredit = 64 << 10
	// maxInterim bounds an interim answer: a header and an empty ERROR response.
	maxInterim = headerSize + 16
)

// Dialects, MS-SMB2 2.2.4.
const (
	Dialect300      = 0x0300 // SMB 3.0
	Dialect302      = 0x0302 // SMB 3.0.2
	Dialect311      = 0x0311 // SMB 3.1.1
	dialectWildcard = 0x02FF
)

var (
	magicPlain     = []byte{0xFE, 'S', 'M', 'B'}
	magicTransform = []byte{0xFD, 'S', 'M', 'B'}
	signatureNTLM  = []byte("NTLMSSP\x00")
)

// errFrame is the kind of every malformed frame.
var errFrame = errors.New("malformed SMB frame")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFrame, fmt.Sprintf(format, args...))
}

// Header is what the guard reads of a frame.
type Header struct {
	encrypted bool   // a TRANSFORM_HEADER; the fields below are unknown
	response  bool   // sent by a server
	signed    bool   // it has a signature, which the library verifies
	interim   bool   // "still working on it": the real answer follows
	Command   uint16 // one of the commands above, or a file operation
	Status    uint32 // NTSTATUS
	charge    uint16 // credits that the request costs
	credits   uint16 // credits asked for, or granted
	id        uint64 // of the message
	async     uint64 // AsyncId of an asynchronous answer, 0 of others
}

// parseHeader reads the first bytes of a frame of size bytes and refuses what
// would make the library slice beyond its end.
func parseHeader(head []byte, size int) (Header, error) {
	if size < headerSize || len(head) < headerSize {
		return Header{}, malformed("%d bytes are no message", size)
	}
	switch {
	case bytes.Equal(head[:4], magicPlain):
		if structure := binary.LittleEndian.Uint16(head[4:]); structure != headerSize {
			return Header{}, malformed("header of %d bytes", structure)
		}
		if next := binary.LittleEndian.Uint32(head[20:]); next != 0 {
			return Header{}, malformed("compound of which none was asked for")
		}
		status, flags := binary.LittleEndian.Uint32(head[8:]), binary.LittleEndian.Uint32(head[16:])
		var async uint64
		if flags&flagAsync != 0 {
			async = binary.LittleEndian.Uint64(head[32:])
		}
		return Header{
			charge:   binary.LittleEndian.Uint16(head[6:]),
			credits:  binary.LittleEndian.Uint16(head[14:]),
			id:       binary.LittleEndian.Uint64(head[24:]),
			async:    async,
			Command:  binary.LittleEndian.Uint16(head[12:]),
			Status:   status,
			response: flags&flagResponse != 0,
			signed:   flags&flagSigned != 0,
			interim:  flags&flagAsync != 0 && status == statusPending,
		}, nil
	case bytes.Equal(head[:4], magicTransform):
		if size < transformSize+headerSize {
			return Header{}, malformed("encrypted frame of %d bytes", size)
		}
		if original := binary.LittleEndian.Uint32(head[36:]); int64(original) != int64(size-transformSize) {
			return Header{}, malformed("encrypted frame of %d bytes announces %d", size, original)
		}
		if flags := binary.LittleEndian.Uint16(head[42:]); flags != 1 {
			return Header{}, malformed("encrypted frame with flags %#x", flags)
		}
		return Header{encrypted: true}, nil
	}
	return Header{}, malformed("it starts with % x", head[:4])
}

// negotiation is what a server answered to NEGOTIATE.
type negotiation struct {
	dialect uint16
	cipher  uint16 // cipherCCM, cipherGCM, 0 when there is none
	sizes   uint32 // least of the three limits of one request
	credits int    // that the largest request of the library costs
}

// parseNegotiate reads a whole successful NEGOTIATE response.
func parseNegotiate(frame []byte) (negotiation, error) {
	const fixed = headerSize + 64
	if len(frame) < fixed {
		return negotiation{}, malformed("NEGOTIATE response of %d bytes", len(frame))
	}
	n := negotiation{
		dialect: binary.LittleEndian.Uint16(frame[68:]),
		sizes:   min(binary.LittleEndian.Uint32(frame[92:]), binary.LittleEndian.Uint32(frame[96:]), binary.LittleEndian.Uint32(frame[100:])),
	}
	n.credits = 1
	if binary.LittleEndian.Uint32(frame[88:])&capLargeMTU != 0 {
		// Listing a folder asks for as much as the server sends at once, up to 1 MiB.
		largest := min(binary.LittleEndian.Uint32(frame[92:]), MaxPayload)
		n.credits = int((max(largest, 1)-1)/perCredit + 1)
	}
	switch n.dialect {
	case Dialect300, Dialect302:
		if binary.LittleEndian.Uint32(frame[88:])&capEncryption != 0 {
			n.cipher = cipherCCM
		}
	case Dialect311:
		cipher, err := negotiatedCipher(frame)
		if err != nil {
			return negotiation{}, err
		}
		n.cipher = cipher
	}
	return n, nil
}

// negotiatedCipher finds the cipher in the contexts of a 3.1.1 response.
func negotiatedCipher(frame []byte) (uint16, error) {
	count := int(binary.LittleEndian.Uint16(frame[70:]))
	offset := int64(binary.LittleEndian.Uint32(frame[124:]))
	for range count {
		if offset < headerSize+64 || offset+8 > int64(len(frame)) {
			return 0, malformed("negotiate context at %d of %d bytes", offset, len(frame))
		}
		kind := binary.LittleEndian.Uint16(frame[offset:])
		length := int64(binary.LittleEndian.Uint16(frame[offset+2:]))
		data := offset + 8
		if data+length > int64(len(frame)) {
			return 0, malformed("negotiate context of %d bytes at %d of %d", length, offset, len(frame))
		}
		if kind == contextEncryption {
			if length < 4 || binary.LittleEndian.Uint16(frame[data:]) != 1 {
				return 0, malformed("not one cipher in the answer")
			}
			return binary.LittleEndian.Uint16(frame[data+2:]), nil
		}
		offset = data + (length+7)&^7
	}
	return 0, nil
}

// parseSessionFlags reads the flags of a SESSION_SETUP response.
func parseSessionFlags(frame []byte) (uint16, error) {
	if len(frame) < headerSize+8 {
		return 0, malformed("SESSION_SETUP response of %d bytes", len(frame))
	}
	return binary.LittleEndian.Uint16(frame[66:]), nil
}

// parseShareFlags reads the flags of a TREE_CONNECT response.
func parseShareFlags(frame []byte) (uint32, error) {
	if len(frame) < headerSize+16 {
		return 0, malformed("TREE_CONNECT response of %d bytes", len(frame))
	}
	return binary.LittleEndian.Uint32(frame[68:]), nil
}

// DialectName is how people call a dialect.
func DialectName(dialect uint16) string {
	switch dialect {
	case 0x0202:
		return "SMB 2.0.2"
	case 0x0210:
		return "SMB 2.1"
	case dialectWildcard:
		return "SMB 2 of an unnamed version"
	case Dialect300:
		return "SMB 3.0"
	case Dialect302:
		return "SMB 3.0.2"
	case Dialect311:
		return "SMB 3.1.1"
	}
	return fmt.Sprintf("SMB dialect %#04x", dialect)
}

// CipherName is how people call a cipher.
func CipherName(cipher uint16) string {
	switch cipher {
	case 0:
		return ""
	case cipherCCM:
		return "AES-128-CCM"
	case cipherGCM:
		return "AES-128-GCM"
	}
	return fmt.Sprintf("cipher %#04x", cipher)
}
