package portal_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/portal/portaltest"
)

// TestDrillsAreShown: in a list, one by one, on the page of backups, and on that of a backup that one
// has proven. What cannot be checked is said, and what is refused is not shown.
func TestDrillsAreShown(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	text := func(path string) string {
		t.Helper()
		w := s.get("/i/north/" + path)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		return w.Body.String()
	}
	list := text("drills")
	require.Contains(t, list, "Drills 1 to 20 of 30.")
	require.Contains(t, list, "CERTIFICATE_FORGED")
	require.Contains(t, list, "Not checked")
	require.Contains(t, text("drills?from=20"), "Drills 21 to 30 of 30.")
	require.Equal(t, []string{"drills  0", "drills  20"}, s.plans.Calls())

	passed := text("drills/" + string(portaltest.DrillID(0)))
	for _, part := range []string{"Signed by a trusted key", "SHA256:7plvd2okw5lDC2xbdBHbPgj7MyCAITuL1i", "drill-site", "took 21 min 0 s", "15 min 12 s", "contents of disks"} {
		require.Contains(t, passed, part)
	}
	require.Contains(t, text("drills/"+string(portaltest.DrillID(1))), "CN=person &lt;i&gt;")
	refused := text("drills/" + string(portaltest.DrillID(2)))
	require.Contains(t, refused, "What it says is not shown")
	require.NotContains(t, refused, "drill-site")
	require.Contains(t, text("drills/"+string(portaltest.DrillID(3))), "It cannot be checked who signed this.")

	require.Contains(t, text("backups"), "drills/"+string(portaltest.DrillID(0)))
	require.Contains(t, text("backups/"+string(portaltest.ID(0))), "by a drill into drill-site")
	require.NotContains(t, text("backups/"+string(portaltest.ID(1))), "by a drill", "which has not passed")

	old := portaltest.Snapshot("healthy")
	old.DrillsFault, old.DrillsAt = fault.Newf(fault.ShareUnreachable, "the share %s is away", portaltest.Hostile), portaltest.Now.Add(-3*time.Hour)
	s.board.Set(old)
	stale := text("backups")
	for _, part := range []string{"The drills could not be read.", "SHARE_UNREACHABLE", "What is shown was read 3 h", "drills/" + string(portaltest.DrillID(0))} {
		require.Contains(t, stale, part)
	}
	require.NotContains(t, stale, portaltest.Hostile)

	require.Equal(t, http.StatusNotFound, s.get("/i/north/drills/x").Code)
	require.Equal(t, http.StatusNotFound, s.get("/i/north/drills/d1110000-0000-4000-8000-ffffffffffff").Code)
	s.plans.Fail = fault.Newf(fault.NoWorker, "none answers")
	require.Equal(t, http.StatusServiceUnavailable, s.get("/i/north/drills").Code)
}

// TestReadersSeeNoNamesOfADrill: which items differ is for those who may plan.
func TestReadersSeeNoNamesOfADrill(t *testing.T) {
	s := newSite(t, "healthy", "reader")
	body := s.get("/i/north/drills/" + string(portaltest.DrillID(1))).Body.String()
	require.NotContains(t, body, "CN=person")
	require.Contains(t, body, "is shown to those who may plan restores")
}
