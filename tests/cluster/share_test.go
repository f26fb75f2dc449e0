package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

// withoutShare keeps a host from the share and not from Temporal, and withShare ends that.
func (h *host) withoutShare() error { return h.rule("add") }
func (h *host) withShare() error    { return h.rule("del") }

func (h *host) rule(change string) error {
	return sh("nsenter", strings.Fields("-t "+h.pid+" -n ip rule "+change+" pref 1 ipproto tcp dport 445 unreachable")...)
}

// TestAHostWithoutTheShare: a worker that takes work from Temporal and cannot bring anything to the share
// keeps no backup from its end, neither from the beginning on nor when it holds what was captured. The
// second takes some ten minutes, for which the share may come back.
func TestAHostWithoutTheShare(t *testing.T) {
	use(t)
	t.Run("from the beginning", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, 1<<20)
		host := s.workers[0].host
		require.NoError(t, host.withoutShare())
		const backups = 5
		for range backups {
			a := s.run("backup", "start", "--wait")
			require.Zero(t, a.code, "%s%s", a.stdout, a.stderr)
			tier.Tried(t, "backups beside a worker without the share", 1)
		}
		require.NoError(t, host.withShare())
		s.backedUp(backups)
	})
	t.Run("with what was captured", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, large)
		require.Zero(t, s.run("backup", "start").code)
		id := flow.BackupWorkflowID(s.instance)
		host := s.middle(id, 0, begun, func(from, _ int64) int64 { return from }).host
		require.NoError(t, host.withoutShare())
		t.Logf("ended %.0f s after the host had lost the share; %s", s.ends(id).Seconds(), s.attempts(id))
		require.NoError(t, host.withShare())
		s.once(id)
		s.backedUp(1)
	})
}
