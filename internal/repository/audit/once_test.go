package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
)

// TestAFindingIsSaidOnce: whatever is wrong with a file is one finding of a code, and
// sums that cannot be read say nothing of the parts.
func TestAFindingIsSaidOnce(t *testing.T) {
	for name, row := range map[string]struct {
		change func(t *testing.T, k *fixture, b *fixtureBackup)
		clean  bool // the parts are not blamed
	}{
		"a folder that was emptied": {change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.RemoveAll(k.Of(b)))
			require.NoError(t, os.Mkdir(k.Of(b), 0o700))
		}},
		"sums of 30 MB": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.WriteFile(k.Of(b, backup.SumsFile), make([]byte, 30<<20), 0o600))
		}},
		"sums of 30 MB with a beginning": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.WriteFile(k.Of(b, backup.SumsFile), append(b.Sums, make([]byte, 30<<20)...), 0o600))
		}},
		"sums of nothing": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.WriteFile(k.Of(b, backup.SumsFile), nil, 0o600))
		}},
		"sums of rubbish": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.WriteFile(k.Of(b, backup.SumsFile), []byte("x\n"), 0o600))
		}},
		"sums that are a folder": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.Remove(k.Of(b, backup.SumsFile)))
			require.NoError(t, os.Mkdir(k.Of(b, backup.SumsFile), 0o700))
		}},
		"no sums": {clean: true, change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.Remove(k.Of(b, backup.SumsFile)))
		}},
		"a part that is another": {change: func(t *testing.T, k *fixture, b *fixtureBackup) {
			require.NoError(t, os.WriteFile(k.Of(b, backup.PartFile(backup.AD)), []byte("x"), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 3)
			b := k.BackUp()
			row.change(t, k, b)
			alone, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers, Identities: k.IDs})
			require.NoError(t, err)
			one := k.One(b, k.Options())
			found := k.Verify(k.Options())
			for _, findings := range [][]backup.Finding{alone.Findings, one.Findings, repositorytest.All(found)} {
				require.NotEmpty(t, findings)
				seen := map[[2]string]bool{}
				for _, f := range findings {
					require.False(t, seen[[2]string{f.Code, f.File}], "twice: %+v in %+v", f, findings)
					seen[[2]string{f.Code, f.File}] = true
					if row.clean {
						require.Equal(t, backup.SumsFile, filepath.Base(f.File), "%+v", f)
					}
				}
			}
		})
	}
}
