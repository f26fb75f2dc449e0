package repository

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// step does something to the backups that is no reason for an alarm.
func (k *keeper) step() {
	k.t.Helper()
	some := func() *kept { return k.live[k.random.IntN(len(k.live))] }
	switch n := k.random.IntN(12); {
	case len(k.live) == 0 || n < 4 && len(k.live) < 4:
		k.backUp()
	case n < 5:
		b := k.put()
		k.publish(b)
		k.enter(k.entry(backup.LedgerAdopted, b))
	case n < 6:
		k.remove(some(), backup.LedgerDeleted)
	case n < 8:
		k.remove(k.live[0], backup.LedgerPruned)
	case n < 9:
		k.enter(k.entry(backup.LedgerTakenOver, nil))
	case n < 10:
		k.rotate()
		require.NoError(k.t, k.repo.WriteInstanceFiles(context.Background(), k.signers))
	case n < 11:
		k.takeOver()
		require.NoError(k.t, k.repo.WriteInstanceFiles(context.Background(), k.signers))
	default:
		k.rewrap(some())
	}
}

func TestCleanSetsGiveNoAlarm(t *testing.T) {
	sets, steps := tier.Size(2, 15, 500), 20
	for seed := range uint64(sets) {
		k := newKeeper(t, seed)
		k.enter(k.entry(backup.LedgerBegun, nil))
		k.requireGood()
		for range steps - 1 {
			k.step()
			k.requireGood()
		}
	}
	tier.Tried(t, "audits of clean sets", int64(sets*steps))
}

func TestAuditWithoutALedger(t *testing.T) {
	k := newKeeper(t, 3)
	k.requireGood() // nothing was ever backed up
	require.True(t, k.verify(AuditOptions{}).Good())
	for range 3 {
		k.publish(k.put())
	}
	k.requireGood() // of the time before the ledger

	unknown := k.options()
	unknown.Head = nil
	audit := k.verify(unknown)
	require.Len(t, all(audit), 1)
	require.Equal(t, backup.Finding{Code: string(fault.LedgerDamaged), File: "local/ledger",
		Message: "there is no ledger, so nobody knows which backups belong here"}, audit.Findings[0])
	require.Len(t, audit.Backups, 3)
}

func TestAuditTakesAnAppendThatWasNotTold(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	opts := k.options()
	k.backUp()
	audit := k.verify(opts)
	require.True(t, audit.Good(), "%+v", audit)
	require.True(t, audit.HeadKnown)
	require.Equal(t, k.head, audit.Head)
	require.Equal(t, 2, audit.Entries)
}

func TestAuditWithTheSharesOwnKeys(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	k.backUp()
	require.True(t, k.verify(AuditOptions{}).Good())
	require.NoError(t, os.Remove(k.path(backup.AllowedSignersFile)))
	audit := k.verify(AuditOptions{})
	require.Len(t, audit.Findings, 2, "%+v", all(audit))
	require.Equal(t, audit.Findings, all(audit), "it is said once and not for every backup")
	require.Equal(t, "local/allowed_signers", audit.Findings[1].File)
}

func TestAuditReportsProgressAndFailures(t *testing.T) {
	k := newKeeper(t, 3)
	first, second := k.backUp(), k.backUp()
	var seen []backup.ID
	_, err := k.repo.VerifyAll(t.Context(), k.options(), func(id backup.ID, n, of int) {
		seen = append(seen, id)
		require.Equal(t, len(seen), n)
		require.Equal(t, 2, of)
	})
	require.NoError(t, err)
	require.Equal(t, []backup.ID{second.id, first.id}, seen)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.repo.VerifyAll(cancelled, k.options(), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.RemoveAll(k.of(first)))
	enough := errors.New("enough")
	opts := k.options()
	opts.Pause = func(context.Context) error { return enough }
	_, _, err = k.repo.Audit(t.Context(), opts)
	require.ErrorIs(t, err, enough)
	pauses := 0
	opts.Pause = func(context.Context) error { pauses++; return nil }
	audit, ids, err := k.repo.Audit(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 1, pauses, "a second look saw the same")
	require.Equal(t, []backup.ID{second.id}, ids)
	require.Len(t, audit.Findings, 1)
	require.Equal(t, string(fault.BackupMissing), audit.Findings[0].Code)
	require.Contains(t, audit.Findings[0].Message, first.id)
}

