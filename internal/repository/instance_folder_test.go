package repository_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/sharetest"
)

func TestIsInstanceFolder(t *testing.T) {
	const claimed = `{"controllerId":"` + repositorytest.Controller + `","instance":"local","since":"2026-11-22T08:30:00Z"}`
	for name, c := range map[string]struct {
		files   map[string]string
		refuses string
		want    bool
	}{
		"claimed":               {files: map[string]string{backup.ControllerFile: claimed}, want: true},
		"from before claims":    {files: map[string]string{backup.AllowedSignersFile: "x", "backups/x": ""}, want: true},
		"claim damaged":         {files: map[string]string{backup.ControllerFile: "?", backup.AllowedSignersFile: "x", "backups/x": ""}, want: true},
		"claim refused":         {files: map[string]string{backup.ControllerFile: claimed}, refuses: backup.ControllerFile},
		"empty":                 {},
		"above instances":       {files: map[string]string{"local/controller.json": claimed, "local/backups/x": ""}},
		"above instance backup": {files: map[string]string{"backups/controller.json": claimed, "backups/backups/x": ""}},
		"another's controller":  {files: map[string]string{backup.ControllerFile: `{"name":"a game pad"}`}},
		"another's backups":     {files: map[string]string{"backups/monday.bak": ""}},
		"another's signers":     {files: map[string]string{backup.AllowedSignersFile: "x", backup.BackupsDir: "a file"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, data := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(data), 0o600))
			}
			store, err := dir.Open(folder)
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			got, err := repository.IsInstanceFolder(t.Context(), &repositorytest.RefusingStore{Store: store, Code: fault.ShareAccessDenied, Below: c.refuses})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := repository.IsInstanceFolder(t.Context(), &sharetest.Crashing{Down: true})
	require.ErrorIs(t, err, sharetest.ErrCrashed)
}

// TestInstanceFolderIsKnown: the folder that a backup makes is one.
func TestInstanceFolderIsKnown(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	for folder, want := range map[string]bool{k.Path(): true, k.Folder: false, k.Path(backup.BackupsDir): false} {
		store, err := dir.Open(folder)
		require.NoError(t, err)
		got, err := repository.IsInstanceFolder(t.Context(), store)
		require.NoError(t, err)
		require.Equal(t, want, got, folder)
		require.NoError(t, store.Close())
	}
}
