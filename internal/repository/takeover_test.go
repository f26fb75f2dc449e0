package repository_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/sharetest"
)

const otherController = "11111111-7425-40de-944b-e07fc1f90ae7"

func TestClaim(t *testing.T) {
	k := newFixture(t, 1)
	k.Repo.SetNow(func() time.Time { return k.Clock })
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller))
	data, err := os.ReadFile(k.Path(backup.ControllerFile))
	require.NoError(t, err)
	require.Equal(t, `{"controllerId":"`+repositorytest.Controller+`","instance":"local","since":"2026-11-22T08:30:00Z"}`+"\n", string(data))
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller), "it may be repeated")
	err = k.Repo.Claim(t.Context(), otherController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, repositorytest.Controller)

	k.BackUp()
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller))
	require.NoError(t, os.Remove(k.Path(backup.ControllerFile)))
	err = k.Repo.Claim(t.Context(), otherController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, repositorytest.Controller)
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller), "the ledger is its own")
	require.FileExists(t, k.Path(backup.ControllerFile))
	k.RequireGood()

	require.NoError(t, os.Remove(k.Path(backup.ControllerFile)))
	require.NoError(t, os.RemoveAll(k.Path(backup.LedgerDir)))
	err = k.Repo.Claim(t.Context(), repositorytest.Controller)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, "1 backups")
}

func TestClaimRefusesWhatItCannotRead(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"garbage":        "garbage",
		"no controller":  `{"instance":"local","since":"2026-11-22T08:30:00Z"}`,
		"other instance": `{"controllerId":"` + repositorytest.Controller + `","instance":"other","since":"2026-11-22T08:30:00Z"}`,
		"another field":  `{"controllerId":"` + repositorytest.Controller + `","instance":"local","since":"2026-11-22T08:30:00Z","x":1}`,
		"two":            `{"controllerId":"` + repositorytest.Controller + `","instance":"local"}{}`,
		"too long":       `{"controllerId":"` + repositorytest.Controller + `","instance":"local"}` + string(make([]byte, repository.MaxClaim)),
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 1)
			require.NoError(t, os.MkdirAll(k.Path(), 0o700))
			require.NoError(t, os.WriteFile(k.Path(backup.ControllerFile), []byte(text), 0o600))
			require.ErrorIs(t, k.Repo.Claim(t.Context(), repositorytest.Controller), fault.InstanceOccupied)
			require.NoError(t, k.Repo.TakeOver(t.Context(), repositorytest.Controller))
			require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller))
		})
	}
	k := newFixture(t, 1)
	require.ErrorIs(t, k.Repo.Claim(t.Context(), "me"), fault.Internal)
	require.NoError(t, os.MkdirAll(k.Path(backup.LedgerDir), 0o700))
	require.NoError(t, os.WriteFile(k.Path(backup.LedgerDir, "00000001.entry.part-00"), nil, 0o600))
	require.NoError(t, os.WriteFile(k.Path(backup.LedgerDir, backup.LedgerFile(1)), []byte("garbage"), 0o600))
	require.ErrorIs(t, k.Repo.Claim(t.Context(), repositorytest.Controller), fault.InstanceOccupied)
	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(1))))
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller), "a leftover is no ledger")
}

func TestTakeOver(t *testing.T) {
	k := newFixture(t, 1)
	require.NoError(t, k.Repo.TakeOver(t.Context(), repositorytest.Controller))
	require.NoError(t, k.Repo.TakeOver(t.Context(), otherController))
	before, err := os.ReadFile(k.Path(backup.ControllerFile))
	require.NoError(t, err)
	require.NoError(t, k.Repo.TakeOver(t.Context(), otherController))
	after, err := os.ReadFile(k.Path(backup.ControllerFile))
	require.NoError(t, err)
	require.Equal(t, before, after, "it is its own already")
	require.ErrorIs(t, k.Repo.Claim(t.Context(), repositorytest.Controller), fault.InstanceOccupied)
}

func TestClaimSurvivesACrashAtEveryChange(t *testing.T) {
	for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
		for n := 1; ; n++ {
			k := newFixture(t, 1)
			store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
			err := repository.New(store, "local").Claim(t.Context(), repositorytest.Controller)
			if !store.Down {
				require.NoError(t, err)
				break
			}
			require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller))
			require.ErrorIs(t, k.Repo.Claim(t.Context(), otherController), fault.InstanceOccupied)
			k.RequireGood()
		}
	}
}

func TestOneOfTwoControllersClaims(t *testing.T) {
	k := newFixture(t, 1)
	raced := false
	store := &repositorytest.HookStore{Store: k.Store, OnRename: func(string, string) {
		if !raced {
			raced = true
			require.NoError(t, k.Repo.Claim(t.Context(), otherController))
		}
	}}
	err := repository.New(store, "local").Claim(t.Context(), repositorytest.Controller)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, otherController)
}
