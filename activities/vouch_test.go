package activities

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
)

// TestANewKeyFileNeedsSomebodyWhoOpensTheBackup varies everything that proves a key file.
func TestANewKeyFileNeedsSomebodyWhoOpensTheBackup(t *testing.T) {
	const id, other = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"), backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	signing := func() *seal.SigningKey {
		text, err := seal.GenerateSigningKey(rand.Reader)
		require.NoError(t, err)
		key, err := seal.ParseSigningKey(text)
		require.NoError(t, err)
		return key
	}
	now, service, stranger := time.Now().UTC(), signing(), signing()
	text, operator, err := seal.GenerateIdentity(false, now)
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	// opened makes a backup key and opens it, as the holder of the operator's key does.
	opened := func() (recipient string, keyAge []byte, own seal.Identity) {
		recipient, keyAge, err := seal.MakeWrappedKey([]string{operator.Text})
		require.NoError(t, err)
		own, err = seal.OpenBackupKey(keyAge, ids)
		require.NoError(t, err)
		return recipient, keyAge, own
	}
	recipient, keyAge, own := opened()
	strangeRecipient, strangeFile, strangeOwn := opened()
	recipients := []backup.Recipient{{Kind: operator.Kind, Fingerprint: operator.Fingerprint}}
	r := &replacing{
		share:    &shareWriter{activities: &Activities{Dependencies: Dependencies{Instance: backup.Instance{Name: "local"}, Now: func() time.Time { return now }}}, key: service},
		revision: 3, recipients: recipients,
	}
	// made is a key file with all that proves it, some of it changed.
	type proof struct {
		about     backup.ID
		revision  int64
		at        time.Time
		to        string
		by        *seal.SigningKey
		own       seal.Identity
		statement []byte // nil for that of the file
		change    func(*flow.WrappedKey)
	}
	made := func(edit func(*proof)) flow.WrappedKey {
		p := proof{about: id, revision: 3, at: now, to: recipient, by: service, own: own}
		edit(&p)
		c := flow.KeyFileChallenge{BackupID: p.about, Revision: p.revision, At: p.at}
		var err error
		c.Text, c.Public, err = seal.NewKeyFileChallenge(p.to, "local", rand.Reader)
		require.NoError(t, err)
		text, err := c.Statement()
		require.NoError(t, err)
		c.Signature, err = p.by.Sign(text)
		require.NoError(t, err)
		if p.statement == nil {
			p.statement, err = seal.KeyFileStatement("local", id, 3, recipients, keyAge)
			require.NoError(t, err)
		}
		voucher, err := seal.VouchForKeyFile(c.Text, p.own, p.statement)
		require.NoError(t, err)
		c.Text = nil
		key := flow.WrappedKey{BackupID: id, KeyAge: keyAge, Challenge: &c, Voucher: voucher}
		if p.change != nil {
			p.change(&key)
		}
		return key
	}
	require.NoError(t, r.proven(made(func(*proof) {})))
	others, err := seal.KeyFileStatement("local", id, 3, []backup.Recipient{{Kind: "x25519", Fingerprint: "SHA256:other"}}, keyAge)
	require.NoError(t, err)
	for name, edit := range map[string]func(*proof){
		"no challenge":                  func(p *proof) { p.change = func(k *flow.WrappedKey) { k.Challenge = nil } },
		"no voucher":                    func(p *proof) { p.change = func(k *flow.WrappedKey) { k.Voucher = nil } },
		"another file":                  func(p *proof) { p.change = func(k *flow.WrappedKey) { k.KeyAge = strangeFile } },
		"a challenge for another":       func(p *proof) { p.about = other },
		"a challenge for another state": func(p *proof) { p.revision = 2 },
		"an old challenge":              func(p *proof) { p.at = now.Add(-challengeLife - time.Second) },
		"a challenge of tomorrow":       func(p *proof) { p.at = now.Add(24 * time.Hour) },
		"a challenge by a stranger":     func(p *proof) { p.by, p.to, p.own = stranger, strangeRecipient, strangeOwn },
		"a challenge that was changed": func(p *proof) {
			p.change = func(k *flow.WrappedKey) { k.Challenge.At = k.Challenge.At.Add(time.Second) }
		},
		"for other recipients": func(p *proof) { p.statement = others },
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, r.proven(made(edit)), fault.RewrapUnproven) })
	}
}
