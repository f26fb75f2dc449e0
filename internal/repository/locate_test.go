package repository_test

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
)

// addDuplicateFolder copies a backup's folder to one with a far future time, and returns its name.
func (k *fixture) addDuplicateFolder(b *fixtureBackup) string {
	k.T.Helper()
	name := "20991127T031626Z_" + string(b.ID)
	require.NoError(k.T, os.CopyFS(k.Path(backup.BackupsDir, name), os.DirFS(k.Of(b))))
	return name
}

// claimTime makes the manifest in a folder name another time, so that it fits its name.
func (k *fixture) claimTime(folder string) {
	k.T.Helper()
	name := k.Path(backup.BackupsDir, folder, backup.ManifestFile)
	data, err := os.ReadFile(name)
	require.NoError(k.T, err)
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	require.NoError(k.T, err)
	_, m.StartedAt, err = backup.ParseFolderName(folder)
	require.NoError(k.T, err)
	m.FinishedAt = m.StartedAt.Add(time.Minute)
	data, err = m.Encode()
	require.NoError(k.T, err)
	require.NoError(k.T, os.WriteFile(name, data, 0o600))
}

func TestASecondFolderOfABackup(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	planted := k.addDuplicateFolder(b)
	own := k.Repo.Files().At(backup.BackupsDir, b.Folder)
	for _, forged := range []bool{false, true} {
		t.Run(fmt.Sprintf("its manifest fits %t", forged), func(t *testing.T) {
			if forged {
				k.claimTime(planted)
			}
			opened, err := k.Repo.Open(t.Context(), backup.Ref{ID: b.ID})
			if forged {
				require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, "two folders have the ID of backup "+string(b.ID))
				require.ErrorContains(t, err, planted)
				require.ErrorContains(t, err, b.Folder)
			} else {
				require.NoError(t, err)
				require.Equal(t, own, opened.Path())
			}
			signed, err := k.Repo.OpenSigned(t.Context(), backup.Ref{ID: b.ID}, k.Signers)
			require.NoError(t, err, "what was signed tells")
			require.Equal(t, own, signed.Path())

			v := k.One(b, k.Options())
			require.Equal(t, own, v.Path)
			require.Positive(t, v.Files)
			require.Len(t, v.Findings, 1)
			require.Equal(t, string(fault.BackupUnlisted), v.Findings[0].Code)
			require.Equal(t, k.Repo.Files().At(backup.BackupsDir, planted), v.Findings[0].File)

			found := k.Verify(k.Options())
			require.Len(t, found.Backups, 1)
			require.Equal(t, own, found.Backups[0].Path)
			require.Empty(t, found.Backups[0].Findings)
			require.Len(t, found.Findings, 1)

			alone, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers, BackupOnly: true})
			require.NoError(t, err)
			require.Equal(t, own, alone.Path)
			require.Empty(t, alone.Findings)

			_, err = k.Repo.DeletableFolder(t.Context(), b.ID, k.Signers)
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "the ledger knows "+own)
			require.ErrorContains(t, err, planted+" has to be moved away first")
			_, err = k.Repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)

			_, err = k.Repo.OpenSigned(t.Context(), backup.Ref{ID: b.ID, Folder: planted}, k.Signers)
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
			v, err = audit.VerifyOne(t.Context(), k.Repo, backup.Ref{ID: b.ID, Folder: planted}, audit.OneOptions{Options: k.Options()})
			require.NoError(t, err)
			require.Equal(t, k.Repo.Files().At(backup.BackupsDir, planted), v.Path)
			require.NotEmpty(t, v.Findings)
			opened, err = k.Repo.Open(t.Context(), backup.Ref{ID: b.ID, Folder: b.Folder})
			require.NoError(t, err)
			require.Equal(t, own, opened.Path())
		})
	}
	require.NoError(t, os.RemoveAll(k.Path(backup.BackupsDir, planted)))
	folder, err := k.Repo.DeletableFolder(t.Context(), b.ID, k.Signers)
	require.NoError(t, err)
	require.Equal(t, b.Folder, folder)
	k.Remove(b, backup.LedgerDeleted)
	require.NoDirExists(t, k.Of(b))
}

// TestASecondFolderWithoutALedger: nothing but the manifests tells which is the own one.
func TestASecondFolderWithoutALedger(t *testing.T) {
	k := newFixture(t, 3)
	b := k.Put()
	k.Publish(b)
	planted := k.addDuplicateFolder(b)
	v := k.One(b, audit.Options{AllowedSigners: k.Signers})
	require.Equal(t, k.Repo.Files().At(backup.BackupsDir, b.Folder), v.Path)
	require.Len(t, v.Findings, 1)
	require.Equal(t, k.Repo.Files().At(backup.BackupsDir, planted), v.Findings[0].File)
	_, err := k.Repo.DeletableFolder(t.Context(), b.ID, k.Signers)
	require.ErrorContains(t, err, "two folders have the ID")
}

