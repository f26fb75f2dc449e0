package audit_test

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
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/tests/tier"
)

// step does something to the backups that is no reason for an alarm.
func (k *fixture) step() {
	k.T.Helper()
	some := func() *fixtureBackup { return k.Live[k.Random.IntN(len(k.Live))] }
	switch n := k.Random.IntN(12); {
	case len(k.Live) == 0 || n < 4 && len(k.Live) < 4:
		k.BackUp()
	case n < 5:
		b := k.Put()
		k.Publish(b)
		k.Enter(k.Entry(backup.LedgerAdopted, b))
	case n < 6:
		k.Remove(some(), backup.LedgerDeleted)
	case n < 8:
		k.Remove(k.Live[0], backup.LedgerPruned)
	case n < 9:
		k.Enter(k.Entry(backup.LedgerTakenOver, nil))
	case n < 10:
		k.Rotate()
		require.NoError(k.T, k.Repo.WriteInstanceFiles(context.Background(), k.Signers))
	case n < 11:
		k.TakeOver()
		require.NoError(k.T, k.Repo.WriteInstanceFiles(context.Background(), k.Signers))
	default:
		k.Rewrap(some())
	}
}

func TestCleanSetsGiveNoAlarm(t *testing.T) {
	sets, steps := tier.Size(2, 15, 500), 20
	for seed := range uint64(sets) {
		k := newFixture(t, seed)
		k.Enter(k.Entry(backup.LedgerBegun, nil))
		k.RequireGood()
		for range steps - 1 {
			k.step()
			k.RequireGood()
		}
	}
	tier.Tried(t, "audits of clean sets", int64(sets*steps))
}

func TestAuditWithoutALedger(t *testing.T) {
	k := newFixture(t, 3)
	k.RequireGood() // nothing was ever backed up
	require.True(t, k.Verify(audit.Options{}).Good())
	for range 3 {
		k.Publish(k.Put())
	}
	k.RequireGood() // of the time before the ledger

	unknown := k.Options()
	unknown.Head = nil
	found := k.Verify(unknown)
	require.Len(t, repositorytest.All(found), 1)
	require.Equal(t, backup.Finding{Code: string(fault.LedgerDamaged), File: "local/ledger",
		Message: "there is no ledger, so it is unknown which backups belong here"}, found.Findings[0])
	require.Len(t, found.Backups, 3)
}

func TestAuditTakesAnAppendThatWasNotTold(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	opts := k.Options()
	k.BackUp()
	found := k.Verify(opts)
	require.True(t, found.Good(), "%+v", found)
	require.True(t, found.HeadKnown)
	require.Equal(t, k.Head, found.Head)
	require.Equal(t, 2, found.Entries)
}

func TestAuditWithTheSharesOwnKeys(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	k.BackUp()
	require.True(t, k.Verify(audit.Options{}).Good())
	require.NoError(t, os.Remove(k.Path(backup.AllowedSignersFile)))
	found := k.Verify(audit.Options{})
	require.Len(t, found.Findings, 2, "%+v", repositorytest.All(found))
	require.Equal(t, found.Findings, repositorytest.All(found), "it is said once and not for every backup")
	require.Equal(t, "local/allowed_signers", found.Findings[1].File)
}

func TestAuditReportsProgressAndFailures(t *testing.T) {
	k := newFixture(t, 3)
	first, second := k.BackUp(), k.BackUp()
	var seen []backup.ID
	_, err := audit.VerifyAll(t.Context(), k.Repo, k.Options(), func(id backup.ID, n, of int) {
		seen = append(seen, id)
		require.Equal(t, len(seen), n)
		require.Equal(t, 2, of)
	})
	require.NoError(t, err)
	require.Equal(t, []backup.ID{second.ID, first.ID}, seen)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = audit.VerifyAll(cancelled, k.Repo, k.Options(), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.RemoveAll(k.Of(first)))
	enough := errors.New("enough")
	opts := k.Options()
	opts.Pause = func(context.Context) error { return enough }
	_, _, err = audit.Run(t.Context(), k.Repo, opts)
	require.ErrorIs(t, err, enough)
	pauses := 0
	opts.Pause = func(context.Context) error { pauses++; return nil }
	found, there, err := audit.Run(t.Context(), k.Repo, opts)
	require.NoError(t, err)
	require.Equal(t, 1, pauses, "a second look saw the same")
	require.Len(t, there, 1)
	require.Equal(t, second.ID, there[0].ID)
	require.Positive(t, there[0].Sequence)
	require.Len(t, found.Findings, 1)
	require.Equal(t, string(fault.BackupMissing), found.Findings[0].Code)
	require.Contains(t, found.Findings[0].Message, first.ID)
}

// works are what a controller may be at while somebody else audits: what it does, in
// the two halves between which the share and the ledger differ.
var works = map[string]func(k *fixture) (first, second func()){
	"publish": func(k *fixture) (func(), func()) {
		b := k.Put()
		return func() { k.Publish(b) }, func() { k.Enter(k.Entry(backup.LedgerCreated, b)) }
	},
	"delete": func(k *fixture) (func(), func()) {
		b := k.Live[1]
		return func() {
			_, err := k.Repo.Delete(context.Background(), b.ID, repository.DeleteOptions{})
			require.NoError(k.T, err)
		}, func() { k.Enter(k.Entry(backup.LedgerDeleted, b)) }
	},
	"delete, entered first": func(k *fixture) (func(), func()) {
		b := k.Live[1]
		return func() { k.Enter(k.Entry(backup.LedgerDeleted, b)) }, func() {
			_, err := k.Repo.Delete(context.Background(), b.ID, repository.DeleteOptions{})
			require.NoError(k.T, err)
		}
	},
	"rewrap": func(k *fixture) (func(), func()) {
		b := k.Live[1]
		return func() { k.Rewrap(b) }, func() {}
	},
}

