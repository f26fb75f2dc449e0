package smb_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/share"
	"infrabackup/internal/share/sharetest"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/tier"
)

// conform holds a configuration to the port's contract. Each store gets a folder
// of its own below the share.
func conform(t *testing.T, hold func(*testing.T, func(*testing.T) share.Store), config smb.Config, want smb.Session) {
	ctx := t.Context()
	whole := openStore(t, config)
	n := 0
	hold(t, func(t *testing.T) share.Store {
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

// other holds a less usual configuration to the contract: every case; and in the soak all at
// once as well, which the usual one does in every run.
func other(t *testing.T, open func(*testing.T) share.Store) {
	if tier.Soak() {
		sharetest.TestStore(t, open)
	} else {
		sharetest.TestCases(t, open)
	}
}

// The contract holds on a real server, encrypted with the newest dialect.
func TestConformance(t *testing.T) {
	server := startSamba(t, "")
	conform(t, sharetest.TestStore, server.config(), smb.Session{Dialect: "SMB 3.1.1", Cipher: "AES-128-GCM", Encrypted: true, Address: address + ":445"})
}

// It also holds where only one share, not the server, asks for encryption, and
// with an older dialect.
func TestConformanceOlder(t *testing.T) {
	server := startSamba(t, "", "smb encrypt = desired", "server max protocol = SMB3_02", "[share]", "smb encrypt = required")
	conform(t, other, server.config(), smb.Session{Dialect: "SMB 3.0.2", Cipher: "AES-128-CCM", Encrypted: true, Address: address + ":445"})
}

// The oldest dialect that is accepted is the last one offered.
func TestOldestDialect(t *testing.T) {
	server := startSamba(t, "", "server max protocol = SMB3_00")
	store := server.open()
	require.Equal(t, "SMB 3.0", store.Session().Dialect)
	require.NoError(t, store.Upload(t.Context(), "part", pattern{}, 0, 2<<20, nil))
	require.Equal(t, 2, server.Logins())
}

// With --transport signed a server that never encrypts is good enough.
func TestConformanceSigned(t *testing.T) {
	server := startSamba(t, "", "smb encrypt = off")
	config := server.config()
	config.Transport = smb.Signed
	conform(t, other, config, smb.Session{Dialect: "SMB 3.1.1", Address: address + ":445"})
}

// What List leaves out because of its name can still be reported.
func TestStrangers(t *testing.T) {
	server := startSamba(t, "")
	for _, name := range []string{"file", "a b", "ü", "[x]"} {
		require.NoError(t, os.WriteFile(filepath.Join(server.Folder, name), nil, 0o644))
	}
	require.NoError(t, os.Mkdir(filepath.Join(server.Folder, "@eaDir"), 0o755))
	store := server.open()
	strangers, err := store.Strangers(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []string{"@eaDir", "[x]", "a b", "ü"}, strangers)
	list, err := store.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// A Store leaves neither goroutines nor connections behind, whatever became of
// its calls, and ends those in progress when it is closed.
func TestClose(t *testing.T) {
	server := startSamba(t, "")
	before := runtime.NumGoroutine()
	for range 5 {
		store, err := smb.Open(t.Context(), server.config())
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		source := pattern{at: 9 << 20, then: func() { cancel(errors.New("a cause of the caller's")) }, calls: new(sync.Once)}
		require.ErrorIs(t, store.Upload(ctx, "part", source, 0, 100<<20, nil), context.Canceled)

		require.NoError(t, store.Upload(t.Context(), "small", source, 0, 10, nil))
		file, err := store.Open(t.Context(), "small")
		require.NoError(t, err)
		started, ended := make(chan struct{}), make(chan error, 1)
		source = pattern{at: 9 << 20, then: func() { close(started) }, calls: new(sync.Once)}
		go func() { ended <- store.Upload(t.Context(), "other", source, 0, 1<<40, nil) }()
		<-started
		require.NoError(t, store.Close())
		require.ErrorIs(t, <-ended, fs.ErrClosed)
		_, err = file.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.NoError(t, file.Close())
	}
	// The condition runs in a goroutine of its own.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 20*time.Millisecond)
}
