package repository

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
)

// plant copies a backup's folder to one with a far future time, and returns its name.
func (k *keeper) plant(b *kept) string {
	k.t.Helper()
	name := "20991127T031626Z_" + string(b.id)
	require.NoError(k.t, os.CopyFS(k.path(backup.BackupsDir, name), os.DirFS(k.of(b))))
	return name
}

// claimTime makes the manifest in a folder name another time, so that it fits its name.
func (k *keeper) claimTime(folder string) {
	k.t.Helper()
	name := k.path(backup.BackupsDir, folder, backup.ManifestFile)
	data, err := os.ReadFile(name)
	require.NoError(k.t, err)
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	require.NoError(k.t, err)
	_, m.StartedAt, err = backup.ParseFolderName(folder)
	require.NoError(k.t, err)
	m.FinishedAt = m.StartedAt.Add(time.Minute)
	data, err = m.Encode()
	require.NoError(k.t, err)
	require.NoError(k.t, os.WriteFile(name, data, 0o600))
}

func TestASecondFolderOfABackup(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	planted := k.plant(b)
	own := k.repo.at(backup.BackupsDir, b.folder)
	for _, forged := range []bool{false, true} {
		t.Run(fmt.Sprintf("its manifest fits %t", forged), func(t *testing.T) {
			if forged {
				k.claimTime(planted)
			}
			opened, err := k.repo.Open(t.Context(), b.id)
			if forged {
				require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, "two folders have the ID of backup "+string(b.id))
				require.ErrorContains(t, err, planted)
				require.ErrorContains(t, err, b.folder)
			} else {
				require.NoError(t, err)
				require.Equal(t, own, opened.Path())
			}
			signed, err := k.repo.OpenSigned(t.Context(), b.id, k.signers)
			require.NoError(t, err, "what was signed tells")
			require.Equal(t, own, signed.Path())

			v := k.one(b, k.options())
			require.Equal(t, own, v.Path)
			require.Positive(t, v.Files)
			require.Len(t, v.Findings, 1)
			require.Equal(t, string(fault.BackupUnlisted), v.Findings[0].Code)
			require.Equal(t, k.repo.at(backup.BackupsDir, planted), v.Findings[0].File)

			audit := k.verify(k.options())
			require.Len(t, audit.Backups, 1)
			require.Equal(t, own, audit.Backups[0].Path)
			require.Empty(t, audit.Backups[0].Findings)
			require.Len(t, audit.Findings, 1)

			alone, err := k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers, BackupOnly: true})
			require.NoError(t, err)
			require.Equal(t, own, alone.Path)
			require.Empty(t, alone.Findings)

			_, err = k.repo.Removable(t.Context(), b.id, k.signers)
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "the ledger knows "+own)
			require.ErrorContains(t, err, planted+" has to be moved away first")
			_, err = k.repo.Delete(t.Context(), b.id, false)
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)

			named := k.repo.Named(planted)
			_, err = named.OpenSigned(t.Context(), b.id, k.signers)
			require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
			v, err = named.VerifyOne(t.Context(), b.id, OneOptions{AuditOptions: k.options()})
			require.NoError(t, err)
			require.Equal(t, k.repo.at(backup.BackupsDir, planted), v.Path)
			require.NotEmpty(t, v.Findings)
			named = k.repo.Named(b.folder)
			opened, err = named.Open(t.Context(), b.id)
			require.NoError(t, err)
			require.Equal(t, own, opened.Path())
		})
	}
	require.NoError(t, os.RemoveAll(k.path(backup.BackupsDir, planted)))
	folder, err := k.repo.Removable(t.Context(), b.id, k.signers)
	require.NoError(t, err)
	require.Equal(t, b.folder, folder)
	k.remove(b, backup.LedgerDeleted)
	require.NoDirExists(t, k.of(b))
}

// TestASecondFolderWithoutALedger: nothing but the manifests tells which is the own one.
func TestASecondFolderWithoutALedger(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.put()
	k.publish(b)
	planted := k.plant(b)
	v := k.one(b, AuditOptions{AllowedSigners: k.signers})
	require.Equal(t, k.repo.at(backup.BackupsDir, b.folder), v.Path)
	require.Len(t, v.Findings, 1)
	require.Equal(t, k.repo.at(backup.BackupsDir, planted), v.Findings[0].File)
	_, err := k.repo.Removable(t.Context(), b.id, k.signers)
	require.ErrorContains(t, err, "two folders have the ID")
}