// works are what a controller may be at while somebody else audits: what it does, in
// the two halves between which the share and the ledger differ.
var works = map[string]func(k *keeper) (first, second func()){
	"publish": func(k *keeper) (func(), func()) {
		b := k.put()
		return func() { k.publish(b) }, func() { k.enter(k.entry(backup.LedgerCreated, b)) }
	},
	"delete": func(k *keeper) (func(), func()) {
		b := k.live[1]
		return func() {
			_, err := k.repo.Delete(context.Background(), b.id, false)
			require.NoError(k.t, err)
		}, func() { k.enter(k.entry(backup.LedgerDeleted, b)) }
	},
	"delete, entered first": func(k *keeper) (func(), func()) {
		b := k.live[1]
		return func() { k.enter(k.entry(backup.LedgerDeleted, b)) }, func() {
			_, err := k.repo.Delete(context.Background(), b.id, false)
			require.NoError(k.t, err)
		}
	},
	"rewrap": func(k *keeper) (func(), func()) {
		b := k.live[1]
		return func() { k.rewrap(b) }, func() {}
	},
}

// TestWorkDuringAnAuditIsNoAlarm does the work at every pair of calls that an audit
// makes, with one call between its halves.
func TestWorkDuringAnAuditIsNoAlarm(t *testing.T) {
	for name, work := range works {
		t.Run(name, func(t *testing.T) {
			base := newKeeper(t, 5)
			for range 3 {
				base.backUp()
			}
			untouched := base.snapshot()
			for at := 1; ; at += tier.Size(9, 1, 1) {
				base.restore(untouched)
				again := *base
				k := &again
				k.live = slices.Clone(base.live)
				opts := k.options()
				first, second := work(k)
				calls := 0
				hook := func(string) {
					switch calls++; calls {
					case at:
						first()
					case at + 1:
						second()
					}
				}
				repo := New(&hooked{Store: k.store, list: hook, download: hook}, "local")
				audit, err := repo.VerifyAll(t.Context(), opts, nil)
				require.NoError(t, err)
				if calls <= at {
					break // the audit had ended before
				}
				require.True(t, audit.Good(), "at call %d of %d: %+v", at, calls, all(audit))
			}
		})
	}
}

func TestAnInstanceThatIsGoneWasRolledBack(t *testing.T) {
	for name, trusted := range map[string]bool{"with keys": true, "without keys": false} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 3)
			k.backUp()
			require.NoError(t, os.RemoveAll(k.path()))
			opts := k.options()
			if !trusted {
				opts.AllowedSigners = nil
			}
			audit := k.verify(opts)
			require.Len(t, all(audit), 1, "%+v", all(audit))
			require.Equal(t, string(fault.LedgerRolledBack), audit.Findings[0].Code)
		})
	}
}

func TestVerifySkipsTheInstance(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	require.NoError(t, os.WriteFile(k.path(backup.RecoveryFile), nil, 0o600))
	require.NoError(t, os.WriteFile(k.path(backup.AllowedSignersFile), nil, 0o600))
	v, err := k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 2)
	v, err = k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers, BackupOnly: true})
	require.NoError(t, err)
	require.Empty(t, v.Findings)
}

func TestAnEmptiedSignatureIsFound(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	require.NoError(t, os.WriteFile(k.of(b, backup.SignatureFile), nil, 0o600))
	v, err := k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupForged), v.Findings[0].Code)
	require.NoError(t, os.WriteFile(k.path(backup.AllowedSignersFile), nil, 0o600))
	v, err = k.repo.Verify(t.Context(), b.id, VerifyOptions{})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1, "nobody is allowed to sign")
}

