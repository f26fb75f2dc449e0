package seal

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func TestOnlyWhoOpensABackupVouchesForItsKeyFile(t *testing.T) {
	const id, other = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"), backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	text, operator, err := GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	ids, err := ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	for _, postQuantum := range []bool{false, true} {
		var to []Recipient
		if postQuantum {
			_, hybrid, err := GenerateIdentity(true, time.Now())
			require.NoError(t, err)
			to = []Recipient{hybrid}
		}
		key, err := NewBackupKey(to...)
		require.NoError(t, err)
		file, err := key.Wrap([]Recipient{operator})
		require.NoError(t, err)
		own, err := OpenBackupKey(file, ids)
		require.NoError(t, err)
		challenge, public, err := NewKeyFileChallenge(key.Recipient(), "local", rand.Reader)
		require.NoError(t, err)
		recipients := []backup.Recipient{{Kind: operator.Kind, Fingerprint: operator.Fingerprint}}
		statement := func(id backup.ID, revision int64, file []byte) []byte {
			s, err := KeyFileStatement("local", id, revision, recipients, file)
			require.NoError(t, err)
			return s
		}
		voucher, err := VouchForKeyFile(challenge, own, statement(id, 3, file))
		require.NoError(t, err)
		require.NoError(t, CheckVoucher(public, statement(id, 3, file), voucher))
		for name, s := range map[string][]byte{
			"another backup": statement(other, 3, file), "another revision": statement(id, 4, file), "another file": statement(id, 3, append(file, 0)), "nothing": nil,
		} {
			require.ErrorIs(t, CheckVoucher(public, s, voucher), fault.ProofRefused, name)
		}
		_, strange, err := NewKeyFileChallenge(key.Recipient(), "local", rand.Reader)
		require.NoError(t, err)
		require.ErrorIs(t, CheckVoucher(strange, statement(id, 3, file), voucher), fault.ProofRefused, "of another challenge")
		require.ErrorIs(t, CheckVoucher("", statement(id, 3, file), voucher), fault.ProofRefused)
		require.ErrorIs(t, CheckVoucher(public, statement(id, 3, file), nil), fault.ProofRefused)
		_, err = VouchForKeyFile(challenge, ids[0], statement(id, 3, file))
		require.ErrorIs(t, err, fault.KeyDoesNotFit, "the operator's key is not the backup's")
	}
}
