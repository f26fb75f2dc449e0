package seal_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/seal/sealtest"
	"infrabackup/internal/secret"
)

// TestEveryKindOfMaterial: what is given for a public key is read as that key, or refused
// without a word of it.
func TestEveryKindOfMaterial(t *testing.T) {
	now := time.Now()
	kinds := map[string]string{
		"PFX without password": "a PFX file", "PFX with password": "a PFX file", "PFX without lengths": "a PFX file",
		"private key in PKCS #1, DER": "this is a private key", "private key in PKCS #8, DER": "this is a private key", "elliptic private key in DER": "this is a private key",
		"encrypted private key in DER": "an encrypted private key", "public key in DER": "a public key", "certificates in PKCS #7": "a PKCS #7 file",
	}
	for _, m := range sealtest.Materials(t, now) {
		t.Run(m.Name, func(t *testing.T) {
			r, err := seal.LoadRecipient(m.Data, now)
			if m.Recipient != "" {
				require.NoError(t, err)
				require.Equal(t, m.Recipient, r.Text)
				require.Equal(t, m.Certificate, r.Thumbprint != "")
			} else {
				require.ErrorIs(t, err, fault.KeyInvalid)
				require.ErrorContains(t, err, kinds[m.Name])
			}
			_, symmetric := seal.RecipientFromSymmetricKey(secret.New(base64.StdEncoding.EncodeToString(m.Data)))
			if m.Name != "private key in PKCS #8, body of PEM alone" && !m.Symmetric { // nothing tells these from a key
				require.ErrorIs(t, symmetric, fault.KeyInvalid, "anybody who has it, or nobody, could open what is encrypted with a key made of it")
			}
			if m.Symmetric {
				_, err := seal.RecipientFromSymmetricKey(secret.New(string(m.Data)))
				require.NoError(t, err)
			}
			if m.Secret != "" {
				for _, err := range []error{err, symmetric} {
					if err != nil {
						require.NotContains(t, err.Error(), m.Secret)
					}
				}
				require.True(t, seal.MayBeSecret(string(m.Data)))
			}
			if m.Recipient != "" && !m.Certificate {
				require.False(t, seal.MayBeSecret(string(m.Data)))
			}
		})
	}
	for _, typed := range []string{"age1qqqq", "my key", "ssh-rsa AAAA\n\n# the one in the safe"} {
		require.False(t, seal.MayBeSecret(typed), "%s: what was typed would be lost", typed)
	}
}

// FuzzMaterial: nothing that is given breaks the reading of it, and what is refused as the
// bytes of a symmetric key opens what was encrypted with it before.
func FuzzMaterial(f *testing.F) {
	now := time.Now()
	for _, m := range sealtest.Materials(f, now) {
		f.Add(m.Data)
	}
	f.Add([]byte{0x30, 0x80, 2, 1, 3, 0x30})
	f.Add([]byte{0x30, 0x83, 0xff, 0xff, 0xff, 2, 0x84, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := seal.LoadRecipient(data, now)
		if err == nil {
			again, err := seal.ParseRecipient(r.Text)
			require.NoError(t, err)
			require.Equal(t, r.Fingerprint, again.Fingerprint)
		} else {
			require.ErrorIs(t, err, fault.KeyInvalid)
		}
		text := base64.StdEncoding.EncodeToString(data)
		if r, err := seal.RecipientFromSymmetricKey(secret.New(text)); err == nil {
			ids, err := seal.ParseIdentities([]byte(text))
			require.NoError(t, err)
			require.Equal(t, r.Fingerprint, ids[0].Recipient().Fingerprint)
		}
	})
}