// halves are the states in which replacing a backup's key can end: what still lies
// under its new name, and what has its name already.
var halves = map[string]struct{ next, named []string }{
	"key written":     {next: []string{backup.KeyFile}},
	"sums written":    {next: []string{backup.KeyFile, backup.SumsFile}},
	"all written":     {next: replaced},
	"key named":       {next: []string{backup.SumsFile, backup.SignatureFile}, named: []string{backup.KeyFile}},
	"sums named":      {next: []string{backup.SignatureFile}, named: []string{backup.KeyFile, backup.SumsFile}},
	"signature first": {next: []string{backup.KeyFile, backup.SumsFile}, named: []string{backup.SignatureFile}},
	"sums first":      {next: []string{backup.KeyFile, backup.SignatureFile}, named: []string{backup.SumsFile}},
}

func TestAHalfReplacedKeyIsNamed(t *testing.T) {
	for name, half := range halves {
		for _, removed := range []bool{false, true} {
			k := newKeeper(t, 3)
			b := k.backUp()
			keyFile, sums, signature := k.seal(b)
			data := map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature}
			for _, file := range half.named {
				require.NoError(t, os.WriteFile(k.of(b, file), data[file], 0o600))
			}
			for _, file := range half.next {
				require.NoError(t, os.WriteFile(k.of(b, file+backup.NextSuffix), data[file], 0o600))
			}
			if removed && len(half.named)+len(half.next) == len(replaced) {
				// The old file makes room before the new one takes its name.
				require.NoError(t, os.Remove(k.of(b, half.next[0])))
			}
			v, err := k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers, Identities: k.ids})
			require.NoError(t, err, name)
			require.Equal(t, []backup.Finding{{Code: string(fault.RewrapUnfinished), File: "local/backups/" + b.folder, Message: unfinishedMessage}}, v.Findings, name)
			require.Positive(t, v.Items, name)
			audit := k.verify(k.options())
			require.Len(t, all(audit), 1, name)
			require.Equal(t, v.Findings, audit.Backups[0].Findings, name)
		}
	}
}

func TestAHalfReplacedKeyHidesNothing(t *testing.T) {
	for name, change := range map[string]func(k *keeper, b *kept){
		backup.PartFile(backup.AD): func(k *keeper, b *kept) {
			require.NoError(k.t, os.WriteFile(k.of(b, backup.PartFile(backup.AD)), []byte("x"), 0o600))
		},
		backup.KeyFile: func(k *keeper, b *kept) {
			require.NoError(k.t, os.WriteFile(k.of(b, backup.KeyFile), []byte("x"), 0o600))
		},
		backup.SumsFile: func(k *keeper, b *kept) {
			forged := strings.Replace(string(b.sums), "a", "b", 1)
			require.NoError(k.t, os.WriteFile(k.of(b, backup.SumsFile), []byte(forged), 0o600))
		},
		backup.SignatureFile: func(k *keeper, b *kept) { require.NoError(k.t, os.Remove(k.of(b, backup.SignatureFile))) },
		"extra.age":          func(k *keeper, b *kept) { require.NoError(k.t, os.WriteFile(k.of(b, "extra.age"), nil, 0o600)) },
		"key.age.next.next": func(k *keeper, b *kept) {
			require.NoError(k.t, os.WriteFile(k.of(b, "key.age.next.next"), nil, 0o600))
		},
	} {
		k := newKeeper(t, 3)
		b := k.backUp()
		require.NoError(t, os.WriteFile(k.of(b, backup.KeyFile+backup.NextSuffix), []byte("y"), 0o600))
		change(k, b)
		v, err := k.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
		require.NoError(t, err, name)
		named := false
		for _, f := range v.Findings {
			named = named || filepath.Base(f.File) == name
		}
		require.True(t, named, "%s: %+v", name, v.Findings)
	}
}
