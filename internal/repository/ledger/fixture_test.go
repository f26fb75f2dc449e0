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
