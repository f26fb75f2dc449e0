package anchor_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/anchor"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
)

const (
	controller = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	another    = "7c9e6679-7425-40de-944b-e07fc1f90ae8"
	digest     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	other      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856"
)

// known are settings that say where they are.
type known struct {
	position anchor.Position
	key      *seal.SigningKey
	asked    int
}

func (k *known) Position(context.Context) (anchor.Position, error) {
	k.asked++
	return k.position, nil
}

func (k *known) Signers(context.Context) ([]byte, error) {
	return seal.AllowedSigners(k.key.Public()), nil
}

func (k *known) SigningKey(context.Context) (*seal.SigningKey, error) { return k.key, nil }

func newKeeper(t *testing.T) (*anchor.Keeper, *known, *repository.Repository) {
	t.Helper()
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	k := &known{position: anchor.Position{Revision: 3, Fingerprint: digest, Controller: controller}}
	k.key, err = seal.ParseSigningKey(text)
	require.NoError(t, err)
	repo := repository.New(store, "local")
	return anchor.NewKeeper(repo, k, time.Now), k, repo
}

// TestSettingsThatWereSetBack are told from what the share was told of them.
func TestSettingsThatWereSetBack(t *testing.T) {
	for name, test := range map[string]struct {
		now  func(p *anchor.Position)
		want fault.Code // empty when nothing is wrong
	}{
		"nothing":                {func(*anchor.Position) {}, ""},
		"a change":               {func(p *anchor.Position) { p.Revision, p.Fingerprint = 4, other }, ""},
		"an entry":               {func(p *anchor.Position) { p.Head = backup.LedgerHead{Sequence: 8, SHA256: other} }, ""},
		"an earlier revision":    {func(p *anchor.Position) { p.Revision = 2 }, fault.SettingsRolledBack},
		"another of that number": {func(p *anchor.Position) { p.Fingerprint = other }, fault.SettingsRolledBack},
		"an earlier entry":       {func(p *anchor.Position) { p.Head = backup.LedgerHead{Sequence: 6, SHA256: digest} }, fault.SettingsRolledBack},
		"another entry":          {func(p *anchor.Position) { p.Head.SHA256 = other }, fault.SettingsRolledBack},
		"a reset":                {func(p *anchor.Position) { p.Reset = true }, fault.SettingsReset},
		"another controller":     {func(p *anchor.Position) { p.Controller, p.Revision = another, 1 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			keeper, k, _ := newKeeper(t)
			k.position.Head = backup.LedgerHead{Sequence: 7, SHA256: digest}
			require.NoError(t, keeper.Tell(t.Context(), nil))
			test.now(&k.position)
			c, err := keeper.Compare(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, c.Share.Generation)
			require.Equal(t, k.position, c.Settings)
			for _, err := range []error{c.Check(), keeper.Tell(t.Context(), nil), keeper.Tell(t.Context(), &c.Share)} {
				if test.want == "" {
					require.NoError(t, err)
				} else {
					require.Equal(t, test.want, fault.CodeOf(err), "%v", err)
				}
			}
		})
	}
}

// TestTheShareIsToldWhatIsNew and nothing again, also by who looked too long ago.
func TestTheShareIsToldWhatIsNew(t *testing.T) {
	keeper, k, repo := newKeeper(t)
	signers := seal.AllowedSigners(k.key.Public())
	read := func() repository.Anchors {
		t.Helper()
		found, err := repo.ReadAnchors(t.Context(), signers)
		require.NoError(t, err)
		require.NotNil(t, found.Newest)
		return found
	}
	before, err := keeper.Check(t.Context())
	require.NoError(t, err, "a share that was never told anything")
	for range 2 {
		require.NoError(t, keeper.Tell(t.Context(), &before.Share))
	}
	require.EqualValues(t, 1, read().Generation)
	k.position.Revision++
	require.NoError(t, keeper.Tell(t.Context(), &before.Share))
	require.EqualValues(t, 4, read().Newest.Revision)

	k.position.Head = backup.LedgerHead{Sequence: 1, SHA256: digest}
	require.NoError(t, keeper.Tell(t.Context(), nil))
	require.Equal(t, k.position.Head, read().Newest.Ledger)
	k.position.Head = backup.LedgerHead{}
	require.NoError(t, keeper.Withdraw(t.Context()), "of a ledger that nobody has any more")
	require.Zero(t, read().Newest.Ledger)
}

// TestNothingIsToldBeforeSettingsAreActive: there is nothing to tell.
func TestNothingIsToldBeforeSettingsAreActive(t *testing.T) {
	keeper, k, repo := newKeeper(t)
	k.position = anchor.Position{}
	require.NoError(t, keeper.Tell(t.Context(), nil))
	found, err := repo.ReadAnchors(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, found.Generation)
}

// TestASecondLookAsksTheSettingsAgain, and reads what the share was told only when they moved on.
func TestASecondLookAsksTheSettingsAgain(t *testing.T) {
	keeper, k, _ := newKeeper(t)
	before, err := keeper.Check(t.Context())
	require.NoError(t, err)
	require.NoError(t, keeper.Tell(t.Context(), nil))
	k.asked = 0
	again, err := keeper.CheckAgain(t.Context(), before)
	require.NoError(t, err)
	require.Equal(t, 1, k.asked)
	require.Nil(t, again.Share.Newest, "as it was seen before")
	k.position.Reset = true
	_, err = keeper.CheckAgain(t.Context(), before)
	require.Equal(t, fault.SettingsReset, fault.CodeOf(err))
}
