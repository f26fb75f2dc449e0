package services

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/tier"
)

// TestAllowance: a stamp that answers so many requests in a window is captured whole, by
// one attempt, in a time that fits what it allows. The windows are those of a stamp, 50
// requests in 70 s, a hundred times faster; the soak tier has them as long.
func TestAllowance(t *testing.T) {
	window := tier.Size(700*time.Millisecond, 700*time.Millisecond, 70*time.Second)
	for _, service := range []backup.Service{backup.NRP, backup.KeyVault} {
		t.Run(string(service), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{resources: 400, pageSize: 2})
			before := w.stamp.Requests()
			_, err := w.capture(t, service)
			require.NoError(t, err)
			requests := int(w.stamp.Requests() - before)

			refused, remove := w.stamp.Allow(stamp.Allowance{Requests: 50, Window: window, Exact: window < time.Second})
			defer remove()
			w.open(t, "")
			began := time.Now()
			r, err := w.capture(t, service)
			took := time.Since(began)
			require.NoError(t, err)
			w.requireComplete(t, service, r.Calls())
			windows := requests/50 + 1
			t.Logf("%d requests in %s, which is %.1f windows of %s; %d were refused", requests, took, float64(took)/float64(window), window, refused())
			require.LessOrEqual(t, took, time.Duration(windows)*window*3/2+2*window+10*time.Second)
			require.LessOrEqual(t, refused(), 16*windows, "it does not ask again and again")
		})
	}
}
