package audit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

func TestAdoptAShareWithALedger(t *testing.T) {
	s := newTamperFixture(t)
	for _, trusted := range [][]byte{nil, s.Signers} {
		a, err := audit.Adopt(t.Context(), s.Repo, trusted)
		require.NoError(t, err)
		require.Equal(t, audit.Adoption{Head: s.Head, Signers: []string{s.Key.Public()}, Backups: len(s.Live)}, a)
	}
	require.NoError(t, os.RemoveAll(s.Of(s.Live[0])))
	late := s.Put()
	s.Publish(late)
	a, err := audit.Adopt(t.Context(), s.Repo, nil)
	require.NoError(t, err)
	require.Len(t, a.Findings, 2)
	require.ElementsMatch(t, []string{string(fault.BackupMissing), string(fault.BackupUnlisted)}, []string{a.Findings[0].Code, a.Findings[1].Code})
	require.Equal(t, []audit.Unlisted{{BackupID: late.ID, Folder: late.Folder, SumsSHA256: folder.Describe("", late.Sums).SHA256, Recipients: late.Manifest.Recipients}}, a.Unlisted)
}

func TestAdoptAShareFromBeforeTheLedger(t *testing.T) {
	k := newFixture(t, 3)
	a, err := audit.Adopt(t.Context(), k.Repo, nil)
	require.NoError(t, err, "there is nothing to adopt")
	require.Equal(t, audit.Adoption{Signers: []string{}}, a)
	for range 3 {
		k.Publish(k.Put())
	}
	a, err = audit.Adopt(t.Context(), k.Repo, nil)
	require.NoError(t, err)
	require.Empty(t, a.Findings)
	require.Equal(t, backup.LedgerHead{}, a.Head)
	require.Equal(t, 3, a.Backups)
	require.Len(t, a.Unlisted, 3)
	require.Equal(t, k.Live[2].ID, a.Unlisted[0].BackupID, "newest first")
	for _, u := range a.Unlisted {
		k.Enter(backup.LedgerEntry{At: k.Clock, Controller: repositorytest.Controller, Action: backup.LedgerAdopted, BackupID: u.BackupID,
			Folder: u.Folder, SumsSHA256: u.SumsSHA256, Recipients: u.Recipients, By: "test"})
	}
	k.RequireGood()
	a, err = audit.Adopt(t.Context(), k.Repo, nil)
	require.NoError(t, err)
	require.Empty(t, a.Unlisted)
}

func TestAdoptWithSeveralKeys(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	former := k.Key
	k.Key = repositorytest.SigningKey(t)
	k.Signers = seal.AllowedSigners(k.Key.Public(), former.Public())
	e := k.Entry(backup.LedgerSigner, nil)
	e.Key = k.Key.Public()
	k.Enter(e)
	k.BackUp()
	k.RequireGood()
	a, err := audit.Adopt(t.Context(), k.Repo, nil)
	require.NoError(t, err)
	require.Equal(t, []string{k.Key.Public(), former.Public()}, a.Signers)
}

func TestAdoptRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(s *tamperFixture)
		code fault.Code
		says func(s *tamperFixture) string
	}{
		"a forged signature": {
			func(s *tamperFixture) {
				sig, err := repositorytest.SigningKey(s.T).Sign(s.Live[2].Sums)
				require.NoError(s.T, err)
				s.write(s.Of(s.Live[2], backup.SignatureFile), sig)
			}, fault.BackupForged, func(s *tamperFixture) string { return s.Live[2].Folder },
		},
		"forged sums": {
			func(s *tamperFixture) {
				s.write(s.Of(s.Live[2], backup.SumsFile), []byte(strings.Replace(string(s.Live[2].Sums), "a", "b", 1)))
			},
			fault.BackupForged, func(s *tamperFixture) string { return s.Live[2].Folder },
		},
		"a changed list of keys": {
			func(s *tamperFixture) {
				s.write(s.Path(backup.AllowedSignersFile), append(s.read(s.Path(backup.AllowedSignersFile)), seal.AllowedSigners(repositorytest.SigningKey(s.T).Public())...))
			}, fault.BackupForged, func(*tamperFixture) string { return backup.AllowedSignersFile },
		},
		"a damaged ledger": {
			func(s *tamperFixture) { s.swap(s.ledger(2), s.ledger(3)) }, fault.LedgerDamaged, func(*tamperFixture) string { return backup.LedgerFile(2) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTamperFixture(t)
			tc.do(s)
			_, err := audit.Adopt(t.Context(), s.Repo, s.Signers)
			require.ErrorIs(t, err, tc.code)
			require.ErrorContains(t, err, tc.says(s))
		})
	}
	s := newTamperFixture(t)
	require.NoError(t, os.Remove(s.Path(backup.AllowedSignersFile)))
	_, err := audit.Adopt(t.Context(), s.Repo, nil)
	require.ErrorIs(t, err, fault.BackupForged)
	a, err := audit.Adopt(t.Context(), s.Repo, s.Signers)
	require.NoError(t, err, "a trusted copy is enough")
	require.Len(t, a.Findings, 1)
}

// The key of a backup is believed of its signed manifest only, also while the key file is
// being replaced.
func TestSignedManifest(t *testing.T) {
	k := newFixture(t, 1)
	b := k.BackUp()
	m, err := audit.SignedManifest(t.Context(), k.Repo, b.ID, k.Signers)
	require.NoError(t, err)
	require.Equal(t, b.BackupKey.Recipient(), m.BackupKey)
	keyFile, sums, signature := k.Seal(b)
	for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
		require.NoError(t, os.WriteFile(k.Of(b, name+backup.NextSuffix), data, 0o600))
	}
	for _, taken := range []string{"", backup.KeyFile, backup.SignatureFile, backup.SumsFile} {
		if taken != "" {
			require.NoError(t, os.Rename(k.Of(b, taken+backup.NextSuffix), k.Of(b, taken)))
		}
		m, err := audit.SignedManifest(t.Context(), k.Repo, b.ID, k.Signers)
		require.NoError(t, err, "after %q took its place", taken)
		require.Equal(t, b.BackupKey.Recipient(), m.BackupKey)
	}
	_, err = audit.SignedManifest(t.Context(), k.Repo, b.ID, seal.AllowedSigners(repositorytest.SigningKey(t).Public()))
	require.ErrorIs(t, err, fault.BackupForged)
	other, err := seal.NewBackupKey()
	require.NoError(t, err)
	manifest, err := os.ReadFile(k.Of(b, backup.ManifestFile))
	require.NoError(t, err)
	changed := strings.Replace(string(manifest), b.BackupKey.Recipient(), other.Recipient(), 1)
	require.NoError(t, os.WriteFile(k.Of(b, backup.ManifestFile), []byte(changed), 0o600))
	_, err = audit.SignedManifest(t.Context(), k.Repo, b.ID, k.Signers)
	require.ErrorIs(t, err, fault.BackupDamaged)
	require.NoError(t, os.Remove(k.Of(b, backup.ManifestFile)))
	_, err = audit.SignedManifest(t.Context(), k.Repo, b.ID, k.Signers)
	require.Error(t, err)
	_, err = audit.SignedManifest(t.Context(), k.Repo, "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", k.Signers)
	require.ErrorIs(t, err, fault.BackupNotFound)
}
