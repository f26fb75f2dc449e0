package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
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
	metadataPlace = "encryption-place"
)

// ErrUnknownKey is the cause of a CODEC_KEY fault that another key file may mend.
var ErrUnknownKey = errors.New("unknown key")

// bound starts the associated data of a payload that has a place, so that it can
// never be taken for one of the form before, whose associated data is the key's id.
const bound = "infrabackup payload 2\x00"

// Codec encrypts whole payloads, their metadata included, with AES-256-GCM
// (NIST SP 800-38D) under a random 96-bit nonce that precedes the ciphertext. The
// key's id and the place where the payload belongs stand in the metadata, and are
// authenticated. It is safe for concurrent use.
//
// [Codec.Seal] and [Codec.Open] are for those who act on what they read. As a
// [converter.PayloadCodec] it shows payloads to people, wherever they belong.
type Codec struct{ ring *Keyring }

var _ converter.PayloadCodec = (*Codec)(nil)

// New makes a codec of a keyring.
func New(ring *Keyring) *Codec { return &Codec{ring: ring} }

// Seal encrypts a payload that belongs to place.
func (c *Codec) Seal(place string, p *commonpb.Payload) (*commonpb.Payload, error) {
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
		Metadata: map[string][]byte{encodingKey: []byte(encoding), metadataKeyID: []byte(id), metadataPlace: []byte(place)},
		Data:     aead.Seal(nonce, nonce, plain, associated(id, place)),
	}, nil
}

// Open decrypts a payload that has to belong to place. PAYLOAD_REFUSED for one in clear
// and for one that belongs elsewhere, PAYLOAD_OUTDATED for one of the form that had no
// place, and CODEC_KEY for what none of the keys has sealed.
func (c *Codec) Open(place string, p *commonpb.Payload) (*commonpb.Payload, error) {
	if string(p.GetMetadata()[encodingKey]) != encoding {
		return nil, fault.Newf(fault.PayloadRefused, "a payload arrived that is not encrypted")
	}
	out, err := c.decrypt(p)
	if err != nil {
		return nil, err
	}
	its, placed := p.Metadata[metadataPlace]
	switch {
	case !placed:
		return nil, fault.Newf(fault.PayloadOutdated, "a payload has the form of an earlier version, which does not say where it belongs")
	case string(its) != place:
		return nil, fault.Newf(fault.PayloadRefused, "a payload of %s arrived at %s", its, place)
	}
	return out, nil
}

// OpenOutdated decrypts a payload of the form that had no place, for the one-time
// conversion of what an earlier version wrote. PAYLOAD_REFUSED for any other form.
func (c *Codec) OpenOutdated(p *commonpb.Payload) (*commonpb.Payload, error) {
	if !Outdated(p) {
		return nil, fault.Newf(fault.PayloadRefused, "a payload does not have the form of an earlier version")
	}
	return c.decrypt(p)
}

// Outdated reports whether p has the form that had no place. It does not say that
// anybody with the key wrote it.
func Outdated(p *commonpb.Payload) bool {
	_, placed := p.GetMetadata()[metadataPlace]
	return string(p.GetMetadata()[encodingKey]) == encoding && !placed
}

// Encode encrypts payloads that belong nowhere: nobody acts on them.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		sealed, err := c.Seal("", p)
		if err != nil {
			return nil, err
		}
		out[i] = sealed
	}
	return out, nil
}

// Decode decrypts payloads of any place and form, to show them. Payloads that are not
// encrypted are returned as they are: search attributes and messages of other tools
// are not.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[encodingKey]) != encoding {
			out[i] = p
			continue
		}
		plain, err := c.decrypt(p)
		if err != nil {
			return nil, err
		}
		out[i] = plain
	}
	return out, nil
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
	data := []byte(id)
	if place, placed := p.Metadata[metadataPlace]; placed {
		data = associated(id, string(place))
	}
	nonce, sealed := p.Data[:aead.NonceSize()], p.Data[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, sealed, data)
	if err != nil {
		return nil, fault.Newf(fault.CodecKey, "a payload does not decrypt with codec key %q", id)
	}
	var out commonpb.Payload
	if err := proto.Unmarshal(plain, &out); err != nil {
		return nil, fault.New(fault.CodecKey, "a decrypted payload is malformed", err)
	}
	return &out, nil
}

// associated is what is authenticated beside a payload: each text with its length, so
// that no two of them can be read as others.
func associated(id, place string) []byte {
	data := []byte(bound)
	for _, text := range []string{id, place} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(text)))
		data = append(data, text...)
	}
	return data
}

func (c *Codec) aead(id string) (cipher.AEAD, error) {
	key, ok := c.ring.keys[id]
	if !ok && !keyIDPattern.MatchString(id) { // which anybody can write, of any length
		return nil, fault.New(fault.CodecKey, "a payload names a codec key that no key file can have", ErrUnknownKey)
	}
	if !ok {
		return nil, fault.New(fault.CodecKey, fmt.Sprintf("codec key %q is not in the key file", id), ErrUnknownKey)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	return cipher.NewGCM(block)
}
