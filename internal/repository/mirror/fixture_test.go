package mirror_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
	"infrabackup/tests/tier"
)

// world is the fixture of backups whose keys are replaced.
type world struct{ *repositorytest.RekeyFixture }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{repositorytest.NewRekey(t)}
	w.Store.Every = tier.Size(5, 1, 1)
	return w
}
