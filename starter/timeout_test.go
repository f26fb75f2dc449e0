package main

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

// A Temporal that does not answer within --timeout cannot be reached: nobody gave up.
func TestTimeoutOnADeadAddress(t *testing.T) {
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	keys := filepath.Join(t.TempDir(), "codec.keys")
	require.NoError(t, os.WriteFile(keys, []byte(line), 0o600))
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	for name, address := range map[string]string{"silent": silent.Addr().String(), "closed": "127.0.0.1:1"} {
		for _, args := range [][]string{{"backup", "list"}, {"backup", "start", "--wait"}, {"doctor"}, {"settings", "show", "-o", "json"}} {
			began := time.Now()
			out := call(t, "", map[string]string{"INFRABACKUP_CODEC_KEY_FILE": keys, "TEMPORAL_ADDRESS": address}, append(args, "--timeout", "400ms")...)
			require.Equal(t, fault.ExitTemporal, out.code, "%s %v: %s%s", name, args, out.stdout, out.stderr)
			require.Contains(t, out.stdout+out.stderr, string(fault.TemporalUnreachable))
			require.Less(t, time.Since(began), 20*time.Second)
		}
	}
}
