package ledger_test

import (
	"testing"

	"infrabackup/internal/repository/repositorytest"
)

// fixture is that of package repositorytest, with what the tests of this package need besides.
type fixture struct{ repositorytest.Fixture }

func newFixture(t testing.TB, seed uint64) *fixture {
	t.Helper()
	return &fixture{*repositorytest.New(t, seed)}
}
