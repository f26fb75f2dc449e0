package smb_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/share/conformance"
	"infrabackup/tests/tier"
)

// A share that does not keep upper and lower case is refused by the first probe, not at
// the end of a run, and a diagnosis names it.
func TestCaseIsNotKept(t *testing.T) {
	tier.NeedsServers(t)
	for i, lines := range [][]string{{"preserve case = no", "short preserve case = no"}, {"preserve case = no", "short preserve case = no", "default case = upper"}} {
		server := startSamba(t, "", append([]string{"[share]"}, lines...)...)
		store := server.open()
		require.NoError(t, store.MkdirAll(t.Context(), "local"))
		require.ErrorIs(t, repository.New(store, "local").Probe(t.Context(), "x"), fault.ShareNames)
		results := conformance.Try(t.Context(), store, "local-doctor")
		if i == 0 || tier.Soak() { // what is tried is part of all, which takes a while
			results = append(results, conformance.Run(t.Context(), store, "local-doctor")...)
		}
		for _, result := range results {
			switch result.Name {
			case "case":
				require.ErrorIs(t, result.Err, fault.ShareNames)
			case "clean-up":
				require.NoError(t, result.Err)
			}
		}
		require.NoError(t, store.Close())
		server.Kill()
	}
}

// A server that says that next to nothing is free (Samba never says 0) is used all the
// same: the diagnosis needs more than that.
func TestNoFreeSpaceTold(t *testing.T) {
	tier.NeedsServers(t)
	script := filepath.Join(t.TempDir(), "dfree")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho 1000000 0 4096\n"), 0o755))
	store := startSamba(t, "", "[share]", "dfree command = "+script).open()
	room, err := store.Space(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, room.Free, int64(4<<20))
	require.Greater(t, room.Total, room.Free)
	diagnose := tier.Size(conformance.Try, conformance.Try, conformance.Run)
	for _, result := range diagnose(t.Context(), store, "doctor") {
		require.NoError(t, result.Err, result.Name)
	}
}
