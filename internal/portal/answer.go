package portal

import (
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/settings"
)

// answer is the first line of the first page: could one restore today, to which state, and
// until when?
type answer struct {
	Tone  string
	Lead  string // a word or two
	Text  string // the rest of the sentence
	State time.Time
	Until time.Time
	Next  string // what to do
	Path  string // where to do it, below the instance
	Link  string // its words
	ID    backup.ID
}

// recommendedAge is how old the newest backup may be when two are made a day.
const recommendedAge = 13 * time.Hour

func answerOf(s *board.Snapshot, now time.Time) answer {
	if s == nil {
		return answer{Tone: "none", Lead: "Not known yet.", Text: "Nothing was read of this instance so far."}
	}
	if unread(s) {
		if s.Fault != nil {
			return answer{Tone: "none", Lead: "Not known.", Text: "Nothing was read of this instance so far, because the backup service does not answer."}
		}
		return answer{Tone: "none", Lead: "Not known yet.", Text: "Nothing was read of this instance so far.", Next: "It takes a moment after the service has started.", Link: "Look again"}
	}
	if !s.Enabled {
		return answer{Tone: "bad", Lead: "No.", Text: "Backups are not enabled for this instance, so nothing could be restored.",
			Next: "You need a share, an account on it, and a key. It takes about five minutes.", Path: "enable", Link: "Enable backups"}
	}
	good, ok := newest(s, func(b board.Backup) bool { return b.Good() && b.Restorable.After(now) })
	if !ok {
		return noGood(s, now)
	}
	verified, isVerified := newest(s, func(b board.Backup) bool {
		return b.Good() && b.Restorable.After(now) && !b.VerifiedAt.IsZero()
	})
	if !isVerified {
		return answer{Tone: "warn", Lead: "Probably.", Text: "The newest complete backup has not been verified yet.", State: stateAt(good), Until: good.Restorable, ID: good.BackupID,
			Next: "Verify it, to be sure that the share still holds what was written.", Path: "backups/" + string(good.BackupID), Link: "Look at this backup"}
	}
	a := answer{Tone: "ok", Lead: "Yes.", State: stateAt(verified), Until: verified.Restorable, ID: verified.BackupID}
	switch {
	case !keyProven(s, now):
		a.Tone, a.Lead = "warn", "Only if the private key still exists."
		a.Text = "The newest backup is complete and verified, and it has not been proven that anyone holds its key."
		a.Next, a.Path, a.Link = "Answer a challenge with the private key.", "settings/proof", "Prove the key"
	case now.Sub(a.State) > 2*recommendedAge:
		a.Tone, a.Lead, a.Text = "warn", "Yes, but only to an old state.", "The newest complete and verified backup is "+span(now.Sub(a.State))+" old."
		a.Next, a.Path, a.Link = "Start a backup, or look at why the newer ones failed.", "backups", "Look at the backups"
	default:
		a.Text = "Everything could be restored from the newest verified backup, which is " + span(max(now.Sub(a.State), 0)) + " old. Its key was proven."
	}
	return a
}

// unread reports whether it is not known so far whether backups are enabled: a board that has
// read nothing looks like that of an instance without backups.
func unread(s *board.Snapshot) bool { return s.AsOf.IsZero() && !s.Enabled }

// noGood answers when nothing whole can be restored.
func noGood(s *board.Snapshot, now time.Time) answer {
	a := answer{Tone: "bad", Lead: "No.", Path: "backups", Link: "Look at the backups"}
	part, partial := newest(s, func(b board.Backup) bool { return b.Status == backup.PartialSucceeded && b.Restorable.After(now) })
	damaged, isDamaged := newest(s, func(b board.Backup) bool { return b.VerifyCode != "" })
	switch {
	case partial:
		a.Lead, a.Text, a.State, a.Until, a.ID = "Only in part.", "No complete backup can be restored. The newest partial one lacks "+missing(part)+".", stateAt(part), part.Restorable, part.BackupID
		a.Next, a.Path, a.Link = "Look at why services are missing, mend it, and start a backup.", "backups/"+string(part.BackupID), "Look at this backup"
	case isDamaged:
		a.Text = "The backups that are there are damaged: the newest says " + damaged.VerifyCode + "."
		a.Next, a.ID, a.Path = "Start a new backup now, then find out what changed the share.", damaged.BackupID, "backups/"+string(damaged.BackupID)
		a.Link = "Look at this backup"
	case s.Running != nil:
		a.Text, a.Next, a.Path = "The first backup is still running.", "It can be restored when it has finished and was verified.", ""
	case len(s.Backups) > 0:
		a.Text, a.Next = "None of the backups can be restored.", "Look at why they failed, mend it, and start a backup."
	default:
		a.Text, a.Next, a.Path = "There is no backup yet.", "Start the first one below.", ""
	}
	return a
}

// missing names the services that a backup lacks.
func missing(b board.Backup) string {
	var all []backup.Service
	for _, s := range b.Services {
		if s.Status != backup.Succeeded {
			all = append(all, s.Service)
		}
	}
	return settings.Join(all)
}

func newest(s *board.Snapshot, want func(board.Backup) bool) (board.Backup, bool) {
	i := slices.IndexFunc(s.Backups, want)
	if i < 0 {
		return board.Backup{}, false
	}
	return s.Backups[i], true
}

// stateAt is the moment to which a backup brings back: when the capture began.
func stateAt(b board.Backup) time.Time {
	if b.Consistency != nil && !b.Consistency.Skew.Start.IsZero() {
		return b.Consistency.Skew.Start
	}
	return b.StartedAt
}

// keyProven reports whether the holder of a current key was heard of lately enough.
func keyProven(s *board.Snapshot, now time.Time) bool {
	days := s.Settings.ProofDays
	if days == 0 {
		days = settings.DefaultProofDays
	}
	return slices.ContainsFunc(s.Settings.Recipients, func(r settings.RecipientSummary) bool {
		return !r.ProvenAt.IsZero() && now.Sub(r.ProvenAt) <= time.Duration(days)*24*time.Hour
	})
}
