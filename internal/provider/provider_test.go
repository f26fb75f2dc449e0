package provider

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/config"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
)

// senders counts the goroutines that deliver notifications.
func senders() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "webhook.(*Sender).run")
}

// TestWhatCannotServeLeavesNothing: one that cannot listen ends what it had begun for its
// instances.
func TestWhatCannotServeLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(folder, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("a shared secret of 16 bytes or more\n"), 0o600))
	c := &config.Serve{
		StateDir: filepath.Join(folder, "state"), BaseURL: "https://backup.test", SubscriptionID: "11111111-2222-3333-4444-555555555555", Listen: "127.0.0.1:0",
		Instances: []config.ServedInstance{{Name: "north", Location: "north"}, {Name: "south", Location: "south"}},
		Webhook:   &config.Webhook{URL: "https://hook.test/x", SecretFile: secret},
	}
	c.Certificate.CertFile, c.Certificate.KeyFile = filepath.Join(folder, "none"), filepath.Join(folder, "none")
	_, err := New(t.Context(), c, "default", map[string]*control.Controller{
		"north": control.New(nil, nil, "default", "north"), "south": control.New(nil, nil, "default", "south"),
	}, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, fault.ConfigInvalid)
	require.ErrorContains(t, err, "certificate")
	require.Zero(t, senders())
	_, err = New(t.Context(), c, "default", map[string]*control.Controller{"north": control.New(nil, nil, "default", "north")}, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, fault.Internal, "nothing controls the other one")
	require.Zero(t, senders())
}
