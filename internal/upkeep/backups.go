package upkeep

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/ledger"
)

// Bounds of how long a backup goes without a verification.
const (
	staleAfter   = 7 * 24 * time.Hour
	againFinding = 24 * time.Hour // after a finding, so that it is noticed when the cause is gone
)

// Backup is what is known of one backup that is on the share, or is to be there.
type Backup struct {
	ID       backup.ID
	Overview backup.Overview // by its manifest, zero when it is not on the share
	Listed   bool            // in the ledger, under this folder
	State    ledger.State    // what the ledger says, when it is listed
	Verdict  flow.Verdict    // the newest of the backup as it is, zero when there was none

	folder string
}

// Ledger is what is needed of a ledger. [ledger.Ledger] implements it.
type Ledger interface {
	State(id backup.ID) (ledger.State, bool)
	Known() []backup.ID
}

// Gather puts together what is known, the newest first: the backups that were found on the
// share, and those that the ledger says are there.
func Gather(found []backup.Overview, known Ledger, verdicts []flow.Verdict) []Backup {
	all := make([]Backup, 0, len(found))
	seen := map[backup.ID]bool{}
	last := make(map[backup.ID]flow.Verdict, len(verdicts))
	for _, v := range verdicts {
		last[v.BackupID] = v
	}
	add := func(b Backup) {
		// By the ledger's entries: the clocks of two hosts say nothing about what came first.
		state, _ := known.State(b.ID)
		if v := last[b.ID]; v.Sequence == state.Sequence {
			b.Verdict = v
		}
		all = append(all, b)
	}
	for _, o := range found {
		b := Backup{ID: o.BackupID, Overview: o, folder: path.Base(o.Path)}
		if s, ok := known.State(o.BackupID); ok && !s.Gone() && s.Folder == b.folder {
			b.Listed, b.State = true, s
		}
		seen[o.BackupID] = true
		add(b)
	}
	for _, id := range known.Known() {
		if s, ok := known.State(id); ok && !s.Gone() && !seen[id] {
			add(Backup{ID: id, Listed: true, State: s, folder: s.Folder})
		}
	}
	slices.SortStableFunc(all, func(a, b Backup) int { return strings.Compare(b.folder, a.folder) }) // names begin with the time
	return all
}

// OnShare reports whether the backup was found.
func (b Backup) OnShare() bool { return b.Overview.Path != "" }

// Damaged reports whether its newest verification found that something is wrong with the
// backup itself.
func (b Backup) Damaged() bool { return Judge(b.Verdict) == Bad }

// Good reports whether everything can be restored from it, as far as is known.
func (b Backup) Good() bool {
	return b.OnShare() && b.Overview.Status == backup.Succeeded && !b.Damaged()
}

// Verified reports whether it is good, and was verified without a finding since it was last
// changed.
func (b Backup) Verified() bool { return b.Good() && Judge(b.Verdict) == Sound }

// stale reports whether it is time to verify the backup again.
func (b Backup) stale(now time.Time) bool {
	switch age := now.Sub(b.Verdict.At); Judge(b.Verdict) {
	case Unverified:
		return true
	case Sound:
		return age > staleAfter
	default:
		return age > againFinding
	}
}

// ToVerify returns the backups that are to be verified now, at most two: the newest one,
// when nobody has verified it as it is, and of the others the one for which it was longest
// ago, when that was a week.
func ToVerify(newestFirst []Backup, now time.Time) []backup.ID {
	var ids []backup.ID
	if len(newestFirst) == 0 {
		return nil
	}
	if newest := newestFirst[0]; Judge(newest.Verdict) == Unverified {
		ids = append(ids, newest.ID)
	}
	var others []Backup
	for _, b := range newestFirst {
		if b.stale(now) && !slices.Contains(ids, b.ID) {
			others = append(others, b)
		}
	}
	if len(others) > 0 {
		oldest := slices.MinFunc(others, func(a, b Backup) int {
			return cmp.Or(a.Verdict.At.Compare(b.Verdict.At), strings.Compare(b.folder, a.folder))
		})
		ids = append(ids, oldest.ID)
	}
	return ids
}
