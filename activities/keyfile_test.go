package activities

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
)

// TestReadKeyFile: what is read opens with the operator's key to that of the manifest, and no
// file is handed out that a trusted key has not signed.
func TestReadKeyFile(t *testing.T) {
	x := newShelf(t)
	read := func(id backup.ID) (flow.KeyFileOutput, error) {
		return run(t, x.a.ReadKeyFile, flow.KeyFileInput{Instance: shelfInstance, BackupID: id})
	}
	out, err := read(shelfID)
	require.NoError(t, err)
	require.Equal(t, shelfID, out.BackupID)
	key, err := seal.OpenBackupKey(out.KeyAge, x.held)
	require.NoError(t, err)
	require.Equal(t, key.Public(), out.Public)

	_, err = read("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.ErrorIs(t, err, fault.BackupNotFound)

	folder := filepath.Join(x.folder, shelfInstance, backup.BackupsDir, shelfFolder)
	file := filepath.Join(folder, backup.KeyFile)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("x"), whole...), 0o600))
	_, err = read(shelfID)
	require.ErrorIs(t, err, fault.BackupDamaged, "another file than the one that was signed")

	require.NoError(t, os.WriteFile(file, whole, 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, backup.SignatureFile)))
	_, err = read(shelfID)
	require.ErrorIs(t, err, fault.BackupForged)
}
