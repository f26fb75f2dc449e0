package board

import (
	"context"
	"maps"
	"slices"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// Source is what a board reads from. Each method returns when its context ends; its errors have
// the codes of package fault.
type Source interface {
	// Summary tells the active settings, NOT_ENABLED when there are none.
	Summary(ctx context.Context) (settings.Summary, error)
	// History tells the changes of the settings, newest last.
	History(ctx context.Context) (settings.History, error)
	// List returns the newest backups, newest first, with the runs that left none.
	List(ctx context.Context, limit int) (Listing, error)
	// Running returns the run ID of the backup that runs, BACKUP_NOT_FOUND when none does.
	Running(ctx context.Context) (string, error)
	// Watch calls see about once a second with how far a run is, until it ends.
	Watch(ctx context.Context, runID string, see func(flow.Progress)) error
	// Changing returns the change of settings that runs, nil when none does.
	Changing(ctx context.Context) (*Change, error)
	// Upkeep tells what the upkeep remembers.
	Upkeep(ctx context.Context) (UpkeepFacts, error)
	// Missing returns the services that a backup has to contain and that no worker has a source
	// for.
	Missing(ctx context.Context) ([]backup.Service, error)
	// Drills returns the newest certificates of drills, newest first.
	Drills(ctx context.Context) ([]drill.Listed, error)
	// Standing returns nil when settings and ledger are as far as they were; else an error
	// with the code that says what is wrong.
	Standing(ctx context.Context) error
}

// Listing is the backups with the space on the share.
type Listing struct {
	flow.ListOutput
	Capacity Capacity // zero when it is not known
}

// UpkeepFacts is what the upkeep of an instance remembers: schedule, verification, retention.
type UpkeepFacts struct {
	Schedule schedule.State
	Ringing  bool // Temporal has a schedule that starts backups
	// Verdicts are what the newest verifications found; nil when that is not known.
	Verdicts     map[backup.ID]flow.Verdict
	Acknowledged []alert.Acknowledgement
	Hold         string   // why the retention removed nothing when it was last its turn
	Undeleted    []string // what could not be deleted then
}

func (u UpkeepFacts) clone() UpkeepFacts {
	u.Verdicts = maps.Clone(u.Verdicts)
	u.Acknowledged, u.Undeleted = slices.Clone(u.Acknowledged), slices.Clone(u.Undeleted)
	return u
}