// TestWorkDuringAnAuditIsNoAlarm does the work at every pair of calls that an audit
// makes, with one call between its halves.
func TestWorkDuringAnAuditIsNoAlarm(t *testing.T) {
	for name, work := range works {
		t.Run(name, func(t *testing.T) {
			base := newFixture(t, 5)
			for range 3 {
				base.BackUp()
			}
			untouched := base.Snapshot()
			for at := 1; ; at += tier.Size(9, 1, 1) {
				base.Restore(untouched)
				again := *base
				k := &again
				k.Live = slices.Clone(base.Live)
				opts := k.Options()
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
				repo := repository.New(&repositorytest.HookStore{Store: k.Store, OnList: hook, OnDownload: hook}, "local")
				found, err := audit.VerifyAll(t.Context(), repo, opts, nil)
				require.NoError(t, err)
				if calls <= at {
					break // the audit had ended before
				}
				require.True(t, found.Good(), "at call %d of %d: %+v", at, calls, repositorytest.All(found))
			}
		})
	}
}

func TestAnInstanceThatIsGoneWasRolledBack(t *testing.T) {
	for name, trusted := range map[string]bool{"with keys": true, "without keys": false} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 3)
			k.BackUp()
			require.NoError(t, os.RemoveAll(k.Path()))
			opts := k.Options()
			if !trusted {
				opts.AllowedSigners = nil
			}
			found := k.Verify(opts)
			require.Len(t, repositorytest.All(found), 1, "%+v", repositorytest.All(found))
			require.Equal(t, string(fault.LedgerRolledBack), found.Findings[0].Code)
		})
	}
}

func TestVerifySkipsTheInstance(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	require.NoError(t, os.WriteFile(k.Path(backup.RecoveryFile), nil, 0o600))
	require.NoError(t, os.WriteFile(k.Path(backup.AllowedSignersFile), nil, 0o600))
	v, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 2)
	v, err = audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers, BackupOnly: true})
	require.NoError(t, err)
	require.Empty(t, v.Findings)
}

func TestAnEmptiedSignatureIsFound(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	require.NoError(t, os.WriteFile(k.Of(b, backup.SignatureFile), nil, 0o600))
	v, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupForged), v.Findings[0].Code)
	require.NoError(t, os.WriteFile(k.Path(backup.AllowedSignersFile), nil, 0o600))
	v, err = audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Len(t, v.Findings, 1, "nobody is allowed to sign")
}

func TestAHalfReplacedKeyIsNamed(t *testing.T) {
	for name, half := range repositorytest.Halves {
		for _, removed := range []bool{false, true} {
			k := newFixture(t, 3)
			b := k.BackUp()
			keyFile, sums, signature := k.Seal(b)
			data := map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature}
			for _, file := range half.Named {
				require.NoError(t, os.WriteFile(k.Of(b, file), data[file], 0o600))
			}
			for _, file := range half.Next {
				require.NoError(t, os.WriteFile(k.Of(b, file+backup.NextSuffix), data[file], 0o600))
			}
			if removed && len(half.Named)+len(half.Next) == len(repositorytest.KeyFiles) {
				// The old file makes room before the new one takes its name.
				require.NoError(t, os.Remove(k.Of(b, half.Next[0])))
			}
			v, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers, Identities: k.IDs})
			require.NoError(t, err, name)
			require.Equal(t, []backup.Finding{{Code: string(fault.RewrapUnfinished), File: "local/backups/" + b.Folder, Message: audit.UnfinishedMessage}}, v.Findings, name)
			require.Positive(t, v.Items, name)
			found := k.Verify(k.Options())
			require.Len(t, repositorytest.All(found), 1, name)
			require.Equal(t, v.Findings, found.Backups[0].Findings, name)
		}
	}
}

func TestAHalfReplacedKeyHidesNothing(t *testing.T) {
	for name, change := range map[string]func(k *fixture, b *fixtureBackup){
		backup.PartFile(backup.AD): func(k *fixture, b *fixtureBackup) {
			require.NoError(k.T, os.WriteFile(k.Of(b, backup.PartFile(backup.AD)), []byte("x"), 0o600))
		},
		backup.KeyFile: func(k *fixture, b *fixtureBackup) {
			require.NoError(k.T, os.WriteFile(k.Of(b, backup.KeyFile), []byte("x"), 0o600))
		},
		backup.SumsFile: func(k *fixture, b *fixtureBackup) {
			forged := strings.Replace(string(b.Sums), "a", "b", 1)
			require.NoError(k.T, os.WriteFile(k.Of(b, backup.SumsFile), []byte(forged), 0o600))
		},
		backup.SignatureFile: func(k *fixture, b *fixtureBackup) { require.NoError(k.T, os.Remove(k.Of(b, backup.SignatureFile))) },
		"extra.age": func(k *fixture, b *fixtureBackup) {
			require.NoError(k.T, os.WriteFile(k.Of(b, "extra.age"), nil, 0o600))
		},
		"key.age.next.next": func(k *fixture, b *fixtureBackup) {
			require.NoError(k.T, os.WriteFile(k.Of(b, "key.age.next.next"), nil, 0o600))
		},
	} {
		k := newFixture(t, 3)
		b := k.BackUp()
		require.NoError(t, os.WriteFile(k.Of(b, backup.KeyFile+backup.NextSuffix), []byte("y"), 0o600))
		change(k, b)
		v, err := audit.Verify(t.Context(), k.Repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
		require.NoError(t, err, name)
		named := false
		for _, f := range v.Findings {
			named = named || filepath.Base(f.File) == name
		}
		require.True(t, named, "%s: %+v", name, v.Findings)
	}
}
