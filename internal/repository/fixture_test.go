package repository_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
	"infrabackup/tests/tier"
)

// fixture is that of package repositorytest, with what the tests of this package need besides.
type fixture struct{ repositorytest.Fixture }

func newFixture(t testing.TB, seed uint64) *fixture {
	t.Helper()
	return &fixture{*repositorytest.New(t, seed)}
}

// rekeyFixture is the fixture of backups whose keys are replaced.
type rekeyFixture struct{ *repositorytest.RekeyFixture }

func newRekeyFixture(t *testing.T) *rekeyFixture {
	t.Helper()
	w := &rekeyFixture{repositorytest.NewRekey(t)}
	w.Store.Every = tier.Size(5, 1, 1)
	return w
}

type fixtureBackup = repositorytest.Backup
