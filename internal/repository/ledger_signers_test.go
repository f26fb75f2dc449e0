package repository

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// trust adds a key to those that are trusted.
func (k *keeper) trust(key *seal.SigningKey) {
	k.signers = withSigners(k.signers, []string{key.Public()})
}

// rotate lets the key in force introduce a new one, and returns the old one.
func (k *keeper) rotate() *seal.SigningKey {
	k.t.Helper()
	former, next := k.key, signingKey(k.t)
	k.trust(next)
	k.present(next)
	k.key = next
	return former
}

// present enters that a key is the one in force from now on.
func (k *keeper) present(key *seal.SigningKey) {
	k.t.Helper()
	e := k.entry(backup.LedgerSigner, nil)
	e.Key = key.Public()
	k.enter(e)
}

// takeOver lets a controller with a new key go on, and returns the old one.
func (k *keeper) takeOver() *seal.SigningKey {
	k.t.Helper()
	former := k.key
	k.key = signingKey(k.t)
	k.trust(k.key)
	k.enter(k.entry(backup.LedgerTakenOver, nil))
	return former
}

// by makes an entry with another key than the one in force.
func (k *keeper) by(key *seal.SigningKey, e backup.LedgerEntry) {
	k.t.Helper()
	inForce := k.key
	k.key = key
	k.enter(e)
	k.key = inForce
}

func TestARetiredKeySignsNothingMore(t *testing.T) {
	const day = RetiredSigning
	for name, tc := range map[string]struct {
		do   func(k *keeper)
		says string // what the finding says, empty for none
		file int64
	}{
		"rotated, a backup was running": {func(k *keeper) {
			former := k.rotate()
			k.clock = k.clock.Add(day)
			k.by(former, k.operation(2))
			k.enter(k.operation(3))
		}, "", 0},
		"rotated, a day later": {func(k *keeper) {
			former := k.rotate()
			k.clock = k.clock.Add(day + time.Second)
			k.by(former, k.operation(2))
		}, "signed by a key that entry 2 replaced", 3},
		"taken over, a backup was running": {func(k *keeper) {
			former := k.takeOver()
			k.clock = k.clock.Add(day)
			k.by(former, k.operation(2))
		}, "", 0},
		"taken over, a day later": {func(k *keeper) {
			former := k.takeOver()
			k.clock = k.clock.Add(day + time.Second)
			k.by(former, k.operation(2))
		}, "signed by a key that entry 2 replaced", 3},
		"taken over with the same key": {func(k *keeper) {
			k.enter(k.entry(backup.LedgerTakenOver, nil))
			k.clock = k.clock.Add(2 * day)
			k.enter(k.operation(2))
		}, "", 0},
		"rotated twice, no time anew": {func(k *keeper) {
			former := k.rotate()
			k.clock = k.clock.Add(day)
			k.rotate()
			k.clock = k.clock.Add(time.Second)
			k.by(former, k.operation(2))
		}, "signed by a key that entry 2 replaced", 4},
		"introduced again": {func(k *keeper) {
			former := k.rotate()
			k.clock = k.clock.Add(2 * day)
			k.present(former)
			k.by(former, k.operation(2))
			k.clock = k.clock.Add(2 * day)
			k.by(former, k.operation(3))
		}, "", 0},
		"introduced twice by the old one": {func(k *keeper) {
			former := k.rotate()
			k.by(former, k.operation(2))
			again := k.entry(backup.LedgerSigner, nil)
			again.Key = k.key.Public()
			k.by(former, again)
			k.clock = k.clock.Add(2 * day)
			k.enter(k.operation(3))
		}, "", 0},
		"introduced again by itself": {func(k *keeper) {
			former := k.rotate()
			again := k.entry(backup.LedgerSigner, nil)
			again.Key = former.Public()
			k.by(former, again)
			k.clock = k.clock.Add(2 * day)
			k.by(former, k.operation(2))
		}, "signed by a key that entry 2 replaced", 4},
		"taken over by itself": {func(k *keeper) {
			former := k.rotate()
			k.clock = k.clock.Add(2 * day)
			k.by(former, k.entry(backup.LedgerTakenOver, nil))
			k.enter(k.operation(2))
		}, "signed by a key that entry 2 replaced", 3},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 1)
			k.enter(k.operation(1))
			tc.do(k)
			l, err := k.repo.ReadLedger(t.Context(), k.signers)
			require.NoError(t, err)
			require.EqualValues(t, k.head.Sequence, l.Entries)
			if tc.says == "" {
				require.Empty(t, l.Findings)
				return
			}
			require.Equal(t, []backup.Finding{
				{Code: string(fault.LedgerDamaged), File: k.repo.entryPath(tc.file), Message: tc.says},
			}, l.Findings)
		})
	}
}

