package alert

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeysAreNamed: what a list prints is what a command takes back.
func TestKeysAreNamed(t *testing.T) {
	for text, key := range map[string]Key{
		"SHARE_FULL":                    {ShareFull, ""},
		"BACKUP_DAMAGED/0b1f":           {BackupDamaged, "0b1f"},
		"BACKUP_DAMAGED/local/backups/": {BackupDamaged, "local/backups/"},
		"KEY_UNPROVEN/SHA256:a/b+c=":    {KeyUnproven, "SHA256:a/b+c="},
		"":                              {"", ""},
		"NO SUCH/\x00":                  {"NO SUCH", "\x00"},
	} {
		require.Equal(t, key, ParseKey(text), text)
		require.Equal(t, text, key.String())
	}
	require.Equal(t, Key{BackupDamaged, "aB"}, ParseKey("backup_damaged/aB"), "the code alone is spelled in one way")
	for _, c := range Causes() {
		require.Equal(t, Key{c.Code, "x/y"}, ParseKey(Key{c.Code, "x/y"}.String()), "a code has no slash")
	}
}
