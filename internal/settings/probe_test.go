package settings

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

func probeOf(t *testing.T, s Settings, by Signing, signers ...string) *Probe {
	t.Helper()
	key, err := seal.ParseSigningKey(by.PrivateKey.String)
	require.NoError(t, err)
	p, err := Probe{Fingerprint: s.Fingerprint(), Signers: signers, At: time.Unix(3e9, 0).UTC()}.Sign(key)
	require.NoError(t, err)
	return &p
}

func TestAProbeCoversTheProposalThatItWasMadeFor(t *testing.T) {
	s, mine, others := valid(), signings()[0], signings()[1]
	require.NoError(t, probeOf(t, s, mine).Covers(s, mine.Public))
	other := s
	other.ChangedAt = s.ChangedAt.Add(time.Nanosecond) // the same number and values, proposed at another time
	changed := probeOf(t, s, mine)
	changed.Adopt = true
	for name, p := range map[string]*Probe{
		"none": nil, "empty": {}, "of another proposal": probeOf(t, other, mine), "by another key": probeOf(t, s, others),
		"changed": changed, "without a signature": {Fingerprint: s.Fingerprint()},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, p.Covers(s, mine.Public), fault.SettingsUnprobed) })
	}
}

func TestAProbeAllowsTheSignersThatItFound(t *testing.T) {
	s, found, others := valid(), signings()[1].Public, signings()[2].Public
	p := probeOf(t, s, signings()[0], found)
	require.NoError(t, p.Allows(s, nil))
	require.NoError(t, p.Allows(s, []string{s.Signing.Public, found}))
	require.ErrorIs(t, p.Allows(s, []string{found, others}), fault.SettingsUnprobed)
	require.NoError(t, (*Probe)(nil).Allows(s, s.Signing.Publics()))
	require.ErrorIs(t, (*Probe)(nil).Allows(s, []string{found}), fault.SettingsUnprobed)
}

func TestAFingerprintTellsRevisionsApart(t *testing.T) {
	base := valid()
	seen := map[string]string{base.Fingerprint(): "itself"}
	for name, change := range map[string]func(*Settings){
		"revision": func(s *Settings) { s.Revision++ }, "base": func(s *Settings) { s.Base++ }, "time": func(s *Settings) { s.ChangedAt = s.ChangedAt.Add(1) },
		"share": func(s *Settings) { s.Share.Path += "x" }, "transport": func(s *Settings) { s.Share.Transport = share.Signed },
		"account": func(s *Settings) { s.Credential.Username += "x" }, "key": func(s *Settings) { s.Recipients = []Recipient{recipientOf(otherKey, time.Time{})} },
		"signing key": func(s *Settings) { s.Signing = signings()[1] }, "controller": func(s *Settings) { s.Controller = "x" },
	} {
		s := base
		change(&s)
		require.Empty(t, seen[s.Fingerprint()], name)
		seen[s.Fingerprint()] = name
	}
	trusting := base
	trusting.Signing.Former = []string{signings()[1].Public}
	require.Equal(t, base.Fingerprint(), trusting.Fingerprint(), "it stays when a revision becomes active")
}
