package drilling

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/seal"
)

// TestLook: a certificate is believed by the list alone, and under its own name alone.
func TestLook(t *testing.T) {
	const id backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	folder, key, stranger := t.TempDir(), signingKey(t), signingKey(t)
	file, _ := write(t, folder, id, 1_800_000_000, key)
	line, err := os.ReadFile(file)
	require.NoError(t, err)
	signature, err := os.ReadFile(file + drill.SignatureSuffix)
	require.NoError(t, err)
	of := backup.Instance{Name: "local", DeploymentID: "d"}
	name, signers := filepath.Base(file), []byte(seal.DrillSignersLine(key.Public()))

	l, c := Look(of, name, line, signature, signers)
	require.Equal(t, []any{id, drill.Believed, key.Fingerprint(), ""}, []any{l.DrillID, l.Trust, l.Signer, l.Code})
	require.Equal(t, []any{id, id, drill.NotPassed}, []any{c.DrillID, l.Brief.BackupID, l.Brief.Result})
	require.False(t, l.Proves(), "it has not passed")

	l, c = Look(of, name, line, nil, nil)
	require.Equal(t, []any{drill.Unchecked, ""}, []any{l.Trust, l.Signer})
	require.NotNil(t, c)
	l.Brief.Result = drill.Passed
	l.Brief.Verified = true
	require.False(t, l.Proves(), "what cannot be checked proves nothing")
	l.Trust = drill.Believed
	require.True(t, l.Proves())
	l.Brief.Verified = false
	require.False(t, l.Proves(), "another backup may have had this ID")

	later := "20991231T235959Z_" + string(id) + ".json"
	for what, test := range map[string]struct {
		name                     string
		line, signature, signers []byte
		code                     fault.Code
	}{
		"by a stranger":         {name, line, signature, []byte(seal.DrillSignersLine(stranger.Public())), fault.CertificateForged},
		"by a key of backups":   {name, line, signature, []byte(seal.AllowedSignersLine(key.Public())), fault.CertificateForged},
		"without signature":     {name, line, nil, signers, fault.CertificateForged},
		"under a later name":    {later, line, signature, signers, fault.CertificateInvalid},
		"the same, unchecked":   {later, line, nil, nil, fault.CertificateInvalid},
		"changed":               {name, append([]byte(" "), line...), signature, signers, fault.CertificateForged},
		"nothing":               {name, nil, nil, signers, fault.CertificateForged},
		"nothing, unchecked":    {name, nil, nil, nil, fault.CertificateInvalid},
		"no list that is known": {name, line, signature, []byte("no list\n"), fault.CertificateForged},
	} {
		l, c := Look(of, test.name, test.line, test.signature, test.signers)
		require.Nil(t, c, what)
		require.Equal(t, drill.Listed{DrillID: id, File: test.name, Trust: drill.Refused, Code: string(test.code)}, l, what)
	}
	for _, other := range []backup.Instance{{Name: "local", DeploymentID: "e"}, {Name: "other", DeploymentID: "d"}, {}} {
		l, c := Look(other, name, line, signature, signers)
		require.Nil(t, c)
		require.Equal(t, []any{drill.Refused, string(fault.CertificateInvalid)}, []any{l.Trust, l.Code}, "a certificate of another cloud, by the same key")
	}
}
