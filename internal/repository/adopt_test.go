package repository

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

func TestAdoptAShareWithALedger(t *testing.T) {
	s := newScene(t)
	for _, trusted := range [][]byte{nil, s.signers} {
		a, err := s.repo.Adopt(t.Context(), trusted)
		require.NoError(t, err)
		require.Equal(t, Adoption{Head: s.head, Signers: []string{s.key.Public()}, Backups: len(s.live)}, a)
	}
	require.NoError(t, os.RemoveAll(s.of(s.live[0])))
	late := s.put()
	s.publish(late)
	a, err := s.repo.Adopt(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, a.Findings, 2)
	require.ElementsMatch(t, []string{string(fault.BackupMissing), string(fault.BackupUnlisted)}, []string{a.Findings[0].Code, a.Findings[1].Code})
	require.Equal(t, []Unlisted{{BackupID: late.id, Folder: late.folder, SumsSHA256: describe("", late.sums).SHA256, Recipients: late.manifest.Recipients}}, a.Unlisted)
}

func TestAdoptAShareFromBeforeTheLedger(t *testing.T) {
	k := newKeeper(t, 3)
	a, err := k.repo.Adopt(t.Context(), nil)
	require.NoError(t, err, "there is nothing to adopt")
	require.Equal(t, Adoption{Signers: []string{}}, a)
	for range 3 {
		k.publish(k.put())
	}
	a, err = k.repo.Adopt(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, a.Findings)
	require.Equal(t, backup.LedgerHead{}, a.Head)
	require.Equal(t, 3, a.Backups)
	require.Len(t, a.Unlisted, 3)
	require.Equal(t, k.live[2].id, a.Unlisted[0].BackupID, "newest first")
	for _, u := range a.Unlisted {
		k.enter(backup.LedgerEntry{At: k.clock, Controller: testController, Action: backup.LedgerAdopted, BackupID: u.BackupID,
			Folder: u.Folder, SumsSHA256: u.SumsSHA256, Recipients: u.Recipients, By: "test"})
	}
	k.requireGood()
	a, err = k.repo.Adopt(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, a.Unlisted)
}

func TestAdoptWithSeveralKeys(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	former := k.key
	k.key = signingKey(t)
	k.signers = seal.AllowedSigners(k.key.Public(), former.Public())
	e := k.entry(backup.LedgerSigner, nil)
	e.Key = k.key.Public()
	k.enter(e)
	k.backUp()
	k.requireGood()
	a, err := k.repo.Adopt(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{k.key.Public(), former.Public()}, a.Signers)
}

func TestAdoptRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(s *scene)
		code fault.Code
		says func(s *scene) string
	}{
		"a forged signature": {
			func(s *scene) {
				sig, err := signingKey(s.t).Sign(s.live[2].sums)
				require.NoError(s.t, err)
				s.write(s.of(s.live[2], backup.SignatureFile), sig)
			}, fault.BackupForged, func(s *scene) string { return s.live[2].folder },
		},
		"forged sums": {
			func(s *scene) {
				s.write(s.of(s.live[2], backup.SumsFile), []byte(strings.Replace(string(s.live[2].sums), "a", "b", 1)))
			},
			fault.BackupForged, func(s *scene) string { return s.live[2].folder },
		},
		"a changed list of keys": {
			func(s *scene) {
				s.write(s.path(backup.AllowedSignersFile), append(s.read(s.path(backup.AllowedSignersFile)), seal.AllowedSigners(signingKey(s.t).Public())...))
			}, fault.BackupForged, func(*scene) string { return backup.AllowedSignersFile },
		},
		"a damaged ledger": {
			func(s *scene) { s.swap(s.ledger(2), s.ledger(3)) }, fault.LedgerDamaged, func(*scene) string { return backup.LedgerFile(2) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			tc.do(s)
			_, err := s.repo.Adopt(t.Context(), s.signers)
			require.ErrorIs(t, err, tc.code)
			require.ErrorContains(t, err, tc.says(s))
		})
	}
	s := newScene(t)
	require.NoError(t, os.Remove(s.path(backup.AllowedSignersFile)))
	_, err := s.repo.Adopt(t.Context(), nil)
	require.ErrorIs(t, err, fault.BackupForged)
	a, err := s.repo.Adopt(t.Context(), s.signers)
	require.NoError(t, err, "a trusted copy is enough")
	require.Len(t, a.Findings, 1)
}
