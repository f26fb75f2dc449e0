package azure_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestOneAddressIsDown: when nothing else is asked, the host is asked for something that
// it gave, which tells a host that is down from an address.
func TestOneAddressIsDown(t *testing.T) {
	h, config := newHost(t)
	manager := openHost(t, config).Tenant()
	var asked atomic.Int64
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/down") {
			return false
		}
		asked.Add(1)
		w.Header().Set("Retry-After-Ms", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	_, err := manager.Get(t.Context(), "/up", "1", nil)
	require.NoError(t, err)
	_, err = manager.Get(t.Context(), "/down", "1", nil)
	require.ErrorIs(t, err, fault.SourceFailed)
	require.Less(t, asked.Load(), int64(10))
}
