package campaign

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

// Variables of the environment.
const (
	// lengthVariable says for how long to go on, such as 5m. Without it there is no campaign.
	lengthVariable = "INFRABACKUP_CAMPAIGN"
	// seedVariable gives the seed of one round, which is then all of the campaign.
	seedVariable = "INFRABACKUP_CAMPAIGN_SEED"
)

// stepsOfRound is after how many steps everything begins again with the next seed: long
// enough for states that build on each other, short enough to be looked through.
const stepsOfRound = 40

// maxDivergences ends a campaign that finds the same again and again.
const maxDivergences = 20

func TestMain(m *testing.M) { lab.Main(m) }

// TestCampaign goes on until its time is over. One round has one seed; a divergence ends it,
// keeps all that is needed to understand it in a folder, and the next round begins.
func TestCampaign(t *testing.T) {
	text := os.Getenv(lengthVariable)
	if text == "" {
		t.Skipf("only with %s=5m or so, and in the soak", lengthVariable)
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err)
	env := lab.Use(t)
	total, began := counts{}, time.Now()
	seed, fixed := firstSeed(t)
	divergences := 0
	for round := uint64(0); round == 0 || !fixed && time.Since(began) < length && divergences < maxDivergences; round++ {
		whole := t.Run(fmt.Sprintf("seed %d", seed+round), func(t *testing.T) {
			c := &campaign{t: t, seed: seed + round, counts: total, until: began.Add(length)}
			c.round(env)
		})
		if !whole {
			divergences++
		}
	}
	total["divergences of the campaign"] = int64(divergences)
	total["seconds of the campaign"] = int64(time.Since(began).Seconds())
	total.report(t)
}

// firstSeed is the seed of the first round, and whether it was given.
func firstSeed(t *testing.T) (seed uint64, fixed bool) {
	if text := os.Getenv(seedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		return seed, true
	}
	return uint64(time.Now().UnixNano()), false
}

// counts are how often something was done, by what it was.
type counts map[string]int64

// report adds them to the summary of the soak.
func (n counts) report(t *testing.T) {
	names := make([]string, 0, len(n))
	for name := range n {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		tier.Tried(t, name, n[name])
	}
}

// campaign is one round.
type campaign struct {
	t      *testing.T
	seed   uint64
	until  time.Time
	counts counts
	random *rand.Rand // of the step: it does not depend on how much the steps before have drawn
	site   *site
	model  *model
	lines  []string     // what was done so far
	faults []*injection // of the step
	over   bool         // these are over, and what was struck runs again
	ended  bool         // the round has come to its end, or has told why not
}

// round makes a site and goes on in it, step by step.
func (c *campaign) round(env lab.Environment) {
	c.t.Logf("seed %d: %s=%d begins with it again", c.seed, seedVariable, c.seed)
	c.counts["rounds of the campaign"]++
	c.random = rand.New(rand.NewPCG(c.seed, 0))
	c.site = newSite(c.t, env)
	c.t.Cleanup(func() { // before the servers go
		if c.t.Failed() && !c.ended {
			c.keep("the harness failed")
		}
		for _, i := range c.faults {
			<-i.over
		}
	})
	c.model = newModel()
	c.begin()
	c.check()
	for step := 1; step <= stepsOfRound && time.Now().Before(c.until); step++ {
		c.random = rand.New(rand.NewPCG(c.seed, uint64(step)))
		c.step(step)
	}
	c.ended = true
}

// step does one thing, with a fault in its middle or without, and looks at everything then.
func (c *campaign) step(n int) {
	a := c.drawAction()
	c.say("step %d: %s", n, a.name)
	c.counts["actions: "+a.name]++
	c.counts["actions of the campaign"]++
	c.drawFaults(a)
	a.do(c)
	c.settle()
	c.faults = nil
	c.check()
}

// say adds a line to what was done so far.
func (c *campaign) say(format string, args ...any) {
	line := time.Now().UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	c.lines = append(c.lines, line)
	c.t.Log(line)
}

// diverge ends the round: what is differs from what has to be.
func (c *campaign) diverge(format string, args ...any) {
	c.t.Helper()
	text := fmt.Sprintf(format, args...)
	c.say("DIVERGENCE: %s", text)
	c.keep(text)
	c.ended = true
	require.FailNow(c.t, "divergence", "seed %d: %s", c.seed, text)
}

// must ends the round where something is not so.
func (c *campaign) must(ok bool, invariant, format string, args ...any) {
	c.t.Helper()
	c.counts["checks: "+invariant]++
	c.counts["checks of the campaign"]++
	if !ok {
		c.diverge("%s: %s", invariant, fmt.Sprintf(format, args...))
	}
}

// keep saves what is needed to understand a divergence, and to make a test of it.
func (c *campaign) keep(text string) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("infrabackup-campaign-%d-", c.seed))
	require.NoError(c.t, err)
	c.t.Logf("seed, steps, histories, logs and small files of the share are in %s", dir)
	journal := fmt.Sprintf("seed %d\n%s\n\n%s\n", c.seed, text, strings.Join(c.lines, "\n"))
	require.NoError(c.t, os.WriteFile(filepath.Join(dir, "steps"), []byte(journal), 0o600))
	if err := c.site.keep(dir); err != nil {
		c.t.Logf("not all was kept: %v", err)
	}
}
