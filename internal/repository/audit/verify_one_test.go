package audit_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
)

func TestVerifyOneAsksTheLedger(t *testing.T) {
	type row struct {
		do    func(s *tamperFixture)
		of    func(s *tamperFixture) *fixtureBackup
		wants func(s *tamperFixture) []want
		blind bool // it is found with the head only
		alone bool // Verify, which does not ask the ledger, finds it too
	}
	second := func(s *tamperFixture) *fixtureBackup { return s.Live[1] }
	third := func(s *tamperFixture) *fixtureBackup { return s.Live[2] }
	for name, row := range map[string]row{
		"an older state replayed": {do: tamperings["an older state replayed"].do, of: second, wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupRolledBack, s.Live[1].Folder + "/" + backup.SumsFile}}
		}},
		"a deleted backup replayed": {do: tamperings["a deleted backup replayed"].do, of: func(s *tamperFixture) *fixtureBackup { return s.deleted }, wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupRolledBack, s.deleted.Folder}}
		}},
		"a backup that was never entered": {do: func(s *tamperFixture) { s.Publish(s.Put()) }, of: func(s *tamperFixture) *fixtureBackup { return s.Live[5] }, wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupUnlisted, s.Live[5].Folder}}
		}},
		"a backup removed": {do: tamperings["a backup deleted"].do, of: third, wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupMissing, s.Live[2].Folder}}
		}},
		"a second folder": {do: tamperings["a backup copied with another time"].do, of: third, alone: true, wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupUnlisted, otherTime(s.Live[2])}}
		}},
		"the ledger cut": {do: tamperings["the ledger cut"].do, of: second, blind: true, wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		}},
		"the ledger deleted": {do: tamperings["the ledger deleted"].do, of: second, blind: true, wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		}},
		"everything restored from an earlier copy": {do: tamperings["everything restored from an earlier copy"].do, of: second, blind: true, wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		}},
		"an entry about another backup removed": {do: tamperings["an entry removed"].do, of: third, wants: func(*tamperFixture) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(3)}}
		}},
		"a file added to the ledger": {do: tamperings["a file added to the ledger"].do, of: third, wants: func(*tamperFixture) []want {
			return []want{{fault.LedgerDamaged, "local/ledger/00000099.entry.bak"}}
		}},
		"the list of keys replaced": {do: tamperings["the list of keys replaced"].do, of: third, alone: true, wants: func(*tamperFixture) []want {
			return []want{{fault.BackupForged, "local/" + backup.AllowedSignersFile}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTamperFixture(t)
			row.do(s)
			b := row.of(s)
			v := s.One(b, s.Options())
			require.True(t, v.Ledger.HeadKnown)
			require.Len(t, v.Findings, len(row.wants(s)), "%+v", v.Findings)
			for i, w := range row.wants(s) {
				require.Equal(t, string(w.code), v.Findings[i].Code)
				require.True(t, strings.HasSuffix(v.Findings[i].File, w.file), v.Findings[i].File)
			}
			without := s.Options()
			without.Head = nil
			v = s.One(b, without)
			require.False(t, v.Ledger.HeadKnown)
			require.Equal(t, row.blind, len(v.Findings) == 0, "%+v", v.Findings)

			alone, err := audit.Verify(t.Context(), s.Repo, b.ID, audit.VerifyOptions{AllowedSigners: s.Signers})
			if fault.CodeOf(err) != fault.BackupNotFound {
				require.NoError(t, err)
				require.Equal(t, row.alone, len(alone.Findings) > 0, "%+v", alone.Findings)
			}
		})
	}
}

// TestVerifyOneAgreesWithAnAudit lets both look at everything that an audit promises to
// find: what the audit says of a backup and of the ledger, the one backup's verdict says.
func TestVerifyOneAgreesWithAnAudit(t *testing.T) {
	s := newTamperFixture(t)
	untouched := s.Snapshot()
	for name, row := range tamperings {
		t.Run(name, func(t *testing.T) {
			defer func(outer testing.TB) { s.T = outer }(s.T)
			s.T = t
			row.do(s)
			found := s.Verify(s.Options())
			for _, there := range found.Backups {
				wanted := slices.Clone(there.Findings)
				for _, f := range found.Findings {
					if strings.HasPrefix(f.Code, "LEDGER_") {
						wanted = append(wanted, f)
					}
				}
				v, err := audit.VerifyOne(t.Context(), s.Repo, backup.Ref{ID: there.BackupID}, audit.OneOptions{Options: s.Options()})
				require.NoError(t, err)
				for _, f := range wanted {
					require.Contains(t, v.Findings, f)
				}
				if found.Good() {
					require.Empty(t, v.Findings)
				}
			}
			s.Restore(untouched)
		})
	}
	for _, b := range s.Live {
		require.Empty(t, s.One(b, s.Options()).Findings)
	}
}

