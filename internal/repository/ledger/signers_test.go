package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

func TestARetiredKeySignsNothingMore(t *testing.T) {
	const day = ledger.RetiredSigning
	for name, tc := range map[string]struct {
		do   func(k *fixture)
		says string // what the finding says, empty for none
		file int64
	}{
		"rotated, a backup was running": {func(k *fixture) {
			former := k.Rotate()
			k.Clock = k.Clock.Add(day)
			k.By(former, k.Operation(2))
			k.Enter(k.Operation(3))
		}, "", 0},
		"rotated, a day later": {func(k *fixture) {
			former := k.Rotate()
			k.Clock = k.Clock.Add(day + time.Second)
			k.By(former, k.Operation(2))
		}, "signed by a key that entry 2 replaced", 3},
		"taken over, a backup was running": {func(k *fixture) {
			former := k.TakeOver()
			k.Clock = k.Clock.Add(day)
			k.By(former, k.Operation(2))
		}, "", 0},
		"taken over, a day later": {func(k *fixture) {
			former := k.TakeOver()
			k.Clock = k.Clock.Add(day + time.Second)
			k.By(former, k.Operation(2))
		}, "signed by a key that entry 2 replaced", 3},
		"taken over with the same key": {func(k *fixture) {
			k.Enter(k.Entry(backup.LedgerTakenOver, nil))
			k.Clock = k.Clock.Add(2 * day)
			k.Enter(k.Operation(2))
		}, "", 0},
		"rotated twice, no new time": {func(k *fixture) {
			former := k.Rotate()
			k.Clock = k.Clock.Add(day)
			k.Rotate()
			k.Clock = k.Clock.Add(time.Second)
			k.By(former, k.Operation(2))
		}, "signed by a key that entry 2 replaced", 4},
		"introduced again": {func(k *fixture) {
			former := k.Rotate()
			k.Clock = k.Clock.Add(2 * day)
			k.Present(former)
			k.By(former, k.Operation(2))
			k.Clock = k.Clock.Add(2 * day)
			k.By(former, k.Operation(3))
		}, "", 0},
		"introduced twice by the old one": {func(k *fixture) {
			former := k.Rotate()
			k.By(former, k.Operation(2))
			again := k.Entry(backup.LedgerSigner, nil)
			again.Key = k.Key.Public()
			k.By(former, again)
			k.Clock = k.Clock.Add(2 * day)
			k.Enter(k.Operation(3))
		}, "", 0},
		"introduced again by itself": {func(k *fixture) {
			former := k.Rotate()
			again := k.Entry(backup.LedgerSigner, nil)
			again.Key = former.Public()
			k.By(former, again)
			k.Clock = k.Clock.Add(2 * day)
			k.By(former, k.Operation(2))
		}, "signed by a key that entry 2 replaced", 4},
		"taken over by itself": {func(k *fixture) {
			former := k.Rotate()
			k.Clock = k.Clock.Add(2 * day)
			k.By(former, k.Entry(backup.LedgerTakenOver, nil))
			k.Enter(k.Operation(2))
		}, "signed by a key that entry 2 replaced", 3},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 1)
			k.Enter(k.Operation(1))
			tc.do(k)
			l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
			require.NoError(t, err)
			require.EqualValues(t, k.Head.Sequence, l.Entries)
			if tc.says == "" {
				require.Empty(t, l.Findings)
				return
			}
			require.Equal(t, []backup.Finding{
				{Code: string(fault.LedgerDamaged), File: k.Repo.Ledger().EntryPath(tc.file), Message: tc.says},
			}, l.Findings)
		})
	}
}

func TestWhatARetiredKeySaysIsNotBelieved(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	former := k.Rotate()
	require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), k.Signers))
	k.Clock = k.Clock.Add(ledger.RetiredSigning + time.Second)
	_, err := k.Repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
	require.NoError(t, err)
	k.By(former, k.Entry(backup.LedgerDeleted, b))
	found := k.Verify(k.Options())
	require.Len(t, repositorytest.All(found), 2, "%+v", repositorytest.All(found))
	require.Equal(t, string(fault.LedgerDamaged), found.Findings[0].Code)
	require.Equal(t, string(fault.BackupMissing), found.Findings[1].Code)
}

func TestAnOlderTrustedListFollowsRotations(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	old := k.Signers
	for range 2 {
		k.Rotate()
		k.BackUp()
	}
	opts := k.Options()
	opts.AllowedSigners = slices.Clone(old[:len(old)-1]) // without the newline at its end
	found := k.Verify(opts)
	require.True(t, found.Good(), "%+v", repositorytest.All(found))
	require.Len(t, found.Backups, 3)
	require.Equal(t, k.Key.Fingerprint(), found.Backups[0].Signer)

	v, err := audit.Verify(t.Context(), k.Repo, k.Live[2].ID, audit.VerifyOptions{AllowedSigners: old, BackupOnly: true})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1, "one backup alone says nothing of rotations")
}

func TestKeysThatNobodyTrustedIntroduces(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(k *fixture)
		says string
	}{
		"none introduces it": {func(k *fixture) {
			k.Trust(repositorytest.SigningKey(k.T))
		}, "no trusted key introduced"},
		"it introduces itself": {func(k *fixture) {
			evil := repositorytest.SigningKey(k.T)
			k.Trust(evil)
			e := k.Entry(backup.LedgerSigner, nil)
			e.Key = evil.Public()
			k.By(evil, e)
		}, "no trusted key introduced"},
		"a retired key introduces it": {func(k *fixture) {
			former := k.Rotate()
			evil := repositorytest.SigningKey(k.T)
			k.Trust(evil)
			e := k.Entry(backup.LedgerSigner, nil)
			e.Key = evil.Public()
			k.By(former, e)
		}, "no trusted key introduced"},
		"one of two is introduced": {func(k *fixture) {
			k.Rotate()
			k.Trust(repositorytest.SigningKey(k.T))
		}, "no trusted key introduced"},
		"a trusted one was taken away": {func(k *fixture) {
			k.Rotate()
			k.Signers = seal.AllowedSigners(k.Key.Public())
		}, "was changed"},
		"something else was added": {func(k *fixture) {
			k.Rotate()
			k.Signers = append(k.Signers, "somebody ssh-ed25519 AAAA\n"...)
		}, "was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 3)
			k.BackUp()
			opts := k.Options()
			tc.do(k)
			require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), k.Signers))
			found := k.Verify(opts)
			require.True(t, slices.ContainsFunc(found.Findings, func(f backup.Finding) bool {
				return f.Code == string(fault.BackupForged) && strings.Contains(f.Message, tc.says)
			}), "%+v", repositorytest.All(found))
		})
	}
}
