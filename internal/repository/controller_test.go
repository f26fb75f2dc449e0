package repository

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

const otherController = "11111111-7425-40de-944b-e07fc1f90ae7"

func TestClaim(t *testing.T) {
	k := newKeeper(t, 1)
	k.repo.now = func() time.Time { return k.clock }
	require.NoError(t, k.repo.Claim(t.Context(), testController))
	data, err := os.ReadFile(k.path(backup.ControllerFile))
	require.NoError(t, err)
	require.Equal(t, `{"controllerId":"`+testController+`","instance":"local","since":"2026-11-22T08:30:00Z"}`+"\n", string(data))
	require.NoError(t, k.repo.Claim(t.Context(), testController), "it may be repeated")
	err = k.repo.Claim(t.Context(), otherController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, testController)

	k.backUp()
	require.NoError(t, k.repo.Claim(t.Context(), testController))
	require.NoError(t, os.Remove(k.path(backup.ControllerFile)))
	err = k.repo.Claim(t.Context(), otherController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, testController)
	require.NoError(t, k.repo.Claim(t.Context(), testController), "the ledger is its own")
	require.FileExists(t, k.path(backup.ControllerFile))
	k.requireGood()

	require.NoError(t, os.Remove(k.path(backup.ControllerFile)))
	require.NoError(t, os.RemoveAll(k.path(backup.LedgerDir)))
	err = k.repo.Claim(t.Context(), testController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, "1 backups")
}

func TestClaimRefusesWhatItCannotRead(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"garbage":        "garbage",
		"no controller":  `{"instance":"local","since":"2026-11-22T08:30:00Z"}`,
		"other instance": `{"controllerId":"` + testController + `","instance":"other","since":"2026-11-22T08:30:00Z"}`,
		"another field":  `{"controllerId":"` + testController + `","instance":"local","since":"2026-11-22T08:30:00Z","x":1}`,
		"two":            `{"controllerId":"` + testController + `","instance":"local"}{}`,
		"too long":       `{"controllerId":"` + testController + `","instance":"local"}` + string(make([]byte, maxClaim)),
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, 1)
			require.NoError(t, os.MkdirAll(k.path(), 0o700))
			require.NoError(t, os.WriteFile(k.path(backup.ControllerFile), []byte(text), 0o600))
			require.ErrorIs(t, k.repo.Claim(t.Context(), testController), fault.InstanceOccupied)
			require.NoError(t, k.repo.TakeOver(t.Context(), testController))
			require.NoError(t, k.repo.Claim(t.Context(), testController))
		})
	}
	k := newKeeper(t, 1)
	require.ErrorIs(t, k.repo.Claim(t.Context(), "me"), fault.Internal)
	require.NoError(t, os.MkdirAll(k.path(backup.LedgerDir), 0o700))
	require.NoError(t, os.WriteFile(k.path(backup.LedgerDir, "00000001.entry.part-00"), nil, 0o600))
	require.NoError(t, os.WriteFile(k.path(backup.LedgerDir, backup.LedgerFile(1)), []byte("garbage"), 0o600))
	require.ErrorIs(t, k.repo.Claim(t.Context(), testController), fault.InstanceOccupied)
	require.NoError(t, os.Remove(k.path(backup.LedgerDir, backup.LedgerFile(1))))
	require.NoError(t, k.repo.Claim(t.Context(), testController), "a leftover is no ledger")
}

func TestTakeOver(t *testing.T) {
	k := newKeeper(t, 1)
	require.NoError(t, k.repo.TakeOver(t.Context(), testController))
	require.NoError(t, k.repo.TakeOver(t.Context(), otherController))
	before, err := os.ReadFile(k.path(backup.ControllerFile))
	require.NoError(t, err)
	require.NoError(t, k.repo.TakeOver(t.Context(), otherController))
	after, err := os.ReadFile(k.path(backup.ControllerFile))
	require.NoError(t, err)
	require.Equal(t, before, after, "it is its own already")
	require.ErrorIs(t, k.repo.Claim(t.Context(), testController), fault.InstanceOccupied)
}

func TestClaimSurvivesACrashAtEveryChange(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			k := newKeeper(t, 1)
			store := &crashing{Store: k.store, left: n, after: after}
			err := New(store, "local").Claim(t.Context(), testController)
			if !store.dead {
				require.NoError(t, err)
				break
			}
			require.NoError(t, k.repo.Claim(t.Context(), testController))
			require.ErrorIs(t, k.repo.Claim(t.Context(), otherController), fault.InstanceOccupied)
			k.requireGood()
		}
	}
}

func TestOneOfTwoControllersClaims(t *testing.T) {
	k := newKeeper(t, 1)
	raced := false
	store := &hooked{Store: k.store, rename: func(string, string) {
		if !raced {
			raced = true
			require.NoError(t, k.repo.Claim(t.Context(), otherController))
		}
	}}
	err := New(store, "local").Claim(t.Context(), testController)
	require.ErrorIs(t, err, fault.InstanceOccupied)
	require.ErrorContains(t, err, otherController)
}

func FuzzDecodeClaim(f *testing.F) {
	f.Add([]byte(`{"controllerId":"` + testController + `","instance":"local","since":"2026-11-22T08:30:00Z"}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeClaim(data)
		if err != nil {
			return
		}
		_, err = backup.ParseID(c.ControllerID)
		require.NoError(t, err)
		require.NoError(t, backup.ValidateInstanceName(c.Instance))
	})
}
