package repository

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// TestFileThatMayNotBeRead: one file that the account may not read is a finding on its
// backup, and the others are verified.
func TestFileThatMayNotBeRead(t *testing.T) {
	k := newKeeper(t, 3)
	first, second := k.backUp(), k.backUp()
	for _, name := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.PartFile(backup.AD), backup.SumsFile, backup.SignatureFile} {
		t.Run(name, func(t *testing.T) {
			file := k.repo.at(backup.BackupsDir, second.folder, name)
			repo := New(&refusing{Store: k.store, code: fault.ShareAccessDenied, below: file}, k.repo.instance)
			require.Len(t, all(k.verify(k.options())), 0)

			audit, err := repo.VerifyAll(t.Context(), k.options(), nil)
			require.NoError(t, err)
			require.Len(t, audit.Backups, 2)
			for _, v := range audit.Backups {
				if v.BackupID == first.id {
					require.Empty(t, v.Findings)
					continue
				}
				requireDenied(t, v.Findings, file)
			}
			require.Empty(t, audit.Findings)

			for _, identities := range [][]seal.Identity{nil, k.ids} {
				v, err := repo.Verify(t.Context(), second.id, VerifyOptions{AllowedSigners: k.signers, Identities: identities})
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
	w := newWorld(t)
	w.make(testID, testStart)
	next := w.at(backup.BackupPath(testID, testStart), backup.KeyFile+backup.NextSuffix)
	require.NoError(t, touch(w.file(path.Base(next))))
	repo := New(&refusing{Store: w.store, code: fault.ShareAccessDenied, below: next}, "lab")
	v, err := repo.Verify(t.Context(), testID, VerifyOptions{AllowedSigners: w.signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 2)
	require.Equal(t, string(fault.RewrapUnfinished), v.Findings[0].Code)
	requireDenied(t, v.Findings[1:], next)
}

// TestFolderThatMayNotBeListed: what is refused as a whole is no finding.
func TestFolderThatMayNotBeListed(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	for _, folder := range []string{"", backup.BackupsDir, path.Join(backup.BackupsDir, b.folder)} {
		repo := New(&refusing{Store: k.store, code: fault.ShareAccessDenied, below: k.repo.at(folder), closed: true}, k.repo.instance)
		_, err := repo.VerifyAll(t.Context(), k.options(), nil)
		require.ErrorIs(t, err, fault.ShareAccessDenied, folder)
		_, err = repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
		require.ErrorIs(t, err, fault.ShareAccessDenied, folder)
	}
	busy := New(&refusing{Store: k.store, code: fault.ShareBusy, below: k.repo.at(backup.BackupsDir, b.folder, backup.KeyFile)}, k.repo.instance)
	_, err := busy.VerifyAll(t.Context(), k.options(), nil)
	require.ErrorIs(t, err, fault.ShareBusy)
}

func TestListReportsAManifestThatMayNotBeRead(t *testing.T) {
	k := newKeeper(t, 3)
	first, second := k.backUp(), k.backUp()
	file := k.repo.at(backup.BackupsDir, second.folder, backup.ManifestFile)
	listing, err := New(&refusing{Store: k.store, code: fault.ShareAccessDenied, below: file}, k.repo.instance).List(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, listing.Backups, 1)
	require.Equal(t, first.id, listing.Backups[0].BackupID)
	requireDenied(t, listing.Unreadable, file)
}