func TestWhatARetiredKeySaysIsNotBelieved(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	former := k.rotate()
	require.NoError(t, k.repo.WriteInstanceFiles(t.Context(), k.signers))
	k.clock = k.clock.Add(RetiredSigning + time.Second)
	_, err := k.repo.Delete(t.Context(), b.id, false)
	require.NoError(t, err)
	k.by(former, k.entry(backup.LedgerDeleted, b))
	audit := k.verify(k.options())
	require.Len(t, all(audit), 2, "%+v", all(audit))
	require.Equal(t, string(fault.LedgerDamaged), audit.Findings[0].Code)
	require.Equal(t, string(fault.BackupMissing), audit.Findings[1].Code)
}

func TestAnOlderTrustedListFollowsRotations(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	old := k.signers
	for range 2 {
		k.rotate()
		k.backUp()
	}
	opts := k.options()
	opts.AllowedSigners = slices.Clone(old[:len(old)-1]) // without the newline at its end
	audit := k.verify(opts)
	require.True(t, audit.Good(), "%+v", all(audit))
	require.Len(t, audit.Backups, 3)
	require.Equal(t, k.key.Fingerprint(), audit.Backups[0].Signer)

	v, err := k.repo.Verify(t.Context(), k.live[2].id, VerifyOptions{AllowedSigners: old, BackupOnly: true})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1, "one backup alone says nothing of rotations")
}

func TestKeysThatNobodyTrustedIntroduces(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(k *keeper)
		says string
	}{
		"none introduces it": {func(k *keeper) {
			k.trust(signingKey(k.t))
		}, "no trusted key introduced"},
		"it introduces itself": {func(k *keeper) {
			evil := signingKey(k.t)
			k.trust(evil)
			e := k.entry(backup.LedgerSigner, nil)
			e.Key = evil.Public()
			k.by(evil, e)
		}, "no trusted key introduced"},
		"a retired key introduces it": {func(k *keeper) {
			former := k.rotate()
			evil := signingKey(k.t)
			k.trust(evil)
			e := k.entry(backup.LedgerSigner, nil)
			e.Key = evil.Public()
			k.by(former, e)
		}, "no trusted key introduced"},
		"one of two is introduced": {func(k *keeper) {
			k.rotate()
			k.trust(signingKey(k.t))
		}, "no trusted key introduced"},
		"a trusted one was taken away": {func(k *keeper) {
			k.rotate()
			k.signers = seal.AllowedSigners(k.key.Public())
		}, "was changed"},
		"something else was added": {func(k *keeper) {
			k.rotate()
			k.signers = append(k.signers, "somebody ssh-ed25519 AAAA\n"...)
		}, "was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 3)
			k.backUp()
			opts := k.options()
			tc.do(k)
			require.NoError(t, k.repo.WriteInstanceFiles(t.Context(), k.signers))
			audit := k.verify(opts)
			require.True(t, slices.ContainsFunc(audit.Findings, func(f backup.Finding) bool {
				return f.Code == string(fault.BackupForged) && strings.Contains(f.Message, tc.says)
			}), "%+v", all(audit))
		})
	}
}
