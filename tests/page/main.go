package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/portal"
	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/restore"
	"infrabackup/internal/web"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8088", "loopback address")
	flag.Parse()
	site, err := newSite(context.Background())
	if err == nil {
		fmt.Printf("http://%s/\n", *listen)
		server := &http.Server{Addr: *listen, Handler: site.handler, ReadHeaderTimeout: 5 * time.Second}
		err = server.ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// forReadme is the instance in the pictures of the README.
const forReadme = "north"

// site is the page with an instance for each state.
type site struct {
	handler http.Handler
	boards  map[string]*portaltest.Board
	doing   map[string]*portaltest.Control
	plans   *portaltest.Plans
	role    atomic.Value // string; empty for no session
	ends    atomic.Int64 // of the session, seconds after portaltest.Now
}

func newSite(ctx context.Context) (*site, error) {
	s := &site{boards: map[string]*portaltest.Board{}, doing: map[string]*portaltest.Control{}, plans: &portaltest.Plans{At: &flow.RestoreAt{PlanID: portaltest.PlanID, BackupID: portaltest.ID(0), Target: "site-b", Step: "writing", RestoreState: flow.RestoreState{Batches: 12, Ended: 5, Totals: restore.Totals{Confirmed: 2400}}}}}
	s.role.Store("owner")
	s.ends.Store(int64((time.Hour).Seconds()))
	options := portal.Options{
		TokenLogin: true, IssuerLogin: "/login/issuer", TemporalUI: "https://temporal.example.com/namespaces/default",
		Now: func() time.Time { return portaltest.Now }, Questions: 1000,
		Session: func(*http.Request) (portal.Session, bool) {
			role, _ := s.role.Load().(string)
			// The browser compares the end with a clock of its own.
			return &portaltest.Session{Person: "noor", Is: role, Expires: time.Now().Add(time.Duration(s.ends.Load()) * time.Second)}, role != ""
		},
		Login: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.role.Store("owner")
			http.Redirect(w, r, r.PostFormValue("return"), http.StatusSeeOther)
		}),
		Logout: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.role.Store("")
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}),
	}
	for _, state := range append(portaltest.States, forReadme) {
		board, doing := &portaltest.Board{}, &portaltest.Control{Operations: operations()}
		snapshot := portaltest.Snapshot(state) // of a name that is no state, a healthy one
		snapshot.Instance.Name = state
		board.Set(snapshot)
		s.boards[state], s.doing[state] = board, doing
		options.Instances = append(options.Instances, portal.Instance{Name: state, Board: board, Control: doing, Plans: s.plans, Restoring: s.plans, Drills: s.plans, Diffs: s.plans.Diffs()})
		doing.Done = func(call string) {
			if len(call) > 6 && call[:6] == "backup" {
				go s.run(ctx, state)
			}
		}
	}
	page, err := portal.New(options)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.PageHeaders(w.Header()) // as the listener does
		page.ServeHTTP(w, r)
	})
	return s, err
}

// run plays a backup that takes a few seconds.
func (s *site) run(ctx context.Context, state string) {
	board := s.boards[state]
	before := board.Snapshot()
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for step := range int64(10) {
		next := *portaltest.Snapshot("running")
		next.Number, next.AsOf = before.Number+step+1, portaltest.Now.Add(time.Duration(step)*time.Second)
		progress := *next.Running
		progress.Services = append([]flow.ServiceProgress{}, progress.Services...)
		for i := range progress.Services {
			if service := &progress.Services[i]; service.TotalBytes > 0 {
				service.Bytes = min(service.TotalBytes, service.Bytes+step*(300<<20))
			}
		}
		next.Running = &progress
		board.Set(&next)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	after := *portaltest.Snapshot("healthy")
	after.Number, after.AsOf = before.Number+20, portaltest.Now
	board.Set(&after)
}

func operations() map[string]operation.Operation {
	begun := portaltest.Now.Add(-70 * time.Second)
	decisions := []flow.PruneDecision{}
	for n := range 4 {
		decisions = append(decisions, flow.PruneDecision{BackupID: portaltest.ID(n), Path: fmt.Sprintf("north/backups/%d", n), FinishedAt: begun.AddDate(0, 0, -3*n), Remove: n == 3,
			Reason: []string{"newest complete backup", "verified, and one of the 2 that are always kept", "younger than 7 days", "older than 7 days"}[n]})
	}
	return map[string]operation.Operation{
		"op-change":    {ID: "op-change", Kind: operation.Change, StartedAt: begun, EndedAt: portaltest.Now, Fault: fault.Newf(fault.ShareAccessDenied, `CORP\azs-backup may not write to \\fs2.corp.example.com\AzSBackups`)},
		"op-busy":      {ID: "op-busy", Kind: operation.Change, StartedAt: begun, Running: true},
		"op-done":      {ID: "op-done", Kind: operation.Change, StartedAt: begun, EndedAt: portaltest.Now},
		"op-restoring": {ID: "op-restoring", Kind: operation.Restore, StartedAt: begun, Running: true},
		"op-plan":      {ID: "op-plan", Kind: operation.Plan, StartedAt: begun, EndedAt: portaltest.Now, Plan: &flow.RestorePlan{PlanID: portaltest.PlanID, Counts: restore.Counts{Create: 60, Update: 30, Refused: 1}}},
		"op-diff":      {ID: portaltest.DiffID, Kind: operation.Diff, StartedAt: begun, EndedAt: portaltest.Now, Diff: &diffs.Summary{A: portaltest.ID(1), B: portaltest.ID(0), Added: 14, Removed: 14, Changed: 29, Moved: 14, Gained: 1, Lost: 1}},
		"op-restore":   {ID: "op-restore", Kind: operation.Restore, StartedAt: begun, EndedAt: portaltest.Now, Restore: &restore.Totals{Confirmed: 90}},
		"op-verify":    {ID: "op-verify", Kind: operation.Verify, StartedAt: begun, Verdict: &backup.Verdict{Files: 19, Bytes: 41 << 30}},
		"op-prune":     {ID: "op-prune", Kind: operation.Prune, StartedAt: begun, Prune: &operation.PruneResult{Decisions: decisions}},
	}
}
