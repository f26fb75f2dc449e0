package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
)

// openAlert is an alert as the command line and the API tell it.
type openAlert struct {
	ID, Code, Object, Severity, Note string
	AcknowledgedBy                   string
	AcknowledgedAt                   time.Time
}

// alerts pauses the schedule, which raises an alert, and lets the command line acknowledge it: the
// API tells so.
func (p *provider) alerts() {
	t := p.o.t
	find := func(all []openAlert) (openAlert, bool) {
		i := slices.IndexFunc(all, func(a openAlert) bool { return a.Code == "SCHEDULE_OFF" })
		if i < 0 {
			return openAlert{}, false
		}
		return all[i], true
	}
	listed := func(args ...string) (openAlert, bool) {
		return find(into[[]openAlert](t, p.o.run(append([]string{"alert", "list", "-o", "json"}, args...)...)))
	}
	_, open := listed("--all")
	require.False(t, open, "the schedule is on")
	p.o.run("schedule", "pause")
	off, open := listed()
	require.True(t, open)
	require.Equal(t, "SCHEDULE_OFF", off.ID)
	require.Empty(t, off.AcknowledgedBy)
	known := into[openAlert](t, p.o.run("alert", "acknowledge", off.ID, "--note", "while the file server moves", "-o", "json"))
	_, open = listed()
	require.False(t, open, "it was acknowledged")
	off, open = listed("--all")
	require.True(t, open)
	require.Equal(t, known, off)

	p.stop() // what is started reads at once
	p.start()
	require.Eventually(t, func() bool {
		a := p.at(http.MethodGet, p.base+"/api/v1/locations/local/alerts", nil)
		if a.status == http.StatusServiceUnavailable { // nothing was read yet
			return false
		}
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		var body struct{ Value []openAlert }
		require.NoError(t, json.Unmarshal(a.body, &body))
		seen, open := find(body.Value)
		seen.ID = known.ID
		return open && seen == known
	}, time.Minute, 200*time.Millisecond)
	p.o.run("schedule", "resume")
	_, open = listed("--all")
	require.False(t, open, "its cause is gone")
}
