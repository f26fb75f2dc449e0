package auth

import "slices"

// Role is what a caller is to an instance. Each role may do what the one before it may.
type Role string

// The roles. The empty role may do nothing.
const (
	Reader   Role = "reader"
	Operator Role = "operator"
	Owner    Role = "owner"
)

// Action is one thing that can be done, named as Azure's role definitions name it.
type Action string

// The actions. Those of the portal and of /api/v1 are named alike.
const (
	ReadOperations       Action = "Microsoft.Backup.Admin/operations/read"
	ReadLocations        Action = "Microsoft.Backup.Admin/backupLocations/read"
	ReadBackups          Action = "Microsoft.Backup.Admin/backupLocations/backups/read"
	ReadOperationResults Action = "Microsoft.Backup.Admin/backupLocations/operationResults/read"
	ReadProgress         Action = "Microsoft.Backup.Admin/backupLocations/progress/read"
	ReadHistory          Action = "Microsoft.Backup.Admin/backupLocations/history/read"
	ReadAlerts           Action = "Microsoft.Backup.Admin/backupLocations/alerts/read"
	ReadRestores         Action = "Microsoft.Backup.Admin/backupLocations/restores/read"
	ReadDrills           Action = "Microsoft.Backup.Admin/backupLocations/drills/read"

	CreateBackup     Action = "Microsoft.Backup.Admin/backupLocations/createBackup/action"
	PruneDryRun      Action = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/dryRun/action"
	Verify           Action = "Microsoft.Backup.Admin/backupLocations/backups/verify/action"
	Cancel           Action = "Microsoft.Backup.Admin/backupLocations/backups/cancel/action"
	CancelRestore    Action = "Microsoft.Backup.Admin/backupLocations/restores/cancel/action"
	PlanRestore      Action = "Microsoft.Backup.Admin/backupLocations/restores/plan/action"
	CompareBackups   Action = "Microsoft.Backup.Admin/backupLocations/backups/diff/action"
	ProveKey         Action = "Microsoft.Backup.Admin/backupLocations/proveKey/action"
	AcknowledgeAlert Action = "Microsoft.Backup.Admin/backupLocations/alerts/acknowledge/action"

	WriteLocation Action = "Microsoft.Backup.Admin/backupLocations/write"
	Prune         Action = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/action"
	Restore       Action = "Microsoft.Backup.Admin/backupLocations/backups/restore/action"
	ApplyRestore  Action = "Microsoft.Backup.Admin/backupLocations/restores/apply/action" // and undo it
	ManageTokens  Action = "Microsoft.Backup.Admin/tokens/write"
)

// roles in order of what they may do.
var roles = []Role{"", Reader, Operator, Owner}

// policy is the lowest role that may perform an action. What it does not list, no role may.
var policy = map[Action]Role{
	ReadOperations:       Reader,
	ReadLocations:        Reader,
	ReadBackups:          Reader,
	ReadOperationResults: Reader,
	ReadProgress:         Reader,
	ReadHistory:          Reader,
	ReadAlerts:           Reader,
	ReadRestores:         Reader,
	ReadDrills:           Reader,

	CreateBackup:     Operator,
	PruneDryRun:      Operator,
	Verify:           Operator,
	Cancel:           Operator,
	CancelRestore:    Operator,
	PlanRestore:      Operator,
	CompareBackups:   Operator,
	ProveKey:         Operator,
	AcknowledgeAlert: Operator,

	WriteLocation: Owner,
	Prune:         Owner,
	Restore:       Owner,
	ApplyRestore:  Owner,
	ManageTokens:  Owner,
}

// Valid reports whether r is one of the named roles.
func (r Role) Valid() bool { return r != "" && slices.Contains(roles, r) }

// rank orders roles; what is no role is below all.
func (r Role) rank() int { return slices.Index(roles, r) }

// Covers reports whether r may do everything that other may.
func (r Role) Covers(other Role) bool {
	return other.rank() >= 0 && r.rank() >= other.rank()
}

// Allows reports whether a role may perform an action.
func (r Role) Allows(a Action) bool {
	lowest, known := policy[a]
	return known && r.Valid() && r.Covers(lowest)
}
