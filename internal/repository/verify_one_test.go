package repository

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// one verifies one backup as a controller does.
func (k *keeper) one(b *kept, opts AuditOptions) backup.Verdict {
	k.t.Helper()
	v, err := k.repo.VerifyOne(context.Background(), b.id, OneOptions{AuditOptions: opts})
	require.NoError(k.t, err)
	require.Equal(k.t, b.id, v.BackupID)
	require.NotNil(k.t, v.Ledger)
	return v
}

func TestVerifyOneAsksTheLedger(t *testing.T) {
	type row struct {
		do    func(s *scene)
		of    func(s *scene) *kept
		wants func(s *scene) []want
		blind bool // it is found with the head only
		alone bool // Verify, which does not ask the ledger, finds it too
	}
	second := func(s *scene) *kept { return s.live[1] }
	third := func(s *scene) *kept { return s.live[2] }
	for name, row := range map[string]row{
		"an older state replayed": {do: tamperings["an older state replayed"].do, of: second, wants: func(s *scene) []want {
			return []want{{fault.BackupRolledBack, s.live[1].folder + "/" + backup.SumsFile}}
		}},
		"a deleted backup replayed": {do: tamperings["a deleted backup replayed"].do, of: func(s *scene) *kept { return s.deleted }, wants: func(s *scene) []want {
			return []want{{fault.BackupRolledBack, s.deleted.folder}}
		}},
		"a backup that was never entered": {do: func(s *scene) { s.publish(s.put()) }, of: func(s *scene) *kept { return s.live[5] }, wants: func(s *scene) []want {
			return []want{{fault.BackupUnlisted, s.live[5].folder}}
		}},
		"a backup removed": {do: tamperings["a backup deleted"].do, of: third, wants: func(s *scene) []want {
			return []want{{fault.BackupMissing, s.live[2].folder}}
		}},
		"a second folder": {do: tamperings["a backup copied with another time"].do, of: third, alone: true, wants: func(s *scene) []want {
			return []want{{fault.BackupUnlisted, otherTime(s.live[2])}}
		}},
		"the ledger cut": {do: tamperings["the ledger cut"].do, of: second, blind: true, wants: func(s *scene) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}}
		}},
		"the ledger deleted": {do: tamperings["the ledger deleted"].do, of: second, blind: true, wants: func(s *scene) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}}
		}},
		"everything restored from an earlier copy": {do: tamperings["everything restored from an earlier copy"].do, of: second, blind: true, wants: func(s *scene) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}}
		}},
		"an entry about another backup removed": {do: tamperings["an entry removed"].do, of: third, wants: func(*scene) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(3)}}
		}},
		"a file added to the ledger": {do: tamperings["a file added to the ledger"].do, of: third, wants: func(*scene) []want {
			return []want{{fault.LedgerDamaged, "local/ledger/00000099.entry.bak"}}
		}},
		"the list of keys replaced": {do: tamperings["the list of keys replaced"].do, of: third, alone: true, wants: func(*scene) []want {
			return []want{{fault.BackupForged, "local/" + backup.AllowedSignersFile}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			row.do(s)
			b := row.of(s)
			v := s.one(b, s.options())
			require.True(t, v.Ledger.HeadKnown)
			require.Len(t, v.Findings, len(row.wants(s)), "%+v", v.Findings)
			for i, w := range row.wants(s) {
				require.Equal(t, string(w.code), v.Findings[i].Code)
				require.True(t, strings.HasSuffix(v.Findings[i].File, w.file), v.Findings[i].File)
			}
			without := s.options()
			without.Head = nil
			v = s.one(b, without)
			require.False(t, v.Ledger.HeadKnown)
			require.Equal(t, row.blind, len(v.Findings) == 0, "%+v", v.Findings)

			alone, err := s.repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: s.signers})
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
	s := newScene(t)
	untouched := s.snapshot()
	for name, row := range tamperings {
		t.Run(name, func(t *testing.T) {
			defer func(outer testing.TB) { s.t = outer }(s.t)
			s.t = t
			row.do(s)
			audit := s.verify(s.options())
			for _, there := range audit.Backups {
				wanted := slices.Clone(there.Findings)
				for _, f := range audit.Findings {
					if strings.HasPrefix(f.Code, "LEDGER_") {
						wanted = append(wanted, f)
					}
				}
				v, err := s.repo.VerifyOne(t.Context(), there.BackupID, OneOptions{AuditOptions: s.options()})
				require.NoError(t, err)
				for _, f := range wanted {
					require.Contains(t, v.Findings, f)
				}
				if audit.Good() {
					require.Empty(t, v.Findings)
				}
			}
			s.restore(untouched)
		})
	}
	for _, b := range s.live {
		require.Empty(t, s.one(b, s.options()).Findings)
	}
}

