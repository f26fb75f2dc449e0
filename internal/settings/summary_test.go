package settings

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

func TestWarnings(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		key  RecipientSummary
		want string // part of the warning, empty for none
	}{
		"new and never proven":   {RecipientSummary{Since: now.Add(-89 * day)}, ""},
		"never proven for long":  {RecipientSummary{Since: now.Add(-91 * day)}, "was never proven to exist"},
		"proven":                 {RecipientSummary{Since: now.Add(-900 * day), ProvenAt: now.Add(-90 * day)}, ""},
		"proven long ago":        {RecipientSummary{Since: now.Add(-900 * day), ProvenAt: now.Add(-91 * day)}, "last proven on 2026-08-26"},
		"certificate ends later": {RecipientSummary{Since: now, Expires: now.Add(31 * day)}, ""},
		"certificate ends soon":  {RecipientSummary{Since: now, Expires: now.Add(29 * day)}, "expires on 2026-12-24"},
		"certificate has ended":  {RecipientSummary{Since: now, Expires: now.Add(-day)}, "expired on 2026-11-24"},
	} {
		t.Run(name, func(t *testing.T) {
			c.key.Recipient = backup.Recipient{Kind: "x25519", Fingerprint: "SHA256:x"}
			got := Summary{ProofDays: DefaultProofDays, Recipients: []RecipientSummary{c.key}}.Warnings(now)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], c.want)
			require.Contains(t, got[0], "SHA256:x")
		})
	}
}

// All spellings of a share are one place, so that its ledger goes on.
func TestPlace(t *testing.T) {
	want := Share{Path: `\\fs.example.com\AzSBackups\site1`}.Place()
	for _, path := range []string{`\\FS.example.com\azsbackups\Site1`, `//fs.example.com/AzSBackups/site1`, `\\fs.example.com\AzSBackups\site1\`} {
		require.Equal(t, want, Share{Path: path}.Place(), path)
	}
	require.NotEqual(t, want, Share{Path: `\\fs.example.com\AzSBackups\site2`}.Place())
}

func TestWithin(t *testing.T) {
	folder := Share{Path: `//FS.example.com/AzSBackups/site1/`}.InstanceFolder("local")
	require.Equal(t, `\\FS.example.com\AzSBackups\site1\local`, folder)
	for path, want := range map[string]bool{
		`\\fs.example.com\AzSBackups\site1\local`:           true,
		`//fs.example.com/azsbackups/Site1/Local/backups/x`: true,
		`\\fs.example.com\AzSBackups\site1\local2`:          false,
		`\\fs.example.com\AzSBackups\site1`:                 false,
		`\\fs.example.com\site1\local`:                      false,
		`\\fs2.example.com\AzSBackups\site1\local`:          false,
	} {
		require.Equal(t, want, Share{Path: path}.Within(folder), path)
	}
}
