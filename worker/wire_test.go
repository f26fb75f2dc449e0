package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/settings"
	"infrabackup/internal/share/smb"
)

// The settings' names of the transports and the share client's must not drift apart.
func TestTransportsAgree(t *testing.T) {
	require.Equal(t, smb.Encrypted, smb.Transport(settings.Encrypted))
	require.Equal(t, smb.Signed, smb.Transport(settings.Signed))
}

func TestOpenStoreRefusesWhatIsNoShare(t *testing.T) {
	store, err := openStore(t.Context(), settings.Settings{Share: settings.Share{Path: "https://acct.blob.core.windows.net/x"}})
	require.ErrorIs(t, err, fault.ShareUnsupported)
	require.Nil(t, store)
}

func TestCollectorsOf(t *testing.T) {
	none, err := collectorsOf(config.Sources{})
	require.NoError(t, err)
	require.Empty(t, none)
}