func TestVerifyOneOnAShareWithoutALedger(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.put()
	k.publish(b)
	v := k.one(b, k.options())
	require.Empty(t, v.Findings, "of the time before the ledger")
	require.Equal(t, &backup.LedgerSeen{HeadKnown: true}, v.Ledger)

	v = k.one(b, AuditOptions{})
	require.Empty(t, v.Findings)
	require.Equal(t, &backup.LedgerSeen{}, v.Ledger)

	require.NoError(t, os.WriteFile(k.of(b, backup.ManifestFile), []byte("{}"), 0o600))
	require.NotEmpty(t, k.one(b, AuditOptions{}).Findings)
}

func TestVerifyOneFollowsRotations(t *testing.T) {
	k := newKeeper(t, 3)
	old := k.signers
	k.backUp()
	k.rotate()
	b := k.backUp()
	opts := k.options()
	opts.AllowedSigners = old
	v := k.one(b, opts)
	require.Empty(t, v.Findings)
	require.Equal(t, k.key.Fingerprint(), v.Signer)
	require.Equal(t, &backup.LedgerSeen{Entries: 3, Head: k.head, HeadKnown: true}, v.Ledger)
}

func TestVerifyOneOpensTheBackup(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	var seen []string
	opts := OneOptions{AuditOptions: k.options(), Identities: k.ids, Progress: func(file string, _, _ int64) { seen = append(seen, file) }}
	v, err := k.repo.VerifyOne(t.Context(), b.id, opts)
	require.NoError(t, err)
	require.Empty(t, v.Findings)
	require.Positive(t, v.Items)
	require.Contains(t, seen, backup.PartFile(backup.AD))

	require.NoError(t, os.Remove(k.of(b, backup.PartFile(backup.AD))))
	v, err = k.repo.VerifyOne(t.Context(), b.id, opts)
	require.NoError(t, err, "what is missing is a finding, and keeps nobody from looking")
	require.Len(t, v.Findings, 1)
	require.Equal(t, string(fault.BackupDamaged), v.Findings[0].Code)
}

func TestVerifyOneOfABackupThatIsNotThere(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	k.backUp()
	k.remove(b, backup.LedgerDeleted)
	for _, id := range []backup.ID{b.id, testID} {
		_, err := k.repo.VerifyOne(t.Context(), id, OneOptions{AuditOptions: k.options()})
		require.Equal(t, fault.BackupNotFound, fault.CodeOf(err), "%v", err)
	}
}

func TestVerifyOnePausesBeforeItSaysWhatIsWrong(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	pauses := 0
	opts := k.options()
	opts.Pause = func(context.Context) error { pauses++; return nil }
	require.Empty(t, k.one(b, opts).Findings)
	require.Zero(t, pauses)

	late := k.put()
	k.publish(late)
	require.Len(t, k.one(late, opts).Findings, 1)
	require.Equal(t, maxLooks-1, pauses)

	opts.Pause = func(context.Context) error { k.enter(k.entry(backup.LedgerCreated, late)); return nil }
	require.Empty(t, k.one(late, opts).Findings, "its entry came a moment later")

	require.NoError(t, os.RemoveAll(k.of(late)))
	cancelled, cancel := context.WithCancel(t.Context())
	opts.Pause = func(ctx context.Context) error { cancel(); return ctx.Err() }
	_, err := k.repo.VerifyOne(cancelled, late.id, OneOptions{AuditOptions: opts})
	require.ErrorIs(t, err, context.Canceled)
}

