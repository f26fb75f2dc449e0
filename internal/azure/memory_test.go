package azure_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/tier"
)

// readHostile is two captures that read ahead as those of collectors do: a queue of
// twelve each, whose head is used.
func readHostile(t *testing.T) {
	url := os.Getenv(hostileChild)
	s := openHost(t, azure.Config{
		TenantURL: url, AdminURL: url, Authority: url, ClientID: "client", ClientSecret: secret.New("x"),
		CACertificates: []byte(os.Getenv("AZURE_TEST_CA")), RetryDelay: time.Millisecond, TryTimeout: time.Minute,
	})
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			type place struct {
				turn *azure.Turn
				done chan error
			}
			var queue []place
			take := func() {
				head := queue[0]
				queue = queue[1:]
				head.turn.Come()
				if err := <-head.done; err != nil {
					require.ErrorIs(t, err, fault.Code(fault.CodeOf(err)))
					_, ok := fault.Of(err)
					require.True(t, ok, "%v", err)
				}
			}
			for i := range tier.Size(10, 15, 40) {
				path := []string{"/document", "/items", "/toolarge", "/empties", "/error"}[i%5]
				ahead, turn := azure.Ahead(t.Context())
				p := place{turn, make(chan error, 1)}
				queue = append(queue, p)
				go func() {
					if path == "/document" || path == "/error" {
						_, err := s.Tenant().Get(ahead, path, "1", map[string][]string{"n": {fmt.Sprint(i)}})
						p.done <- err
						return
					}
					pages := s.Tenant().List(path, "1", map[string][]string{"n": {fmt.Sprint(i)}})
					defer pages.Close()
					for {
						if _, err := pages.Next(ahead); err != nil {
							p.done <- nil
							return
						}
					}
				}()
				if len(queue) == 12 {
					take()
				}
			}
			for len(queue) > 0 {
				take()
			}
		})
	}
	both.Wait()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println("peak", strings.Fields(peak)[0])
}
