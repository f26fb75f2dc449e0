package drilling

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/seal"
)

func signingKey(t *testing.T) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

// write puts the certificate of a drill that restored nothing into a folder.
func write(t *testing.T, folder string, id backup.ID, at int64, key *seal.SigningKey) (file, previous string) {
	t.Helper()
	previous, err := prepare(t.Context(), folder)
	require.NoError(t, err)
	c := &drill.Certificate{Format: drill.Format, Instance: backup.Instance{Name: "local", DeploymentID: "d"}, DrillID: id, Backup: drill.Backup{ID: id}, StartedAt: time.Unix(at, 0).UTC(), EndedAt: time.Unix(at+1, 0).UTC(), Previous: previous}
	c.Judge(drill.Evidence{Plan: &restore.Plan{}, Report: &result.Report{}})
	file, err = Write(folder, c, key)
	require.NoError(t, err)
	return file, previous
}

func TestFolder(t *testing.T) {
	folder, key, stranger := filepath.Join(t.TempDir(), "new", "drills"), signingKey(t), signingKey(t)
	signers := []byte(seal.DrillSignersLine(key.Public()))
	first, previous := write(t, folder, "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", 1_800_000_000, key)
	require.Empty(t, previous)
	second, previous := write(t, folder, "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12", 1_800_000_100, stranger)
	line, err := os.ReadFile(first)
	require.NoError(t, err)
	require.Equal(t, restore.Digest(line), previous)

	all, err := List(t.Context(), folder, signers)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, second, all[0].File, "the newest comes first")
	require.Equal(t, string(fault.CertificateForged), all[0].Code)
	require.Nil(t, all[0].Certificate)
	require.Equal(t, key.Fingerprint(), all[1].Signer)

	// A list that trusts the key for backups trusts it for no drill.
	_, _, err = Read(t.Context(), first, []byte(seal.AllowedSignersLine(key.Public())))
	require.ErrorIs(t, err, fault.CertificateForged)
	require.NoError(t, os.Remove(first+drill.SignatureSuffix))
	_, _, err = Read(t.Context(), first, signers)
	require.ErrorIs(t, err, fault.CertificateForged)
}

// TestFolderThatTakesNothing is noticed before anything is restored.
func TestFolderThatTakesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, folder := range []string{file, filepath.Join(file, "below"), "/proc/drills"} {
		_, err := prepare(t.Context(), folder)
		require.ErrorIs(t, err, fault.Usage, folder)
	}
	_, err := List(t.Context(), filepath.Join(t.TempDir(), "none"), nil)
	require.ErrorIs(t, err, fault.Usage, "a folder that was mistyped is no empty one")
}