// TestAFolderThatIsNotTheBackups: the own one is gone, and another has taken its ID.
func TestAFolderThatIsNotTheBackups(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	k.plant(b)
	require.NoError(t, os.RemoveAll(k.of(b)))
	_, err := k.repo.OpenSigned(t.Context(), b.id, k.signers)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "not of this folder")
	_, err = k.repo.Open(t.Context(), b.id)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "%v", err)
	_, err = k.repo.Folder(t.Context(), b.id)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(err), "the ledger is not to learn its name: %v", err)
}

// TestABackupThatIsOnlyStagedIsKept: a folder that somebody put into backups/ is not that
// of the backup, which a crash has left in staging/.
func TestABackupThatIsOnlyStagedIsKept(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	k.plant(b)
	old := k.path(backup.StagingDir, string(b.id)+oldSuffix)
	require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o700))
	require.NoError(t, os.Rename(k.of(b), old))
	c := &clearing{owner: k.repo, there: map[string]bool{path.Base(old): true}}
	needed, err := c.needed(t.Context(), b.id, path.Base(old))
	require.NoError(t, err)
	require.True(t, needed)
}

func TestVerifyOneCannotSayThatNothingIsMissing(t *testing.T) {
	for name, row := range map[string]struct {
		do    func(k *keeper)
		codes []fault.Code
	}{
		"the backup and the ledger deleted": {do: func(k *keeper) {
			require.NoError(k.t, os.RemoveAll(k.of(k.live[1])))
			require.NoError(k.t, os.RemoveAll(k.path(backup.LedgerDir)))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"the backup and the newest entries deleted": {do: func(k *keeper) {
			require.NoError(k.t, os.RemoveAll(k.of(k.live[1])))
			require.NoError(k.t, os.Remove(k.path(backup.LedgerDir, backup.LedgerFile(2))))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"everything deleted": {do: func(k *keeper) {
			require.NoError(k.t, os.RemoveAll(k.path()))
		}, codes: []fault.Code{fault.LedgerRolledBack}},
		"the backup deleted and its entry damaged": {do: func(k *keeper) {
			require.NoError(k.t, os.RemoveAll(k.of(k.live[1])))
			require.NoError(k.t, os.WriteFile(k.path(backup.LedgerDir, backup.LedgerFile(2)), []byte("{}\n"), 0o600))
		}, codes: []fault.Code{fault.LedgerDamaged}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 3)
			k.backUp()
			b := k.backUp()
			row.do(k)
			v := k.one(b, k.options())
			var codes []fault.Code
			for _, f := range v.Findings {
				codes = append(codes, fault.Code(f.Code))
			}
			require.Equal(t, row.codes, codes, "%+v", v.Findings)
		})
	}
}

func TestLatestPassesOverWhatIsNoBackup(t *testing.T) {
	k := newKeeper(t, 3)
	old := k.backUp()
	b := k.backUp()
	for _, id := range []string{"ffffffff-ffff-4fff-8fff-ffffffffffff", "eeeeeeee-ffff-4fff-8fff-ffffffffffff"} {
		require.NoError(t, os.Mkdir(k.path(backup.BackupsDir, "20991231T000000Z_"+id), 0o700))
	}
	listing, err := k.repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, listing.Backups, 1)
	require.Equal(t, b.id, listing.Backups[0].BackupID)
	require.Len(t, listing.Unreadable, 2)
	require.True(t, listing.More)
	latest, err := k.repo.Latest(t.Context(), k.signers)
	require.NoError(t, err)
	require.Equal(t, b.id, latest)

	require.NoError(t, os.RemoveAll(k.of(b)))
	listing, err = k.repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, old.id, listing.Backups[0].BackupID)
	latest, err = k.repo.Latest(t.Context(), k.signers)
	require.NoError(t, err)
	require.Equal(t, b.id, latest, "the ledger tells that it is missing")
	v := k.one(b, k.options())
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupMissing), v.Findings[0].Code)

	require.NoError(t, os.RemoveAll(k.path()))
	_, err = k.repo.Latest(t.Context(), k.signers)
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err), "%v", err)
}

func TestListBoundsWhatIsUnreadable(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	for i := range maxFindings + 20 {
		require.NoError(t, os.Mkdir(k.path(backup.BackupsDir, b.folder+"-"+time.Duration(i).String()), 0o700))
	}
	listing, err := k.repo.List(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, b.id, listing.Backups[0].BackupID)
	require.Len(t, listing.Unreadable, maxFindings+1)
}
