package result

import (
	"time"

	"infrabackup/internal/backup"
)

// Format is the version of the report's JSON.
const Format = 1

// Report is what differs between two sides, A and B.
type Report struct {
	Format   int       `json:"format"`
	A        Side      `json:"a"`
	B        Side      `json:"b"`
	Same     bool      `json:"same"`     // nothing differs but what is ignored
	Services []Service `json:"services"` // in the order of backup.Services
	Access   Access    `json:"access"`
	Warnings []string  `json:"warnings"` // what limits the comparison, or is dangerous in itself
	// WarningsNotListed counts those that were left out.
	WarningsNotListed int64 `json:"warningsNotListed,omitempty"`
}

// Side is one of the two that are compared.
type Side struct {
	Name      string          `json:"name"`      // what it is, such as "backup 0b1f…"
	BackupID  backup.ID       `json:"backupId"`  // empty for what is no backup
	Instance  backup.Instance `json:"instance"`  // the cloud
	StartedAt time.Time       `json:"startedAt"` // UTC
	Path      string          `json:"path"`      // on the share, empty for what is no backup
	// Digest is the SHA-256 of the backup's manifest.json, which names the digests of all its
	// other files; empty for what is no backup.
	Digest   string `json:"digest"`
	Verified bool   `json:"verified"` // a trusted key signed it
}

// Service is what became of one service.
type Service struct {
	Service  backup.Service `json:"service"`
	Compared bool           `json:"compared"`
	Reason   string         `json:"reason"` // why it was not compared
	ItemsA   int64          `json:"itemsA"`
	ItemsB   int64          `json:"itemsB"`
	Equal    int64          `json:"equal"` // items with the same digest
	// Alike counts items whose bytes differ, and only in what is ignored or in how it is
	// written.
	Alike   int64 `json:"alike"`
	Added   int64 `json:"added"`
	Removed int64 `json:"removed"`
	Changed int64 `json:"changed"` // in place
	Moved   int64 `json:"moved"`   // renamed or moved, changed besides or not

	Kinds     []Kind    `json:"kinds"`   // the same four, by kind of item, sorted by that
	Ignored   []Ignored `json:"ignored"` // sorted by reason
	Changes   []Change  `json:"changes"` // sorted by kind, then ID
	NotListed int64     `json:"notListed"`
}

// Kind counts the items of one kind that differ.
type Kind struct {
	Kind    string `json:"kind"`
	Added   int64  `json:"added"`
	Removed int64  `json:"removed"`
	Changed int64  `json:"changed"`
	Moved   int64  `json:"moved"`
}

// Ignored counts the differences that do not count, by the reason for it.
type Ignored struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// How says what became of an item or of a value.
type How string

// What can have become of something.
const (
	Added   How = "added"
	Removed How = "removed"
	Changed How = "changed"
	Moved   How = "moved"   // items only: it lies elsewhere
	Renamed How = "renamed" // items only: it lies where it did, under another name
)

// Change is one item that differs.
type Change struct {
	Kind     string   `json:"kind"`
	ID       string   `json:"id"`       // in B, in A for what was removed
	Name     string   `json:"name"`     // in B, in A for what was removed
	How      How      `json:"change"`   // added, removed, changed, moved, renamed
	Class    string   `json:"class"`    // of a directory object, such as user
	FromID   string   `json:"fromId"`   // in A, where it differs
	FromName string   `json:"fromName"` // in A, where it differs
	Note     string   `json:"note"`     // what else is to be known of it
	Details  []Detail `json:"details"`
	More     int64    `json:"moreDetails"` // details that are not listed
}

// Detail is one property or attribute of an item that differs.
type Detail struct {
	Path   string  `json:"path"`
	How    How     `json:"change"` // added, removed, changed
	Before *string `json:"before"` // null for what was added, and for secrets
	After  *string `json:"after"`  // null for what was removed, and for secrets
	Secret bool    `json:"secret"` // its values are not shown
}

// Access is who gained or lost which access.
type Access struct {
	Computed  bool         `json:"computed"`
	Reason    string       `json:"reason"` // why it was not computed
	Rows      []AccessRow  `json:"rows"`   // sorted by principal, then scope
	NotListed int64        `json:"notListed"`
	Gained    int64        `json:"gained"` // rows, listed or not
	Lost      int64        `json:"lost"`
	Roles     []RoleChange `json:"roles"` // roles that allow something else than before, sorted by role
	// RolesNotListed counts the roles that are not in the list.
	RolesNotListed int64 `json:"rolesNotListed"`
}

// Principal is who has access.
type Principal struct {
	SID      string `json:"sid"` // or another ID of a principal
	Name     string `json:"name"`
	Class    string `json:"class"`    // user, group, computer and so on; empty for one that the directory does not have
	Disabled bool   `json:"disabled"` // the account cannot log in
}

// AccessRow is one access that a principal gained or lost.
type AccessRow struct {
	Principal Principal `json:"principal"`
	How       How       `json:"change"` // added for gained, removed for lost
	Scope     string    `json:"scope"`
	Role      string    `json:"role"`                // name of the role, or "access policy" of a vault
	RoleID    string    `json:"roleId"`              // GUID of the role definition, empty for access policies
	Actions   []string  `json:"actions"`             // of an access policy, such as secrets/get
	Path      []string  `json:"path"`                // groups from the one that has the role to the one that the principal is in
	Covered   string    `json:"coveredBy"`           // scope at or above which the principal has the role on the other side too
	NotListed int64     `json:"notListed,omitempty"` // of actions and groups
}

// RoleChange is a role whose permissions changed.
type RoleChange struct {
	RoleID      string   `json:"roleId"`
	Name        string   `json:"name"`
	Type        string   `json:"type"`                // CustomRole or BuiltInRole
	Gained      []string `json:"gained"`              // what it allows now and did not
	Lost        []string `json:"lost"`                // what it allowed and does not now
	Assignments int64    `json:"assignments"`         // that use it in B
	NotListed   int64    `json:"notListed,omitempty"` // of what it gained and lost
}
