package localfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/secret"
)

func TestCreate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, localfile.Create(file, secret.New("text")))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	data, err := localfile.Read(t.Context(), "--identity", file, true)
	require.NoError(t, err)
	require.Equal(t, "text", string(data))
	require.ErrorIs(t, localfile.Create(file, secret.New("other")), fault.AlreadyExists)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("nowhere", link))
	require.ErrorIs(t, localfile.Create(link, secret.New("other")), fault.AlreadyExists)
}

func TestRead(t *testing.T) {
	_, err := localfile.Read(t.Context(), "--identity", t.TempDir(), true)
	require.ErrorContains(t, err, "is a folder")
	file := filepath.Join(t.TempDir(), "key")
	_, err = localfile.Read(t.Context(), "--identity", file, true)
	require.ErrorIs(t, err, fault.Usage)
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	require.NoError(t, os.Chmod(file, 0o644))
	_, err = localfile.Read(t.Context(), "--identity", file, true)
	require.ErrorIs(t, err, fault.Usage, "others may read a private key")
	_, err = localfile.Read(t.Context(), "--certificate", file, false)
	require.NoError(t, err)
}

func TestOffShare(t *testing.T) {
	share := t.TempDir()
	instance := filepath.Join(share, "local")
	require.NoError(t, os.MkdirAll(filepath.Join(instance, backup.BackupsDir), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(instance, backup.AllowedSignersFile), nil, 0o600))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(instance, link))
	for _, refused := range []string{instance, filepath.Join(instance, "a", "b"), filepath.Join(link, "out")} {
		require.ErrorIs(t, localfile.OffShare("--to", refused, ""), fault.Usage, refused)
	}
	require.ErrorIs(t, localfile.OffShare("--to", filepath.Join(share, "out"), share), fault.Usage)
	require.NoError(t, localfile.OffShare("--to", filepath.Join(share, "out"), ""))
	require.NoError(t, localfile.OffShare("--to", t.TempDir(), share))
}
