package upkeep

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func id(i int) backup.ID { return backup.ID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)) }

// told is a ledger.
type told map[backup.ID]ledger.State

func (l told) State(id backup.ID) (ledger.State, bool) { s, ok := l[id]; return s, ok }

func (l told) Known() []backup.ID {
	var ids []backup.ID
	for id := range l {
		ids = append(ids, id)
	}
	return ids
}

// made are backups every 12 hours, the oldest first, and their ledger.
func made(count int) (found []backup.Overview, known told) {
	known = told{}
	for i := range count {
		at := now.Add(-time.Duration(count-1-i) * 12 * time.Hour)
		folder := backup.FolderName(id(i), at)
		found = append(found, backup.Overview{BackupID: id(i), Status: backup.Succeeded, StartedAt: at, FinishedAt: at.Add(time.Minute), Path: "local/backups/" + folder})
		known[id(i)] = ledger.State{Sequence: int64(i + 2), Folder: folder, SumsSHA256: "s", ChangedAt: at.Add(time.Minute), Made: int64(i + 2), MadeAt: at.Add(time.Minute)}
	}
	return found, known
}

func verified(count int, at time.Time) (all []flow.Verdict) {
	for i := range count {
		all = append(all, flow.Verdict{BackupID: id(i), At: at, Sequence: int64(i + 2)})
	}
	return all
}

func TestTheNewestIsVerifiedFirst(t *testing.T) {
	found, known := made(4)
	require.Equal(t, []backup.ID{id(3), id(2)}, ToVerify(Gather(found, known, nil), now))
	all := verified(4, now.Add(time.Hour))
	require.Empty(t, ToVerify(Gather(found, known, all), now.Add(2*time.Hour)))
	require.Equal(t, []backup.ID{id(3)}, ToVerify(Gather(found, known, all[:3]), now.Add(2*time.Hour)))
	all[2].At = now.Add(30 * time.Minute)
	require.Equal(t, []backup.ID{id(2)}, ToVerify(Gather(found, known, all), now.Add(staleAfter+40*time.Minute)), "one at a time, that of longest ago")
	all[1].Code = string(fault.BackupDamaged)
	require.Equal(t, []backup.ID{id(1)}, ToVerify(Gather(found, known, all), now.Add(26*time.Hour)), "damage is looked at again")
	require.Empty(t, ToVerify(nil, now))
}

// TestWhatWasChangedIsVerifiedAgain: a verdict is about the backup as it was.
func TestWhatWasChangedIsVerifiedAgain(t *testing.T) {
	found, known := made(2)
	s := known[id(1)]
	s.Sequence = 9
	known[id(1)] = s
	all := Gather(found, known, verified(2, now.Add(time.Hour)))
	require.False(t, all[0].Verified())
	require.True(t, all[1].Verified())
	require.Equal(t, []backup.ID{id(1)}, ToVerify(all, now.Add(3*time.Hour)))
}

// TestNoClockDecidesWhatAVerdictIsAbout: the ledger has the times of the workers' clocks, and a
// verdict that of Temporal's. Whichever of them is wrong, a verdict on the backup as it is counts,
// and one on an earlier state does not.
func TestNoClockDecidesWhatAVerdictIsAbout(t *testing.T) {
	for name, at := range map[string]time.Time{"behind": now.AddDate(-1, 0, 0), "ahead": now.AddDate(1, 0, 0)} {
		t.Run(name, func(t *testing.T) {
			found, known := made(2)
			damage := flow.Verdict{BackupID: id(1), At: at, Code: string(fault.BackupDamaged), Sequence: 3}
			all := Gather(found, known, []flow.Verdict{damage})
			require.True(t, all[0].Damaged(), "damage that was found is not forgotten")
			require.False(t, all[0].Good())
			earlier := flow.Verdict{BackupID: id(1), At: at, Sequence: 2}
			require.Equal(t, Unverified, Judge(Gather(found, known, []flow.Verdict{earlier})[0].Verdict))
			later := flow.Verdict{BackupID: id(1), At: at, Sequence: 4}
			require.Equal(t, Unverified, Judge(Gather(found, known, []flow.Verdict{later})[0].Verdict), "the ledger that is there is an older one")
		})
	}
}

// TestABackupThatIsBackIsVerified: what was found before it was deleted says nothing about it.
func TestABackupThatIsBackIsVerified(t *testing.T) {
	found, known := made(2)
	known[id(1)] = ledger.State{Sequence: 9, Action: backup.LedgerDeleted}
	all := Gather(found, known, verified(2, now))
	require.False(t, all[0].Listed)
	require.False(t, all[0].Verified())
	back := flow.Verdict{BackupID: id(1), At: now, Sequence: 9, Code: string(fault.BackupRolledBack)}
	require.True(t, Gather(found, known, []flow.Verdict{back})[0].Damaged())
}

