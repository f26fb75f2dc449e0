package exchange

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func unhex(t *testing.T, text string) []byte {
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return b
}

// The test vectors of RFC 4493, section 4.
func TestCMAC(t *testing.T) {
	block, err := aes.NewCipher(unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	require.NoError(t, err)
	c := newCMAC(block)
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for length, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		require.Equal(t, want, hex.EncodeToString(c.sum(message[:length])), length)
	}
}

// The header of an encrypted message is read as whoever has the key decrypts it.
func TestHeader(t *testing.T) {
	key, message := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte("header within. "), 20)
	for _, dialect := range []uint16{0x0300, 0x0311} {
		k, err := Derive(key, dialect, cipherGCM, bytes.Repeat([]byte{9}, 64))
		require.NoError(t, err)
		for fromServer, block := range map[bool]cipher.Block{false: k.up, true: k.down} {
			frame := make([]byte, transformSize)
			for i := range 12 {
				frame[nonceOffset+i] = byte(i + 1)
			}
			aead, err := cipher.NewGCM(block)
			require.NoError(t, err)
			frame = append(frame, aead.Seal(nil, frame[nonceOffset:nonceOffset+12], message, nil)...)
			require.Equal(t, message[:headerSize], k.Header(frame, fromServer))
			require.NotEqual(t, message[:headerSize], k.Header(frame, !fromServer), "each direction has a key of its own")
			require.Nil(t, k.Header(frame[:transformSize+headerSize-1], fromServer))
		}
	}
	plain, err := Derive(key, 0x0311, 0, nil)
	require.NoError(t, err)
	require.Nil(t, plain.Header(make([]byte, 200), true))
	_, err = Derive(key[:15], 0x0311, 0, nil)
	require.Error(t, err)
}

func TestInterimIsSigned(t *testing.T) {
	k, err := Derive(bytes.Repeat([]byte{7}, 16), 0x0311, 0, bytes.Repeat([]byte{9}, 64))
	require.NoError(t, err)
	final := make([]byte, headerSize)
	for i := range final {
		final[i] = byte(i)
	}
	interim := k.Interim(final, 5)
	require.True(t, k.Signed(interim))
	require.Equal(t, final[24:48], interim[24:48], "message, answer and session are the same")
	for i := range interim {
		forged := bytes.Clone(interim)
		forged[i] ^= 1 << (i % 8)
		require.False(t, k.Signed(forged), "byte %d", i)
	}
	require.False(t, k.Signed(interim[:headerSize-1]))
}
