package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/fault"
)

// Metadata of an encrypted payload.
const (
	encodingKey   = "encoding"
	encoding      = "binary/encrypted"
	metadataKeyID = "encryption-key-id"
)

// Codec encrypts whole payloads, their metadata included, with AES-256-GCM
// (NIST SP 800-38D) under a random 96-bit nonce that precedes the ciphertext. The
// key's id is authenticated. It is safe for concurrent use.
type Codec struct{ ring *Keyring }

var _ converter.PayloadCodec = (*Codec)(nil)

// New makes a codec of a keyring.
func New(ring *Keyring) *Codec { return &Codec{ring: ring} }

// Encode encrypts.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		sealed, err := c.encrypt(p)
		if err != nil {
			return nil, err
		}
		out[i] = sealed
	}
	return out, nil
}

// Decode decrypts. Payloads that this codec did not encrypt are returned as they
// are: search attributes and messages of other tools are not encrypted.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[encodingKey]) != encoding {
			out[i] = p
			continue
		}
		clear, err := c.decrypt(p)
		if err != nil {
			return nil, err
		}
		out[i] = clear
	}
	return out, nil
}

func (c *Codec) encrypt(p *commonpb.Payload) (*commonpb.Payload, error) {
	plain, err := proto.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("marshal payload: %w", err)
	}
	id := c.ring.active
	aead, err := c.aead(id)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{encodingKey: []byte(encoding), metadataKeyID: []byte(id)},
		Data:     aead.Seal(nonce, nonce, plain, []byte(id)),
	}, nil
}

func (c *Codec) decrypt(p *commonpb.Payload) (*commonpb.Payload, error) {
	id := string(p.GetMetadata()[metadataKeyID])
	aead, err := c.aead(id)
	if err != nil {
		return nil, err
	}
	if len(p.Data) < aead.NonceSize()+aead.Overhead() {
		return nil, fault.Newf(fault.CodecKey, "an encrypted payload is too short")
	}
	nonce, sealed := p.Data[:aead.NonceSize()], p.Data[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, sealed, []byte(id))
	if err != nil {
		return nil, fault.Newf(fault.CodecKey, "a payload does not decrypt with codec key %q", id)
	}
	var out commonpb.Payload
	if err := proto.Unmarshal(plain, &out); err != nil {
		return nil, fault.New(fault.CodecKey, "a decrypted payload is malformed", err)
	}
	return &out, nil
}

func (c *Codec) aead(id string) (cipher.AEAD, error) {
	key, ok := c.ring.keys[id]
	if !ok {
		return nil, fault.Newf(fault.CodecKey, "codec key %q is not in the key file", id)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	return cipher.NewGCM(block)
}
