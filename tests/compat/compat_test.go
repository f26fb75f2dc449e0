package compat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
)

func TestEveryFormatOpens(t *testing.T) {
	versions, err := filepath.Glob("testdata/v*")
	require.NoError(t, err)
	require.Len(t, versions, backup.FormatVersion)
	for _, version := range versions {
		t.Run(filepath.Base(version), func(t *testing.T) {
			store, err := dir.Open(filepath.Join(version, "share"))
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			instances, err := os.ReadDir(filepath.Join(version, "share"))
			require.NoError(t, err)
			repo := repository.New(store, instances[0].Name())
			listing, err := repo.List(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, listing.Backups, 1)
			id := listing.Backups[0].BackupID

			data, err := os.ReadFile(filepath.Join(version, "operator.key"))
			require.NoError(t, err)
			operator, err := seal.ParseIdentities(data)
			require.NoError(t, err)
			verdict, err := audit.Verify(t.Context(), repo, id, audit.VerifyOptions{Identities: operator})
			require.NoError(t, err)
			require.Empty(t, verdict.Findings)
			require.Equal(t, int64(2501), verdict.Items)

			b, err := repo.Open(t.Context(), backup.Ref{ID: id})
			require.NoError(t, err)
			keyFile, err := b.KeyFile(t.Context())
			require.NoError(t, err)
			key, err := seal.OpenBackupKey(keyFile, operator)
			require.NoError(t, err)
			var last backup.CatalogEntry
			require.NoError(t, b.Catalog(t.Context(), key, func(e backup.CatalogEntry) error {
				if e.Service == backup.AD {
					last = e
				}
				return nil
			}))
			item, err := b.Item(t.Context(), last, key)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"002499"}`, string(item))
			root, err := os.OpenRoot(t.TempDir())
			require.NoError(t, err)
			defer func() { require.NoError(t, root.Close()) }()
			part, err := b.Part(t.Context(), backup.CA, key)
			require.NoError(t, err)
			n, err := archive.Extract(part, root, archive.DefaultLimits(), func(archive.Entry) bool { return true })
			require.NoError(t, err)
			require.NoError(t, part.Close())
			require.Equal(t, int64(1), n)
		})
	}
}
