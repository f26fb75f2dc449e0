package drills_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/drills"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/share/dir"
)

// TestDir: certificates are listed newest first, whatever else lies there, and what is no file, or is
// too large for one, reads as nothing.
func TestDir(t *testing.T) {
	place := t.TempDir()
	store, err := dir.Open(place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	d := repository.New(store, "local").Drills()
	names, err := d.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, names, "there is no folder")

	folder := filepath.Join(place, "local", backup.DrillsDir)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	const older, newer, large, gone = "20261101T000000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11.json", "20261102T000000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12.json",
		"20261103T000000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a13.json", "20261104T000000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a14.json"
	for name, content := range map[string]string{older: "a", newer: "b", newer + drill.SignatureSuffix: "sig", large: string(make([]byte, drills.MaxBytes+1)), "notes.txt": "", "x" + older: ""} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, gone), 0o755))
	names, err = d.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{large, newer, older}, names)
	for name, want := range map[string][2]string{newer: {"b", "sig"}, older: {"a", ""}, large: {}, gone: {}, "20261105T000000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a15.json": {}} {
		line, signature, err := d.Read(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, want, [2]string{string(line), string(signature)}, name)
	}
}
