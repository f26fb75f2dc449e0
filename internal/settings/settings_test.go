package settings

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

func valid() Settings {
	return Settings{
		Revision:   3,
		Instance:   backup.Instance{Name: "local", FQDN: "local.azurestack.test", Region: "local", DeploymentID: "7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10"},
		Share:      Share{Path: `\\fs.example.com\AzSBackups`, Transport: Encrypted},
		Credential: Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("canary-пароль\"\\"))},
		Recipients: []Recipient{{Recipient: backup.Recipient{Kind: "x25519", Fingerprint: "f1"}, Text: "age1x", Expires: time.Unix(1e9, 0).UTC()}},
		Signing:    Signing{PrivateKey: secret.NewTransfer(secret.New("canary-signing")), Public: "ssh-ed25519 AAAA"},
		ChangedAt:  time.Unix(2e9, 0).UTC(),
		ChangedBy:  "op@host",
	}
}

func TestValidate(t *testing.T) {
	require.NoError(t, valid().Validate())
	for name, test := range map[string]struct {
		change func(*Settings)
		code   fault.Code
	}{
		"instance":              {func(s *Settings) { s.Instance.Name = "Local" }, fault.SettingsInvalid},
		"share":                 {func(s *Settings) { s.Share.Path = "fs/share" }, fault.ShareInvalid},
		"no share":              {func(s *Settings) { s.Share.Path = "" }, fault.ShareInvalid},
		"Azure file share":      {func(s *Settings) { s.Share.Path = `\\acct.file.core.windows.net\x` }, fault.ShareUnsupported},
		"transport":             {func(s *Settings) { s.Share.Transport = "plain" }, fault.SettingsInvalid},
		"no transport":          {func(s *Settings) { s.Share.Transport = "" }, fault.SettingsInvalid},
		"no user":               {func(s *Settings) { s.Credential.Username = "" }, fault.SettingsInvalid},
		"long user":             {func(s *Settings) { s.Credential.Username = strings.Repeat("u", 257) }, fault.SettingsInvalid},
		"user with line break":  {func(s *Settings) { s.Credential.Username = "a\nb" }, fault.SettingsInvalid},
		"user not UTF-8":        {func(s *Settings) { s.Credential.Username = "a\xff" }, fault.SettingsInvalid},
		"no password":           {func(s *Settings) { s.Credential.Password = secret.Transfer{} }, fault.SettingsInvalid},
		"long password":         {func(s *Settings) { s.Credential.Password = transfer(strings.Repeat("p", 513)) }, fault.SettingsInvalid},
		"password not UTF-8":    {func(s *Settings) { s.Credential.Password = transfer("canary\xff") }, fault.SettingsInvalid},
		"password with NUL":     {func(s *Settings) { s.Credential.Password = transfer("canary\x00") }, fault.SettingsInvalid},
		"no recipient":          {func(s *Settings) { s.Recipients = nil }, fault.SettingsInvalid},
		"empty recipient":       {func(s *Settings) { s.Recipients[0].Text = "" }, fault.SettingsInvalid},
		"recipient, no print":   {func(s *Settings) { s.Recipients[0].Fingerprint = "" }, fault.SettingsInvalid},
		"long recipient":        {func(s *Settings) { s.Recipients[0].Text = strings.Repeat("x", maxRecipientText+1) }, fault.SettingsInvalid},
		"recipient twice":       {func(s *Settings) { s.Recipients = append(s.Recipients, s.Recipients[0]) }, fault.SettingsInvalid},
		"too many recipients":   {tooMany, fault.SettingsInvalid},
		"no signing key":        {func(s *Settings) { s.Signing.PrivateKey = secret.Transfer{} }, fault.SettingsInvalid},
		"no public signing key": {func(s *Settings) { s.Signing.Public = "" }, fault.SettingsInvalid},
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
	require.Contains(t, string(summary), `"f1"`)
}

func TestPublicRecipients(t *testing.T) {
	require.Equal(t, []backup.Recipient{{Kind: "x25519", Fingerprint: "f1"}}, valid().PublicRecipients())
	require.NotNil(t, Settings{}.PublicRecipients(), "an empty JSON array, not null")
	require.NotNil(t, Settings{}.Summary().Recipients)
}