// TestAFolderThatIsNotTheBackups: the own one is gone, and another has taken its ID.
func TestAFolderThatIsNotTheBackups(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	k.addDuplicateFolder(b)
	require.NoError(t, os.RemoveAll(k.Of(b)))
	_, err := k.Repo.OpenSigned(t.Context(), backup.Ref{ID: b.ID}, k.Signers)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "not of this folder")
	_, err = k.Repo.Open(t.Context(), backup.Ref{ID: b.ID})
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
	_, err = k.Repo.Folder(t.Context(), b.ID)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "the ledger is not to learn its name: %v", err)
}

// TestABackupThatIsOnlyStagedIsKept: a folder that somebody put into backups/ is not that
// of the backup, which a crash has left in staging/.
func TestABackupThatIsOnlyStagedIsKept(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	k.addDuplicateFolder(b)
	old := k.Path(backup.StagingDir, string(b.ID)+backup.OldSuffix)
	require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o700))
	require.NoError(t, os.Rename(k.Of(b), old))
	needed, err := k.Repo.Needed(t.Context(), b.ID, path.Base(old), map[string]bool{path.Base(old): true})
	require.NoError(t, err)
	require.True(t, needed)
}

func TestVerifyOneCannotSayThatNothingIsMissing(t *testing.T) {
	for name, row := range map[string]struct {
		do    func(k *fixture)
		codes []fault.Code
	}{
		"the backup and the ledger deleted": {do: func(k *fixture) {
			require.NoError(k.T, os.RemoveAll(k.Of(k.Live[1])))
			require.NoError(k.T, os.RemoveAll(k.Path(backup.LedgerDir)))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"the backup and the newest entries deleted": {do: func(k *fixture) {
			require.NoError(k.T, os.RemoveAll(k.Of(k.Live[1])))
			require.NoError(k.T, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(2))))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"everything deleted": {do: func(k *fixture) {
			require.NoError(k.T, os.RemoveAll(k.Path()))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"the backup deleted and its entry damaged": {do: func(k *fixture) {
			require.NoError(k.T, os.RemoveAll(k.Of(k.Live[1])))
			require.NoError(k.T, os.WriteFile(k.Path(backup.LedgerDir, backup.LedgerFile(2)), []byte("{}\n"), 0o600))
		}, codes: []fault.Code{fault.LedgerDamaged}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 3)
			k.BackUp()
			b := k.BackUp()
			row.do(k)
			v := k.One(b, k.Options())
			var codes []fault.Code
			for _, f := range v.Findings {
				codes = append(codes, fault.Code(f.Code))
			}
			require.Equal(t, row.codes, codes, "%+v", v.Findings)
		})
	}
}

func TestLatestPassesOverWhatIsNoBackup(t *testing.T) {
	k := newFixture(t, 3)
	old := k.BackUp()
	b := k.BackUp()
	for _, id := range []string{"ffffffff-ffff-4fff-8fff-ffffffffffff", "eeeeeeee-ffff-4fff-8fff-ffffffffffff"} {
		require.NoError(t, os.Mkdir(k.Path(backup.BackupsDir, "20991231T000000Z_"+id), 0o700))
	}
	listing, err := k.Repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, listing.Backups, 1)
	require.Equal(t, b.ID, listing.Backups[0].BackupID)
	require.Len(t, listing.Unreadable, 2)
	require.True(t, listing.More)
	latest, err := k.Repo.LatestKnown(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Equal(t, b.ID, latest)

	require.NoError(t, os.RemoveAll(k.Of(b)))
	listing, err = k.Repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, old.ID, listing.Backups[0].BackupID)
	latest, err = k.Repo.LatestKnown(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Equal(t, b.ID, latest, "the ledger tells that it is missing")
	v := k.One(b, k.Options())
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupMissing), v.Findings[0].Code)

	require.NoError(t, os.RemoveAll(k.Path()))
	_, err = k.Repo.LatestKnown(t.Context(), k.Signers)
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err), "%v", err)
}

func TestListBoundsWhatIsUnreadable(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	for i := range folder.MaxFindings + 20 {
		require.NoError(t, os.Mkdir(k.Path(backup.BackupsDir, b.Folder+"-"+time.Duration(i).String()), 0o700))
	}
	listing, err := k.Repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, b.ID, listing.Backups[0].BackupID)
	require.Len(t, listing.Unreadable, folder.MaxFindings+1)
}
