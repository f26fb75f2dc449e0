package smb_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/share"
	"infrabackup/internal/share/sharetest"
	"infrabackup/internal/share/smb"
)

// conform holds a configuration to the port's contract. Each store gets a folder
// of its own below the share.
func conform(t *testing.T, config smb.Config, want smb.Session) {
	ctx := t.Context()
	whole := openStore(t, config)
	n := 0
	sharetest.TestStore(t, func(t *testing.T) share.Store {
		n++
		folder := fmt.Sprintf("root-%d", n)
		require.NoError(t, whole.MkdirAll(ctx, folder))
		config := config
		config.UNC.Path = folder
		store := openStore(t, config)
		require.Equal(t, want, store.Session())
		return store
	})
}

// The contract holds on a real server, encrypted with the newest dialect.
func TestConformance(t *testing.T) {
	server := startSamba(t, "")
	conform(t, server.config(), smb.Session{Dialect: "SMB 3.1.1", Cipher: "AES-128-GCM", Encrypted: true, Address: address + ":445"})
}

// It also holds where only one share, not the server, asks for encryption, and
// with the older dialects.
func TestConformanceOlder(t *testing.T) {
	for dialect, name := range map[string]string{"SMB3_02": "SMB 3.0.2", "SMB3_00": "SMB 3.0"} {
		t.Run(dialect, func(t *testing.T) {
			server := startSamba(t, "", "smb encrypt = desired", "server max protocol = "+dialect, "[share]", "smb encrypt = required")
			conform(t, server.config(), smb.Session{Dialect: name, Cipher: "AES-128-CCM", Encrypted: true, Address: address + ":445"})
		})
	}
}

// With --transport signed a server that never encrypts is good enough.
func TestConformanceSigned(t *testing.T) {
	server := startSamba(t, "", "smb encrypt = off")
	config := server.config()
	config.Transport = smb.Signed
	conform(t, config, smb.Session{Dialect: "SMB 3.1.1", Address: address + ":445"})
}