func TestVerifyOneOnAShareWithoutALedger(t *testing.T) {
	k := newFixture(t, 3)
	b := k.Put()
	k.Publish(b)
	v := k.One(b, k.Options())
	require.Empty(t, v.Findings, "of the time before the ledger")
	require.Equal(t, &backup.LedgerSeen{HeadKnown: true}, v.Ledger)

	v = k.One(b, audit.Options{})
	require.Empty(t, v.Findings)
	require.Equal(t, &backup.LedgerSeen{}, v.Ledger)

	require.NoError(t, os.WriteFile(k.Of(b, backup.ManifestFile), []byte("{}"), 0o600))
	require.NotEmpty(t, k.One(b, audit.Options{}).Findings)
}

func TestVerifyOneFollowsRotations(t *testing.T) {
	k := newFixture(t, 3)
	old := k.Signers
	k.BackUp()
	k.Rotate()
	b := k.BackUp()
	opts := k.Options()
	opts.AllowedSigners = old
	v := k.One(b, opts)
	require.Empty(t, v.Findings)
	require.Equal(t, k.Key.Fingerprint(), v.Signer)
	require.Equal(t, &backup.LedgerSeen{Entries: 3, Head: k.Head, HeadKnown: true, Sequence: 3}, v.Ledger)
}

func TestVerifyOneOpensTheBackup(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	var seen []string
	opts := audit.OneOptions{Options: k.Options(), Identities: k.IDs, Progress: func(file string, _, _ int64) { seen = append(seen, file) }}
	v, err := audit.VerifyOne(t.Context(), k.Repo, backup.Ref{ID: b.ID}, opts)
	require.NoError(t, err)
	require.Empty(t, v.Findings)
	require.Positive(t, v.Items)
	require.Contains(t, seen, backup.PartFile(backup.AD))

	require.NoError(t, os.Remove(k.Of(b, backup.PartFile(backup.AD))))
	v, err = audit.VerifyOne(t.Context(), k.Repo, backup.Ref{ID: b.ID}, opts)
	require.NoError(t, err, "what is missing is a finding, and keeps nobody from looking")
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupDamaged), v.Findings[0].Code)
}

func TestVerifyOneOfABackupThatIsNotThere(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	k.BackUp()
	k.Remove(b, backup.LedgerDeleted)
	for _, id := range []backup.ID{b.ID, repositorytest.ID} {
		_, err := audit.VerifyOne(t.Context(), k.Repo, backup.Ref{ID: id}, audit.OneOptions{Options: k.Options()})
		require.Equal(t, fault.BackupNotFound, fault.CodeOf(err), "%v", err)
	}
}

func TestVerifyOnePausesBeforeItSaysWhatIsWrong(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	pauses := 0
	opts := k.Options()
	opts.Pause = func(context.Context) error { pauses++; return nil }
	require.Empty(t, k.One(b, opts).Findings)
	require.Zero(t, pauses)

	late := k.Put()
	k.Publish(late)
	require.Len(t, k.One(late, opts).Findings, 1)
	require.Equal(t, folder.MaxPasses-1, pauses)

	opts.Pause = func(context.Context) error { k.Enter(k.Entry(backup.LedgerCreated, late)); return nil }
	require.Empty(t, k.One(late, opts).Findings, "its entry came a moment later")

	require.NoError(t, os.RemoveAll(k.Of(late)))
	cancelled, cancel := context.WithCancel(t.Context())
	opts.Pause = func(ctx context.Context) error { cancel(); return ctx.Err() }
	_, err := audit.VerifyOne(cancelled, k.Repo, backup.Ref{ID: late.ID}, audit.OneOptions{Options: opts})
	require.ErrorIs(t, err, context.Canceled)
}

// TestWorkDuringAVerificationIsNoAlarm begins the work at each call that a verification
// makes, does a step with every further one, and ends it while the verification pauses.
func TestWorkDuringAVerificationIsNoAlarm(t *testing.T) {
	for name, labour := range repositorytest.Labours {
		t.Run(name, func(t *testing.T) {
			base := newFixture(t, 5)
			for range 2 {
				base.BackUp()
			}
			untouched := base.Snapshot()
			for at := 1; ; at++ {
				base.Restore(untouched)
				again, b := *base, *base.Live[1]
				k := &again
				k.Live = []*fixtureBackup{base.Live[0], &b}
				steps := labour(&k.Fixture, &b)
				opts := k.Options()
				next := func() {
					if len(steps) > 0 {
						step := steps[0]
						steps = steps[1:]
						step()
					}
				}
				calls, paused := 0, 0
				hook := func(string) {
					if calls++; calls >= at {
						next()
					}
				}
				opts.Pause = func(context.Context) error {
					paused++
					for len(steps) > 0 {
						next()
					}
					return nil
				}
				repo := repository.New(&repositorytest.HookStore{Store: k.Store, OnList: hook, OnDownload: hook}, "local")
				v, err := audit.VerifyOne(t.Context(), repo, backup.Ref{ID: b.ID}, audit.OneOptions{Options: opts})
				if calls < at && paused == 0 {
					break // it had ended before
				}
				if fault.CodeOf(err) == fault.BackupNotFound && (name == "delete" || name == "publish") {
					continue
				}
				require.NoError(t, err, "at call %d of %d", at, calls)
				require.Empty(t, v.Findings, "at call %d of %d", at, calls)
			}
		})
	}
}
