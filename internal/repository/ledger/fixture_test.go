package ledger_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
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

type kept = repositorytest.Backup
