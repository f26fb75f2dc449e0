package mirror_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
	"infrabackup/tests/tier"
)

// rekeyFixture is the fixture of backups whose keys are replaced.
type rekeyFixture struct{ *repositorytest.RekeyFixture }

func newRekeyFixture(t *testing.T) *rekeyFixture {
	t.Helper()
	w := &rekeyFixture{repositorytest.NewRekey(t)}
	w.Store.Every = tier.Size(5, 1, 1)
	return w
}
