package seal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func TestKeyFilesAreThoseOfTheRecipients(t *testing.T) {
	generate := func(postQuantum bool) Recipient {
		_, r, err := GenerateIdentity(postQuantum, time.Now())
		require.NoError(t, err)
		return r
	}
	a, b, hybrid := generate(false), generate(false), generate(true)
	wrap := func(to ...Recipient) []byte {
		key, err := NewBackupKey()
		require.NoError(t, err)
		file, err := key.Wrap(to)
		require.NoError(t, err)
		return file
	}
	require.NoError(t, CheckKeyFile(wrap(a), []Recipient{a}))
	require.NoError(t, CheckKeyFile(wrap(a, b), []Recipient{b, a}))
	require.NoError(t, CheckKeyFile(wrap(hybrid), []Recipient{hybrid}))
	one := wrap(a)
	var large bytes.Buffer
	w, err := Encrypt(&large, a.Text)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, maxBackupKey+1))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, file := range map[string][]byte{
		"empty": nil, "text": []byte("x"), "another number": wrap(a, b), "another kind": wrap(hybrid),
		"too large": append(bytes.Clone(one), make([]byte, MaxKeyFile)...), "another content": large.Bytes(),
		"header alone": []byte(ageVersion + "\n"), "cut in the header": one[:60], "cut behind the header": one[:bytes.Index(one, []byte("--- "))+48],
		"another version": bytes.Replace(one, []byte("/v1"), []byte("/v2"), 1),
		"unknown type":    bytes.Replace(one, []byte("X25519"), []byte("scrypt"), 1),
		"many stanzas":    []byte(ageVersion + "\n" + strings.Repeat("-> X25519 "+strings.Repeat("A", 43)+"\n"+strings.Repeat("A", 43)+"\n", maxRecipients+1)),
		"line of spaces":  bytes.Replace(one, []byte("-> "), []byte("->  "), 1),
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, CheckKeyFile(file, []Recipient{a}), fault.KeyInvalid) })
	}
}

// FuzzCheckKeyFile feeds headers that somebody else wrote.
func FuzzCheckKeyFile(f *testing.F) {
	_, r, err := GenerateIdentity(false, time.Now())
	require.NoError(f, err)
	key, err := NewBackupKey()
	require.NoError(f, err)
	file, err := key.Wrap([]Recipient{r})
	require.NoError(f, err)
	f.Add(file)
	f.Add([]byte(ageVersion + "\n-> ssh-rsa AAAAAA\n\n--- \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := CheckKeyFile(data, []Recipient{r}); err != nil {
			require.ErrorIs(t, err, fault.KeyInvalid)
		}
	})
}
