package settings

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
)

func valid() Settings {
	return Settings{
		Revision:   3,
		Instance:   backup.Instance{Name: "local", FQDN: "local.azurestack.test", Region: "local", DeploymentID: "7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10"},
		Share:      Share{Path: `\\fs.example.com\AzSBackups`, Transport: share.Encrypted},
		Credential: Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("canary-пароль\"\\"))},
		Recipients: []Recipient{recipientOf(testKey, time.Unix(1e9, 0).UTC())},
		Signing:    signings()[0],
		ChangedAt:  time.Unix(2e9, 0).UTC(),
		ChangedBy:  "op@host",
	}
}

// Keys of the tests. What is said of a key is computed from it.
const (
	testKey  = "age1t3x6fphaftxjztst0n0razpgp6mysez2vvnun6cv4mj57qxhuqsq9rqh38" // FORMAT.md, section 3
	otherKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" // age(1)
)

func recipientOf(text string, expires time.Time) Recipient {
	r, err := seal.ParseRecipient(text)
	if err != nil {
		panic(err)
	}
	return Recipient{Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Text: r.Text, Expires: expires}
}

var signings = sync.OnceValue(func() [3]Signing {
	var all [3]Signing
	for i := range all {
		text, err := seal.GenerateSigningKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		key, err := seal.ParseSigningKey(text)
		if err != nil {
			panic(err)
		}
		all[i] = Signing{PrivateKey: secret.NewTransfer(text), Public: key.Public()}
	}
	return all
})

func TestValidate(t *testing.T) {
	require.NoError(t, valid().Validate())
	for name, test := range map[string]struct {
		change func(*Settings)
		code   fault.Code
	}{
		"instance":                          {func(s *Settings) { s.Instance.Name = "Local" }, fault.SettingsInvalid},
		"share":                             {func(s *Settings) { s.Share.Path = "fs/share" }, fault.ShareInvalid},
		"no share":                          {func(s *Settings) { s.Share.Path = "" }, fault.ShareInvalid},
		"Azure file share":                  {func(s *Settings) { s.Share.Path = `\\acct.file.core.windows.net\x` }, fault.ShareUnsupported},
		"transport":                         {func(s *Settings) { s.Share.Transport = "plain" }, fault.SettingsInvalid},
		"no transport":                      {func(s *Settings) { s.Share.Transport = "" }, fault.SettingsInvalid},
		"no user":                           {func(s *Settings) { s.Credential.Username = "" }, fault.SettingsInvalid},
		"long user":                         {func(s *Settings) { s.Credential.Username = strings.Repeat("u", 257) }, fault.SettingsInvalid},
		"user with line break":              {func(s *Settings) { s.Credential.Username = "a\nb" }, fault.SettingsInvalid},
		"user not UTF-8":                    {func(s *Settings) { s.Credential.Username = "a\xff" }, fault.SettingsInvalid},
		"no password":                       {func(s *Settings) { s.Credential.Password = secret.Transfer{} }, fault.SettingsInvalid},
		"long password":                     {func(s *Settings) { s.Credential.Password = transfer(strings.Repeat("p", 513)) }, fault.SettingsInvalid},
		"password not UTF-8":                {func(s *Settings) { s.Credential.Password = transfer("canary\xff") }, fault.SettingsInvalid},
		"password with NUL":                 {func(s *Settings) { s.Credential.Password = transfer("canary\x00") }, fault.SettingsInvalid},
		"no recipient":                      {func(s *Settings) { s.Recipients = nil }, fault.SettingsInvalid},
		"empty recipient":                   {func(s *Settings) { s.Recipients[0].Text = "" }, fault.SettingsInvalid},
		"recipient, no print":               {func(s *Settings) { s.Recipients[0].Fingerprint = "" }, fault.SettingsInvalid},
		"long recipient":                    {func(s *Settings) { s.Recipients[0].Text = strings.Repeat("x", maxRecipientText+1) }, fault.SettingsInvalid},
		"recipient twice":                   {func(s *Settings) { s.Recipients = append(s.Recipients, s.Recipients[0]) }, fault.SettingsInvalid},
		"too many recipients":               {tooMany, fault.SettingsInvalid},
		"no signing key":                    {func(s *Settings) { s.Signing.PrivateKey = secret.Transfer{} }, fault.SettingsInvalid},
		"no public signing key":             {func(s *Settings) { s.Signing.Public = "" }, fault.SettingsInvalid},
		"a fingerprint of another key":      {func(s *Settings) { s.Recipients[0].Text = otherKey }, fault.SettingsInvalid},
		"a kind of another key":             {func(s *Settings) { s.Recipients[0].Kind = "ssh-rsa" }, fault.SettingsInvalid},
		"a key in another spelling":         {func(s *Settings) { s.Recipients[0].Text = " " + testKey }, fault.SettingsInvalid},
		"a private key for a recipient":     {func(s *Settings) { s.Recipients[0].Text = "AGE-SECRET-KEY-1QQ" }, fault.SettingsInvalid},
		"a public half of another key":      {func(s *Settings) { s.Signing.Public = signings()[1].Public }, fault.SettingsInvalid},
		"a private half that is none":       {func(s *Settings) { s.Signing.PrivateKey = transfer("canary") }, fault.SettingsInvalid},
		"a former signing key that is none": {func(s *Settings) { s.Signing.Former = []string{"ssh-ed25519 AAAA"} }, fault.SettingsInvalid},
		"two former signing keys in one": {func(s *Settings) {
			s.Signing.Former = []string{signings()[1].Public + "\ninfrabackup " + signings()[2].Public}
		}, fault.SettingsInvalid},
		"a former signing key twice": {func(s *Settings) { s.Signing.Former = []string{signings()[1].Public, signings()[1].Public} }, fault.SettingsInvalid},
		"the signing key as former":  {func(s *Settings) { s.Signing.Former = []string{s.Signing.Public} }, fault.SettingsInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			test.change(&s)
			err := s.Validate()
			require.ErrorIs(t, err, test.code)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func transfer(value string) secret.Transfer { return secret.NewTransfer(secret.New(value)) }

func tooMany(s *Settings) {
	for i := range MaxRecipients {
		s.Recipients = append(s.Recipients, Recipient{Recipient: backup.Recipient{Fingerprint: fmt.Sprint(i)}, Text: "age1"})
	}
}

// The settings travel as JSON inside encrypted payloads: nothing may change.
func TestRoundTrip(t *testing.T) {
	data, err := json.Marshal(valid())
	require.NoError(t, err)
	var got Settings
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, valid(), got)
}

func TestNothingSecretIsPrinted(t *testing.T) {
	s := valid()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, s), "canary")
	}
	summary, err := json.Marshal(s.Summary())
	require.NoError(t, err)
	require.NotContains(t, string(summary), "canary")
	require.Contains(t, string(summary), `CORP\\backup`)
	require.Contains(t, string(summary), s.Recipients[0].Fingerprint)
	require.NotContains(t, string(summary), "PRIVATE KEY")
}

func TestPublicRecipients(t *testing.T) {
	require.Equal(t, []backup.Recipient{recipientOf(testKey, time.Time{}).Recipient}, valid().PublicRecipients())
	require.NotNil(t, Settings{}.PublicRecipients(), "an empty JSON array, not null")
	require.NotNil(t, Settings{}.Summary().Recipients)
}