// labours are what a controller may be at with a backup while it is verified, step by
// step.
var labours = map[string]func(k *keeper, b *kept) []func(){
	"publish": func(k *keeper, b *kept) []func() {
		k.remove(b, backup.LedgerDeleted)
		again := k.put()
		b.id, b.folder = again.id, again.folder
		return []func(){func() { k.publish(again) }, func() { k.enter(k.entry(backup.LedgerCreated, again)) }}
	},
	"delete": func(k *keeper, b *kept) []func() {
		return []func(){func() { k.enter(k.entry(backup.LedgerDeleted, b)) }, func() {
			_, err := k.repo.Delete(context.Background(), b.id, false)
			require.NoError(k.t, err)
		}}
	},
	"replace the key": func(k *keeper, b *kept) []func() {
		keyFile, sums, signature := k.seal(b)
		data := map[string][]byte{backup.KeyFile: keyFile, backup.SignatureFile: signature, backup.SumsFile: sums}
		var write, name []func()
		for _, file := range []string{backup.KeyFile, backup.SignatureFile, backup.SumsFile} {
			next := k.of(b, file+backup.NextSuffix)
			write = append(write, func() { require.NoError(k.t, os.WriteFile(next, data[file], 0o600)) })
			name = append(name, func() { require.NoError(k.t, os.Remove(k.of(b, file))) }, func() { require.NoError(k.t, os.Rename(next, k.of(b, file))) })
		}
		announce := func() { b.sums = sums; k.enter(k.entry(backup.LedgerRewrapped, b)) }
		return append(append(write, announce), name...)
	},
	"exchange it for one that is encrypted anew": func(k *keeper, b *kept) []func() {
		staged, old := k.of(b)+".new", k.of(b)+".old"
		staged, old = strings.Replace(staged, backup.BackupsDir, backup.StagingDir, 1), strings.Replace(old, backup.BackupsDir, backup.StagingDir, 1)
		require.NoError(k.t, os.CopyFS(staged, os.DirFS(k.of(b))))
		keyFile, sums, signature := k.seal(b)
		for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
			require.NoError(k.t, os.WriteFile(staged+"/"+name, data, 0o600))
		}
		return []func(){
			func() { require.NoError(k.t, os.Rename(k.of(b), old)) },
			func() { require.NoError(k.t, os.Rename(staged, k.of(b))) },
			func() { b.sums = sums; k.enter(k.entry(backup.LedgerReencrypted, b)) },
		}
	},
	"keep a share busy with other backups": func(k *keeper, _ *kept) []func() {
		var steps []func()
		for range 40 {
			steps = append(steps, func() { k.enter(k.entry(backup.LedgerTakenOver, nil)) })
		}
		return steps
	},
}

// TestWorkDuringAVerificationIsNoAlarm begins the work at each call that a verification
// makes, does a step with every further one, and ends it while the verification pauses.
func TestWorkDuringAVerificationIsNoAlarm(t *testing.T) {
	for name, labour := range labours {
		t.Run(name, func(t *testing.T) {
			base := newKeeper(t, 5)
			for range 2 {
				base.backUp()
			}
			untouched := base.snapshot()
			for at := 1; ; at++ {
				base.restore(untouched)
				again, b := *base, *base.live[1]
				k := &again
				k.live = []*kept{base.live[0], &b}
				steps := labour(k, &b)
				opts := k.options()
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
				repo := New(&hooked{Store: k.store, list: hook, download: hook}, "local")
				v, err := repo.VerifyOne(t.Context(), b.id, OneOptions{AuditOptions: opts})
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
