package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
)

func TestOpenStoreRefusesWhatIsNoShare(t *testing.T) {
	store, err := openStore(t.Context(), settings.Settings{Share: settings.Share{Path: "https://acct.blob.core.windows.net/x"}})
	require.ErrorIs(t, err, fault.ShareUnsupported)
	require.Nil(t, store)
}
