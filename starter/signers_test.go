package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// What "settings show" prints can be given back as the list of trusted signers, in every
// way in which it is written down.
func TestSignersAsSettingsShowPrintsThem(t *testing.T) {
	f := thaw(t)
	list, err := os.ReadFile(f.trusted())
	require.NoError(t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	fingerprint, err := seal.SignerFingerprint(keys[0])
	require.NoError(t, err)
	other := stranger(t)
	for name, test := range map[string]struct{ text, refused string }{
		"the file of the share":      {string(list), ""},
		"key alone":                  {keys[0], ""},
		"as printed":                 {keys[0] + " " + fingerprint + "\n", ""},
		"with its label":             {"Signing key:    " + keys[0] + "  " + fingerprint + "\r\n", ""},
		"a former one":               {"Signed before:  " + keys[0] + " " + fingerprint, ""},
		"a .pub file":                {"# from the safe\n\n" + keys[0] + " backup@example.com\n", ""},
		"from Windows":               {"\ufeff" + keys[0] + "\r\n", ""},
		"twice, out of order":        {"\n" + keys[0] + "\n# again\n" + string(list), ""},
		"with another's fingerprint": {keys[0] + " " + other.Fingerprint(), "not the one that follows it"},
		"cut":                        {keys[0][:40], "line 1: the key cannot be read"},
		"a fingerprint alone":        {fingerprint, "as `infrabackup settings show` prints them"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "signers")
			require.NoError(t, os.WriteFile(file, []byte(test.text), 0o644))
			out := f.call("backup verify", "--allowed-signers", file)
			if test.refused != "" {
				require.Equal(t, fault.ExitUsage, out.code)
				require.Contains(t, out.stderr, test.refused)
				return
			}
			require.Zero(t, out.code, out.stdout+out.stderr)
		})
	}
}

// A list that lacks the key that signed is told from a backup that was changed. Both are
// an alarm to a script.
func TestAListWithoutTheSigner(t *testing.T) {
	f := thaw(t)
	old := filepath.Join(t.TempDir(), "old")
	former := stranger(t).Public()
	require.NoError(t, os.WriteFile(old, seal.AllowedSigners(former), 0o600))
	list, err := os.ReadFile(f.trusted())
	require.NoError(t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(f.folder, frozenInstance, "allowed_signers"), seal.AllowedSigners(former, keys[0]), 0o600))
	verify := func() outcome {
		return call(t, "", nil, strings.Fields("backup verify "+frozenBackup+" --instance "+frozenInstance+" --from "+f.folder+" --allowed-signers "+old)...)
	}
	out := verify()
	require.Equal(t, fault.ExitDamaged, out.code)
	require.Contains(t, out.stdout, "NOT KNOWN, signed by a key that is not on your list")
	require.Contains(t, out.stderr, "if SHA256:")
	require.Contains(t, out.stderr, "add it to your list")

	f.change("ad.tar.zst.age")
	out = verify()
	require.Equal(t, fault.ExitDamaged, out.code)
	require.Contains(t, out.stdout, "DAMAGED OR FORGED")
	require.NotContains(t, out.stderr, "add it to your list")
}
