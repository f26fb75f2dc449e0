package vault_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/restore/vault"
	"infrabackup/tests/lab/stamp"
)

// writes matches requests that change what a vault holds.
func writes(r *http.Request) bool {
	return r.Method != http.MethodGet && strings.Contains(r.Host, ".vault.")
}

// TestEndedBetweenTwoRequests ends a restore at each of its requests, before the vault does
// what it asks for and behind, and goes on with a new process: what comes of it is as if it had not
// been ended, nothing is made twice, and it can be taken back. A restore that does not go on is settled and
// taken back as well.
func TestEndedBetweenTwoRequests(t *testing.T) {
	c := theSource(t).backup.without("/keys/signing/")
	worlds := map[string]func(t *testing.T) *site{
		"of values": func(t *testing.T) *site { return open(t, elsewhere, `,"enableSoftDelete":true`) },
		"drifted": func(t *testing.T) *site {
			s := open(t, home, `,"enableSoftDelete":true`, theSource(t).objects...)
			s.drift()
			return s
		},
	}
	for name, world := range worlds {
		whole := world(t)
		before := len(whole.Writes())
		p, _ := restored(t, c, whole, true, restore.Selection{})
		sent := 0
		for _, w := range whole.Writes()[before:] {
			if w.Endpoint == "vault" {
				sent++
			}
		}
		want := whole.state()
		require.Greater(t, sent, 5)
		for at := range sent {
			for what, kind := range map[string]stamp.FaultKind{"before": stamp.InternalError, "behind": stamp.LostAnswer} {
				t.Run(fmt.Sprintf("%s/request %d, %s", name, at, what), func(t *testing.T) {
					s := world(t)
					first := s.state()
					p, j := plan(t, c, s.restorer(true), restore.Selection{}), &restoretest.Journal{}
					begin := len(s.Writes())
					stop := s.Inject(stamp.Fault{Match: writes, Kind: kind, After: at, Times: 1})
					_, err := restore.Apply(t.Context(), s.run(c, p, j, nil))
					stop()
					require.Contains(t, []fault.Code{fault.TargetFailed, fault.TargetUnreachable}, fault.CodeOf(err), "%v", err)

					settled := world(t) // the same once more, which does not go on
					sp, sj := plan(t, c, settled.restorer(true), restore.Selection{}), &restoretest.Journal{}
					stop = settled.Inject(stamp.Fault{Match: writes, Kind: kind, After: at, Times: 1})
					_, err = restore.Apply(t.Context(), settled.run(c, sp, sj, nil))
					stop()
					require.Error(t, err)
					_, err = restore.Settle(t.Context(), settled.run(c, sp, sj, nil))
					require.NoError(t, err)
					settled.takenBack(t, c, sp, sj, first)

					totals, bad := apply(t, c, s.restorer(true), p, j, nil)
					require.Empty(t, bad)
					require.True(t, totals.Whole())
					require.Equal(t, want, s.state(), "as if it had not been ended")
					for request, times := range s.madeSince(begin) {
						require.LessOrEqual(t, times, 1, request)
					}
					s.takenBack(t, c, p, j, first)
				})
			}
		}
		require.NotEmpty(t, p.Steps)
	}
}

// oneLane does one step after the other: of several, one could be on its way still when another
// one has ended the restore.
type oneLane struct{ *vault.Restorer }

// Lanes implements [restore.Restorer].
func (oneLane) Lanes() int { return 1 }

// run is a run of a plan in a new process.
func (s *site) run(c *captured, p *restore.Plan, j, undone restore.Journal) *restore.Run {
	return &restore.Run{Plan: p, Restorers: []restore.Restorer{oneLane{s.restorer(true)}}, Source: c.source(), Journal: j, Undone: undone, Map: mapping.Empty(), Target: fingerprint,
		Consent: restore.Consent{Production: fingerprint.ID(), Irreversible: []string{restore.AllIrreversible}}, Now: time.Now}
}

// madeSince counts what was made since some number of requests.
func (s *site) madeSince(begin int) map[string]int {
	all := map[string]int{}
	for _, e := range s.Writes()[begin:] {
		if e.Endpoint == "vault" && e.Status < 300 {
			all[e.Method+" "+e.Path+" "+e.Body]++
		}
	}
	return all
}

// takenBack undoes a restore, and makes sure that nothing is left of it but versions.
func (s *site) takenBack(t *testing.T, c *captured, p *restore.Plan, j *restoretest.Journal, before string) {
	t.Helper()
	u, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	if fault.CodeOf(err) == fault.ItemNotFound {
		require.Equal(t, before, s.state())
		return
	}
	require.NoError(t, err)
	totals, bad := apply(t, c, s.restorer(true), u, &restoretest.Journal{}, j)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	if strings.Contains(before, "rotated") {
		s.undone(t, before, "")
		return
	}
	require.Equal(t, before, s.state())
}