// TestAMissingBackupIsVerified: one that the ledger tells of and that is gone is noticed, and
// is none that retention counts.
func TestAMissingBackupIsVerified(t *testing.T) {
	found, known := made(3)
	all := Gather(found[:2], known, verified(2, now.Add(time.Hour)))
	require.Equal(t, id(2), all[0].ID)
	require.False(t, all[0].OnShare())
	require.Equal(t, []backup.ID{id(2)}, ToVerify(all, now.Add(time.Hour)))
	require.Len(t, Prune(all, Policy(schedule.Default(), false), now, now, retention.Hold{}).Decisions, 2)
}

// TestAgeIsByTheLedger: neither the times in a manifest nor the name of a folder make a
// backup expire.
func TestAgeIsByTheLedger(t *testing.T) {
	found, known := made(30)
	verdicts := verified(30, now.Add(time.Minute*2))
	plan := func() flow.PrunePlan {
		return Prune(Gather(found, known, verdicts), Policy(schedule.Default(), false), now.Add(3*time.Minute), now.Add(3*time.Minute), retention.Hold{})
	}
	before := plan().Remove()
	require.NotEmpty(t, before)
	require.NotContains(t, before, id(25))
	found[25].FinishedAt, found[25].StartedAt = now.AddDate(-1, 0, 0), now.AddDate(-1, 0, 0)
	require.Equal(t, before, plan().Remove())
	found[25].Path = "local/backups/" + backup.FolderName(id(25), now.AddDate(-1, 0, 0))
	require.NotContains(t, plan().Remove(), id(25), "it is another folder than the ledger's")
}

func TestPruneHoldsBack(t *testing.T) {
	found, known := made(30)
	all := Gather(found, known, verified(30, now.Add(2*time.Minute)))
	plan := Prune(all, Policy(schedule.Setting{}, false), now.Add(3*time.Minute), now.Add(3*time.Minute), retention.Hold{})
	require.Empty(t, plan.Hold)
	require.NotEmpty(t, plan.Remove())
	require.Equal(t, id(0), plan.Remove()[0], "the oldest first")
	held := Prune(all, Policy(schedule.Setting{}, false), now, now, retention.Hold{Code: LedgerUnreliable, Reason: "the ledger is damaged"})
	require.Empty(t, held.Remove())
	require.Equal(t, LedgerUnreliable, held.HoldCode)
	last := held.Decisions[len(held.Decisions)-1]
	require.Equal(t, retention.HeldBack, last.Code)
	require.Contains(t, last.Reason, "the ledger is damaged")
	far := Prune(all, Policy(schedule.Setting{}, false), now.AddDate(10, 0, 0), now.Add(3*time.Minute), retention.Hold{})
	require.Empty(t, far.Remove())
	require.Equal(t, retention.ClocksDiffer, far.HoldCode)
}

func TestAPlanFits(t *testing.T) {
	var p flow.PrunePlan
	for i := range 3 * flow.MaxListed {
		p.Decisions = append(p.Decisions, flow.PruneDecision{BackupID: id(i), Remove: i%6 == 0})
	}
	got := fit(p)
	require.True(t, got.More)
	require.Len(t, got.Decisions, flow.MaxListed)
	require.Equal(t, p.Remove(), got.Remove())
	for i := range p.Decisions {
		p.Decisions[i].Remove = true
	}
	require.Equal(t, p.Remove()[:flow.MaxListed], fit(p).Remove(), "the oldest go first")
}

// TestGatherOfAShare: what a repository and its ledger say fits together.
func TestGatherOfAShare(t *testing.T) {
	k := repositorytest.New(t, 1)
	k.Enter(k.Entry(backup.LedgerBegun, nil))
	first, second, third := k.BackUp(), k.BackUp(), k.BackUp()
	k.Remove(first, backup.LedgerPruned)
	listing, err := k.Repo.List(t.Context(), 0)
	require.NoError(t, err)
	known, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	all := Gather(listing.Backups, known, nil)
	require.Len(t, all, 2)
	require.Equal(t, third.ID, all[0].ID)
	require.Equal(t, second.ID, all[1].ID)
	for _, b := range all {
		require.True(t, b.Listed && b.Good() && !b.Verified())
	}
	require.Equal(t, []backup.ID{third.ID, second.ID}, ToVerify(all, k.Clock))
}
