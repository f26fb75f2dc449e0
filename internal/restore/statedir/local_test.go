package statedir_test

import (
	"path/filepath"
	"testing"

	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/restore/statedir/statedirtest"
)

func TestLocal(t *testing.T) {
	place := filepath.Join(t.TempDir(), "state", "restores")
	statedirtest.Run(t, func(*testing.T) statedir.Store { return statedir.Local(place) })
}
