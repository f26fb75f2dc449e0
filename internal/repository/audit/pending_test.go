package audit_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
)

// states is a backup whose key was replaced, with the files of the state before.
func states(t *testing.T) (k *fixture, b *fixtureBackup, older, newest map[string][]byte) {
	t.Helper()
	k = newFixture(t, 3)
	b = k.BackUp()
	read := func() map[string][]byte {
		out := map[string][]byte{}
		for _, name := range repositorytest.KeyFiles {
			data, err := os.ReadFile(k.Of(b, name))
			require.NoError(t, err)
			out[name] = data
		}
		return out
	}
	older = read()
	k.Rewrap(b)
	return k, b, older, read()
}

// put writes some of a state's files, with a suffix.
func put(t *testing.T, k *fixture, b *fixtureBackup, state map[string][]byte, suffix string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, os.WriteFile(k.Of(b, name+suffix), state[name], 0o600))
	}
}

// TestNothingBesideHidesARollback: old sums are those of a replacement that did not end
// only when what lies beside them completes the state that the ledger has.
func TestNothingBesideHidesARollback(t *testing.T) {
	const next = backup.NextSuffix
	type files = map[string][]byte
	for name, row := range map[string]struct {
		change func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files)
		code   fault.Code
	}{
		"an empty key": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, nil, next, backup.KeyFile)
		}, fault.BackupRolledBack},
		"the older key": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, older, next, backup.KeyFile)
		}, fault.BackupRolledBack},
		"the newest sums without their signature": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, newest, next, backup.SumsFile, backup.KeyFile)
		}, fault.BackupRolledBack},
		"the newest sums without their key": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, newest, next, backup.SumsFile, backup.SignatureFile)
		}, fault.BackupRolledBack},
		"the newest state with a signature of nothing": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, newest, next, repositorytest.KeyFiles...)
			put(t, k, b, nil, next, backup.SignatureFile)
		}, fault.BackupRolledBack},
		"older successors, and no sums": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, next, repositorytest.KeyFiles...)
			require.NoError(t, os.Remove(k.Of(b, backup.SumsFile)))
		}, fault.BackupRolledBack},
		"older successors of sums that nobody knows": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, next, repositorytest.KeyFiles...)
			put(t, k, b, nil, "", backup.SumsFile)
		}, fault.BackupRolledBack},
		"older successors, and another key": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", backup.KeyFile)
			put(t, k, b, older, next, backup.SumsFile, backup.SignatureFile)
			put(t, k, b, nil, next, backup.KeyFile)
			require.NoError(t, os.Remove(k.Of(b, backup.SumsFile)))
		}, fault.BackupRolledBack},

		"what is to become the newest state": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", repositorytest.KeyFiles...)
			put(t, k, b, newest, next, repositorytest.KeyFiles...)
		}, fault.RewrapUnfinished},
		"half of it in its place": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, "", backup.SumsFile, backup.SignatureFile)
			put(t, k, b, newest, next, backup.SumsFile, backup.SignatureFile)
		}, fault.RewrapUnfinished},
		"the sums on their way": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, newest, next, backup.SumsFile)
			require.NoError(t, os.Remove(k.Of(b, backup.SumsFile)))
		}, fault.RewrapUnfinished},
		"an older state beside the newest": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, older, next, repositorytest.KeyFiles...)
		}, fault.RewrapUnfinished},
		"an empty key beside the newest": {func(t *testing.T, k *fixture, b *fixtureBackup, older, newest files) {
			put(t, k, b, nil, next, backup.KeyFile)
		}, fault.RewrapUnfinished},
	} {
		t.Run(name, func(t *testing.T) {
			k, b, older, newest := states(t)
			row.change(t, k, b, older, newest)
			is := func(f backup.Finding) bool { return f.Code == string(fault.BackupRolledBack) }
			one, every := k.One(b, k.Options()).Findings, repositorytest.All(k.Verify(k.Options()))
			require.NotEmpty(t, one)
			require.Equal(t, row.code == fault.BackupRolledBack, slices.ContainsFunc(one, is), "%+v", one)
			require.Equal(t, row.code == fault.BackupRolledBack, slices.ContainsFunc(every, is), "%+v", every)
			if row.code == fault.RewrapUnfinished {
				require.Len(t, one, 1)
				require.Len(t, every, 1)
				require.Equal(t, string(row.code), one[0].Code)
			}
		})
	}
}

// TestWorkDuringAComparisonIsNoAlarm replaces a key while the backups are compared, in
// every step of it from every call on.
func TestWorkDuringAComparisonIsNoAlarm(t *testing.T) {
	base := newFixture(t, 5)
	for range 2 {
		base.BackUp()
	}
	untouched := base.Snapshot()
	for pace := 1; pace <= 3; pace++ {
		for at := 1; ; at++ {
			base.Restore(untouched)
			again, b := *base, *base.Live[1]
			k := &again
			steps := repositorytest.Labours["replace the key"](&k.Fixture, &b)
			calls := 0
			hook := func(string) {
				calls++
				for range pace {
					if calls >= at && len(steps) > 0 {
						step := steps[0]
						steps = steps[1:]
						step()
					}
				}
			}
			repo := repository.New(&repositorytest.HookStore{Store: k.Store, OnList: hook, OnDownload: hook}, "local")
			s, err := audit.Compare(t.Context(), repo, k.Signers)
			require.NoError(t, err)
			if calls < at {
				break
			}
			if err := s.Err(k.Repo.Files().At(backup.BackupsDir, b.Folder)); err != nil {
				require.Equal(t, fault.RewrapUnfinished, fault.CodeOf(err), "from call %d on, %d at a time: %v", at, pace, err)
			}
		}
	}
}
