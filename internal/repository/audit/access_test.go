package audit_test

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

// TestFileThatMayNotBeRead: one file that the account may not read is a finding on its
// backup, and the others are verified.
func TestFileThatMayNotBeRead(t *testing.T) {
	k := newFixture(t, 3)
	first, second := k.BackUp(), k.BackUp()
	for _, name := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.PartFile(backup.AD), backup.SumsFile, backup.SignatureFile} {
		t.Run(name, func(t *testing.T) {
			file := k.Repo.Files().At(backup.BackupsDir, second.Folder, name)
			repo := repository.New(&repositorytest.RefusingStore{Store: k.Store, Code: fault.ShareAccessDenied, Below: file}, k.Repo.Files().Instance())
			require.Len(t, repositorytest.All(k.Verify(k.Options())), 0)

			found, err := audit.VerifyAll(t.Context(), repo, k.Options(), nil)
			require.NoError(t, err)
			require.Len(t, found.Backups, 2)
			for _, v := range found.Backups {
				if v.BackupID == first.ID {
					require.Empty(t, v.Findings)
					continue
				}
				requireDenied(t, v.Findings, file)
			}
			require.Empty(t, found.Findings)

			for _, identities := range [][]seal.Identity{nil, k.IDs} {
				v, err := audit.Verify(t.Context(), repo, second.ID, audit.VerifyOptions{AllowedSigners: k.Signers, Identities: identities})
				require.NoError(t, err)
				requireDenied(t, v.Findings, file)
			}
		})
	}
}

// requireDenied makes sure that all that is found is that the file may not be read.
func requireDenied(t *testing.T, found []backup.Finding, file string) {
	t.Helper()
	require.Len(t, found, 1, "%+v", found)
	require.Equal(t, string(fault.ShareAccessDenied), found[0].Code)
	require.Equal(t, file, found[0].File)
	require.NotEmpty(t, found[0].Message)
}

func TestUnfinishedKeyThatMayNotBeRead(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	next := w.Files().At(backup.BackupPath(repositorytest.ID, repositorytest.Start), backup.KeyFile+backup.NextSuffix)
	require.NoError(t, repositorytest.Touch(w.File(path.Base(next))))
	repo := repository.New(&repositorytest.RefusingStore{Store: w.Store, Code: fault.ShareAccessDenied, Below: next}, "lab")
	v, err := audit.Verify(t.Context(), repo, repositorytest.ID, audit.VerifyOptions{AllowedSigners: w.Signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 2)
	require.Equal(t, string(fault.RewrapUnfinished), v.Findings[0].Code)
	requireDenied(t, v.Findings[1:], next)
}

// TestFolderThatMayNotBeListed: what is refused as a whole is no finding.
func TestFolderThatMayNotBeListed(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	for _, folder := range []string{"", backup.BackupsDir, path.Join(backup.BackupsDir, b.Folder)} {
		repo := repository.New(&repositorytest.RefusingStore{Store: k.Store, Code: fault.ShareAccessDenied, Below: k.Repo.Files().At(folder), Closed: true}, k.Repo.Files().Instance())
		_, err := audit.VerifyAll(t.Context(), repo, k.Options(), nil)
		require.ErrorIs(t, err, fault.ShareAccessDenied, folder)
		_, err = audit.Verify(t.Context(), repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
		require.ErrorIs(t, err, fault.ShareAccessDenied, folder)
	}
	busy := repository.New(&repositorytest.RefusingStore{Store: k.Store, Code: fault.ShareBusy, Below: k.Repo.Files().At(backup.BackupsDir, b.Folder, backup.KeyFile)}, k.Repo.Files().Instance())
	_, err := audit.VerifyAll(t.Context(), busy, k.Options(), nil)
	require.ErrorIs(t, err, fault.ShareBusy)
}
