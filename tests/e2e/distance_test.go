package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab/distance"
	"infrabackup/tests/tier"
)

// roundTrip is that to another datacenter a thousand kilometres away.
const roundTrip = 24 * time.Millisecond

// farAway puts the lab's file server behind a link, and returns the share's path there.
func (o *operator) farAway(address string) (*distance.Link, string) {
	o.t.Helper()
	parts := strings.Split(o.env["LAB_SHARE"], `\`)
	link, err := distance.Open(distance.Options{Listen: address + ":445", Target: parts[2] + ":445", RoundTrip: roundTrip})
	require.NoError(o.t, err)
	o.t.Cleanup(func() { require.NoError(o.t, link.Close()) })
	parts[2] = address
	return link, strings.Join(parts, `\`)
}

// allowance is what a command may ask of the share.
type allowance struct{ requests, turns int64 }

// TestRequestsToTheShare counts what each command asks of a share in another datacenter:
// requests, and turns, which is how many of those have to be waited for one after the
// other. How many backups there are makes no difference to a backup.
func TestRequestsToTheShare(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	link, share := o.farAway("127.0.0.60")
	counted := func(what string, most allowance, do func()) distance.Count {
		before, began := link.Count(), time.Now()
		do()
		count := link.Count().Since(before)
		t.Logf("%4d requests in %3d turns, %d connections, %7d bytes sent, %7d received, %5.2f s: %s",
			count.Requests, count.Turns, count.Connections, count.Sent, count.Received, time.Since(began).Seconds(), what)
		require.LessOrEqual(t, count.Requests, most.requests, what)
		require.LessOrEqual(t, count.Turns, most.turns, what)
		return count
	}
	command := func(most allowance, args ...string) distance.Count {
		return counted(strings.Join(args, " "), most, func() {
			a := o.run(args...)
			require.Zero(t, a.code, "%v: %s%s", args, a.stdout, a.stderr)
		})
	}
	counted("enable", enabling, func() { into[map[string]any](t, o.enable(map[string]string{"--share": share})) })
	var all []distance.Count
	for range tier.Size(2, 2, 6) {
		all = append(all, command(backingUp, "backup", "start", "--wait"))
	}
	require.Len(t, into[[]backup.Overview](t, o.run("backup", "list", "-o", "json")), len(all))
	require.LessOrEqual(t, all[len(all)-1].Requests, all[1].Requests+growth, "the number of backups counts")
	command(verifying, "backup", "verify", "latest")
	command(examining, "doctor")
}

// What the commands may ask for. How much of it goes on at the same time depends on how busy the
// machine is, so turns have more room than requests.
var (
	enabling  = allowance{requests: 127, turns: 120}
	backingUp = allowance{requests: 265, turns: 220}
	verifying = allowance{requests: 130, turns: 75}
	examining = allowance{requests: 482, turns: 150}
)

// growth is how many more requests a backup may need after some others.
const growth = 12
