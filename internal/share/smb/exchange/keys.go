package exchange

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Layout of the two kinds of header (MS-SMB2 2.2.1, 2.2.41).
const (
	headerSize    = 64
	transformSize = 52
	nonceOffset   = 20

	flagSigned      = 8 // SMB2_FLAGS_SIGNED
	signatureOffset = 48
)

// Ciphers of a session (MS-SMB2 2.2.3.1.2).
const (
	cipherCCM = 1
	cipherGCM = 2
)

// dialect311 is the first dialect whose keys depend on the whole handshake.
const dialect311 = 0x0311

// Keys are what the messages of one session are signed and encrypted with. They may
// be used concurrently.
type Keys struct {
	signer *cmac
	cipher uint16
	up     cipher.Block // of messages to the server; nil without encryption
	down   cipher.Block // of messages from the server
}

// Derive makes the keys of a session (MS-SMB2 3.1.4.2, 3.2.5.3) of a 3.x dialect from
// the key that the login ended with, the cipher that was negotiated (0 for none) and,
// for 3.1.1, the hash of the handshake.
func Derive(sessionKey []byte, dialect, chosen uint16, handshake []byte) (*Keys, error) {
	if len(sessionKey) != 16 {
		return nil, fmt.Errorf("a session key of %d bytes", len(sessionKey))
	}
	signing, up, down := [2]string{"SMB2AESCMAC\x00", "SmbSign\x00"}, [2]string{"SMB2AESCCM\x00", "ServerIn \x00"}, [2]string{"SMB2AESCCM\x00", "ServerOut\x00"}
	if dialect == dialect311 {
		signing, up, down = [2]string{"SMBSigningKey\x00", string(handshake)}, [2]string{"SMBC2SCipherKey\x00", string(handshake)}, [2]string{"SMBS2CCipherKey\x00", string(handshake)}
	}
	k := &Keys{cipher: chosen}
	block, err := derived(sessionKey, signing)
	if err != nil {
		return nil, err
	}
	k.signer = newCMAC(block)
	if chosen != cipherCCM && chosen != cipherGCM {
		return k, nil
	}
	if k.up, err = derived(sessionKey, up); err != nil {
		return nil, err
	}
	if k.down, err = derived(sessionKey, down); err != nil {
		return nil, err
	}
	return k, nil
}

// derived is the key derivation function of NIST SP 800-108 in counter mode with
// HMAC-SHA-256, for 128 bits (MS-SMB2 3.1.4.2).
func derived(key []byte, labelAndContext [2]string) (cipher.Block, error) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{0, 0, 0, 1})
	h.Write([]byte(labelAndContext[0]))
	h.Write([]byte{0})
	h.Write([]byte(labelAndContext[1]))
	h.Write([]byte{0, 0, 0, 128})
	return aes.NewCipher(h.Sum(nil)[:16])
}

// Header decrypts the header of the message within an encrypted frame, of which at
// least the first 116 bytes are given; nil when the session has no cipher. It proves
// nothing: whoever decrypts the whole message finds out whether it is genuine. Both
// ciphers are AES in counter mode as far as single bytes go (SP 800-38C, -38D).
func (k *Keys) Header(frame []byte, fromServer bool) []byte {
	block := k.up
	if fromServer {
		block = k.down
	}
	if block == nil || len(frame) < transformSize+headerSize {
		return nil
	}
	counter := make([]byte, aes.BlockSize)
	if nonce := frame[nonceOffset:]; k.cipher == cipherGCM {
		copy(counter[:12], nonce)
		counter[15] = 2 // 1 is for the tag
	} else {
		counter[0] = 3 // lengths have four bytes, so nonces eleven
		copy(counter[1:12], nonce)
		counter[15] = 1 // 0 is for the tag
	}
	header := make([]byte, headerSize)
	cipher.NewCTR(block, counter).XORKeyStream(header, frame[transformSize:transformSize+headerSize])
	return header
}

// Signed reports whether a whole message carries the signature that it should.
func (k *Keys) Signed(message []byte) bool {
	if len(message) < headerSize || binary.LittleEndian.Uint32(message[16:])&flagSigned == 0 {
		return false
	}
	again := bytes.Clone(message)
	k.sign(again)
	return hmac.Equal(again[signatureOffset:headerSize], message[signatureOffset:headerSize])
}

// sign puts the signature into a message (MS-SMB2 3.1.4.1).
func (k *Keys) sign(message []byte) {
	binary.LittleEndian.PutUint32(message[16:], binary.LittleEndian.Uint32(message[16:])|flagSigned)
	clear(message[signatureOffset:headerSize])
	copy(message[signatureOffset:], k.signer.sum(message))
}

// Interim returns a signed interim answer (MS-SMB2 3.3.4.2) that announces the given
// final answer, which carries an AsyncId, and grants credits.
func (k *Keys) Interim(final []byte, credits uint16) []byte {
	message := make([]byte, headerSize+9) // an empty ERROR response (MS-SMB2 2.2.2)
	copy(message, "\xFESMB")
	binary.LittleEndian.PutUint16(message[4:], headerSize)
	binary.LittleEndian.PutUint32(message[8:], 0x00000103) // STATUS_PENDING
	copy(message[12:14], final[12:14])                     // the command
	binary.LittleEndian.PutUint16(message[14:], credits)
	binary.LittleEndian.PutUint32(message[16:], 1|2) // an answer, asynchronous
	copy(message[24:48], final[24:48])               // MessageId, AsyncId, SessionId
	message[headerSize] = 9
	k.sign(message)
	return message
}

// cmac is AES-CMAC (RFC 4493).
type cmac struct {
	block  cipher.Block
	k1, k2 [aes.BlockSize]byte
}

func newCMAC(block cipher.Block) *cmac {
	c := &cmac{block: block}
	var l [aes.BlockSize]byte
	block.Encrypt(l[:], l[:])
	c.k1 = doubled(l)
	c.k2 = doubled(c.k1)
	return c
}

// doubled multiplies by x in GF(2^128).
func doubled(in [aes.BlockSize]byte) (out [aes.BlockSize]byte) {
	for i := range in {
		out[i] = in[i] << 1
		if i+1 < len(in) {
			out[i] |= in[i+1] >> 7
		}
	}
	out[aes.BlockSize-1] ^= 0x87 & -(in[0] >> 7)
	return out
}

func (c *cmac) sum(message []byte) []byte {
	var state [aes.BlockSize]byte
	for len(message) > aes.BlockSize {
		xor(&state, message[:aes.BlockSize])
		c.block.Encrypt(state[:], state[:])
		message = message[aes.BlockSize:]
	}
	xor(&state, message)
	if len(message) == aes.BlockSize {
		xor(&state, c.k1[:])
	} else {
		state[len(message)] ^= 0x80
		xor(&state, c.k2[:])
	}
	c.block.Encrypt(state[:], state[:])
	return state[:]
}

func xor(state *[aes.BlockSize]byte, with []byte) {
	for i, b := range with {
		state[i] ^= b
	}
}
