package smb_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/tier"
)

// Whatever number of credits a server grants at most, everything works on the connections
// that it began with, also when much is asked for at once and after answers that tell
// errors. Samba ends a connection on which more are spent than it has granted.
func TestFewCredits(t *testing.T) {
	for _, transport := range []smb.Transport{smb.Encrypted, smb.Signed} {
		for _, credits := range tier.Size([]int{16}, []int{map[smb.Transport]int{smb.Encrypted: 64, smb.Signed: 1024}[transport], 16}, []int{8192, 1024, 512, 128, 100, 64, 33, 32, 31, 17, 16}) {
			t.Run(fmt.Sprintf("%d %s", credits, transport), func(t *testing.T) {
				encrypt := "smb encrypt = required"
				if transport == smb.Signed {
					encrypt = "smb encrypt = off"
				}
				server := startSamba(t, "", encrypt, "server signing = mandatory", fmt.Sprintf("smb2 max credits = %d", credits))
				config := server.config()
				m := &middle{}
				config.Transport, config.Dial = transport, m.dial
				store, ctx := openStore(t, config), t.Context()
				for i := range 150 { // each opens and closes, which the library counts wrongly
					if i%3 == 0 {
						_, err := store.Stat(ctx, "none")
						require.ErrorIs(t, err, fault.SharePathNotFound)
						continue
					}
					_, err := store.Stat(ctx, "")
					require.NoError(t, err)
				}
				_, err := store.List(ctx, "")
				require.NoError(t, err)
				require.Equal(t, 1, m.conns)
				const size = 9 << 20
				require.NoError(t, store.Upload(ctx, "part", pattern{}, 0, size, nil))
				pattern{}.check(t, filepath.Join(server.Folder, "part"), size)
				var got counted
				_, err = store.Download(ctx, "part", 0, &got)
				require.NoError(t, err)
				require.Zero(t, got.wrong)
				require.Equal(t, 5, m.conns, "two up, two down")
				file, err := store.Open(ctx, "part")
				require.NoError(t, err)
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						b := make([]byte, 1<<20)
						if _, err := file.ReadAt(b, int64(i)<<20); err != nil {
							t.Error(err)
						}
						small := fmt.Sprintf("small-%d", i)
						if err := store.Upload(ctx, small, bytes.NewReader(b), 0, int64(len(b)), nil); err != nil {
							t.Error(err)
						}
						if _, err := store.List(ctx, ""); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				require.NoError(t, file.Close())
				require.LessOrEqual(t, m.conns, 6+7, "eight at once for names and small files")
			})
		}
	}
}

// A server that grants fewer than the library needs is refused when the share is opened,
// with a remedy that helps.
func TestTooFewCredits(t *testing.T) {
	for _, credits := range []int{1, 2, 15} {
		server := startSamba(t, "", fmt.Sprintf("smb2 max credits = %d", credits))
		err := refused(t, server.config(), fault.ShareCredits)
		require.ErrorContains(t, err, fmt.Sprintf("the server grants %d credits at most, a request needs 16", credits))
		require.NotContains(t, fault.As(err).Line(), "445")
		require.Equal(t, 1, server.Logins())
		server.Kill()
	}
}

// Servers without large requests need one credit for each.
func TestSmallRequests(t *testing.T) {
	server := startSamba(t, "", "smb2 max read = 65536", "smb2 max write = 65536", "smb2 max trans = 65536", "smb2 max credits = 4")
	store := server.open()
	require.NoError(t, store.Upload(t.Context(), "part", pattern{}, 0, 3<<20, nil))
	pattern{}.check(t, filepath.Join(server.Folder, "part"), 3<<20)
	require.NoError(t, os.Remove(filepath.Join(server.Folder, "part")))
	list, err := store.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, list)
}
