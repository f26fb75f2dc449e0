package seal

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func FuzzParseIdentities(f *testing.F) {
	for _, op := range operators(f) {
		f.Add(op.file)
	}
	f.Add([]byte("# symmetric\nQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQQ=="))
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := ParseIdentities(data)
		if err != nil {
			require.ErrorIs(t, err, fault.KeyInvalid)
			return
		}
		for _, id := range ids {
			again, err := ParseRecipient(id.Public())
			require.NoError(t, err)
			require.Equal(t, id.Recipient().Fingerprint, again.Fingerprint)
		}
	})
}

func FuzzLoadRecipient(f *testing.F) {
	for _, op := range operators(f) {
		f.Add([]byte(op.recipient.Text))
	}
	der := certificate(f, rsaKey(), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
	f.Add(der)
	f.Add(pemOf("CERTIFICATE", der))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := LoadRecipient(data, now)
		if err != nil {
			require.ErrorIs(t, err, fault.KeyInvalid)
			return
		}
		again, err := ParseRecipient(r.Text)
		require.NoError(t, err)
		require.Equal(t, r.Text, again.Text, "the text is normal")
		require.Equal(t, r.Fingerprint, again.Fingerprint)
	})
}

func FuzzOpen(f *testing.F) {
	text, r := generate(f, false)
	ids := []Identity{identity(f, text), identity(f, string(rsaForms(f)["PKCS1"]))}
	key, err := NewBackupKey()
	require.NoError(f, err)
	keyAge, err := key.Wrap([]Recipient{r, ids[1].Recipient()})
	require.NoError(f, err)
	f.Add(keyAge)
	f.Add(encrypt(f, []byte("hello"), r.Text))
	known := func(t *testing.T, err error) {
		if err != nil {
			require.Contains(t, []fault.Code{fault.BackupDamaged, fault.KeyDoesNotFit}, fault.CodeOf(err))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := OpenBackupKey(data, ids)
		known(t, err)
		_, err = decryptAll(data, ids[0])
		known(t, err)
		plain, n, err := DecryptReaderAt(bytes.NewReader(data), int64(len(data)), ids[0])
		known(t, err)
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(plain, 0, n))
			known(t, err)
		}
	})
}

func FuzzVerifySignature(f *testing.F) {
	public, key, err := ed25519Line(f)
	require.NoError(f, err)
	message := []byte("sums")
	sig, err := key.Sign(message)
	require.NoError(f, err)
	f.Add(message, sig, []byte(AllowedSignersLine(public)))
	f.Fuzz(func(t *testing.T, text, armored, signers []byte) {
		if _, err := VerifySignature(text, armored, signers); err != nil {
			require.ErrorIs(t, err, fault.BackupForged)
		} else if bytes.Contains(signers, []byte(public)) && bytes.Equal(armored, sig) {
			require.Equal(t, message, text, "a signature fits one message")
		}
	})
}
