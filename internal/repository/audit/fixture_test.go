package audit_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
	"infrabackup/tests/tier"
)

// keeper is the fixture, with what the tests of this package need besides.
type keeper struct{ repositorytest.Fixture }

func newKeeper(t testing.TB, seed uint64) *keeper {
	t.Helper()
	return &keeper{*repositorytest.New(t, seed)}
}

func newKeeperIn(t testing.TB, folder string, seed uint64) *keeper {
	t.Helper()
	return &keeper{*repositorytest.NewIn(t, folder, seed)}
}

// world is the fixture of backups whose keys are replaced.
type world struct{ *repositorytest.RekeyFixture }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{repositorytest.NewRekey(t)}
	w.Store.Every = tier.Size(5, 1, 1)
	return w
}

type kept = repositorytest.Backup
