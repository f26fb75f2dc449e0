package repository

import (
	"context"
	"time"

	"infrabackup/internal/backup"
)

// What tests outside of the package need of its inside.
const (
	MaxClaim   = maxClaim
	MaxAnchors = maxAnchors
	ProbeFile  = probeFile
)

// SetNow lets the repository believe that it is another time.
func (r *Repository) SetNow(now func() time.Time) { r.now = now }

// Needed reports whether a folder in staging/ may be all that is left of a backup.
func (r *Repository) Needed(ctx context.Context, id backup.ID, name string, there map[string]bool) (bool, error) {
	return (&clearing{owner: r, there: there}).needed(ctx, id, name)
}
