package e2e

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/unix"

	"infrabackup/internal/seal"
)

// TestEncryptingProcessIsSearched makes sure that the search would see the keys of a
// file: it searches the process that encrypts one, and then there is none any more.
func TestEncryptingProcessIsSearched(t *testing.T) {
	t.Parallel()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	output, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer func() { require.NoError(t, output.Close()) }()
	memory, err := unix.MemfdCreate("plain text", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	shared := os.NewFile(uintptr(memory), "shared memory")
	defer func() { require.NoError(t, shared.Close()) }()
	require.NoError(t, shared.Truncate(2<<20))
	child := exec.CommandContext(t.Context(), filepath.Join(binaries(t), "infrabackup-worker"), "encrypt", recipient.Text)
	child.ExtraFiles = []*os.File{output, shared}
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())

	var file []byte
	require.Eventually(t, func() bool {
		file, err = os.ReadFile(output.Name())
		return err == nil && nonceOf(file) != nil
	}, time.Minute, 5*time.Millisecond)
	needles := fileKeys(t, ids[0], "it", file)
	require.Len(t, needles, 2)
	require.True(t, memoryOf(t, child.Process.Pid, needles).found["stream key of it"])

	require.NoError(t, stdin.Close())
	require.Error(t, child.Wait(), "it was not told the end")
	file, err = os.ReadFile(output.Name())
	require.NoError(t, err)
	r, err := seal.Decrypt(bytes.NewReader(file), ids[0])
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.Error(t, err, "nothing looks complete")
}

// fileKeys are the keys with which age encrypted a file to an X25519 identity: the file
// key, and that of its payload (age-encryption.org/v1). Either opens the file.
func fileKeys(t *testing.T, id seal.Identity, name string, file []byte) map[string][]byte {
	t.Helper()
	private, err := ecdh.X25519().NewPrivateKey(bech32Data(t, id.Text().Reveal()))
	require.NoError(t, err)
	lines := strings.SplitN(string(file), "\n", 4)
	require.Equal(t, "age-encryption.org/v1", lines[0])
	share := unpadded(t, strings.TrimPrefix(lines[1], "-> X25519 "))
	public, err := ecdh.X25519().NewPublicKey(share)
	require.NoError(t, err)
	shared, err := private.ECDH(public)
	require.NoError(t, err)
	wrapKey, err := hkdf.Key(sha256.New, shared, append(share, private.PublicKey().Bytes()...), lines[0]+"/X25519", chacha20poly1305.KeySize)
	require.NoError(t, err)
	wrapping, err := chacha20poly1305.New(wrapKey)
	require.NoError(t, err)
	fileKey, err := wrapping.Open(nil, make([]byte, chacha20poly1305.NonceSize), unpadded(t, lines[2]), nil)
	require.NoError(t, err)
	streamKey, err := hkdf.Key(sha256.New, fileKey, nonceOf(file), "payload", chacha20poly1305.KeySize)
	require.NoError(t, err)
	return map[string][]byte{"file key of " + name: fileKey, "stream key of " + name: streamKey}
}

// nonceOf returns the nonce behind the header of an age file, nil when it is not there.
func nonceOf(file []byte) []byte {
	const size = 16
	_, mac, found := bytes.Cut(file, []byte("\n--- "))
	_, payload, ended := bytes.Cut(mac, []byte("\n"))
	if !found || !ended || len(payload) < size {
		return nil
	}
	return payload[:size]
}

func unpadded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawStdEncoding.DecodeString(text)
	require.NoError(t, err)
	return data
}
