package rp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp/compared"
	"infrabackup/internal/rp/restoreplans"
)

type oneBoard struct{ s *board.Snapshot }

func (b oneBoard) Snapshot() *board.Snapshot   { return b.s }
func (b oneBoard) Apply(func(*board.Snapshot)) {}
func (b oneBoard) Looked()                     {}

type anyone struct{}

func (anyone) May(string) error { return nil }
func (anyone) Subject() string  { return "anyone" }

func (anyone) Covers(string) (known, covered bool) { return true, true }
func (anyone) NoteObject(string)                   {}

func serving(t testing.TB, backups int) *Handler {
	t.Helper()
	s := &board.Snapshot{AsOf: time.Now(), Enabled: true}
	for i := range backups {
		b := board.Backup{Overview: backup.Overview{BackupID: backup.ID(fmt.Sprintf("64e8625a-8dc0-49df-a195-%012d", i)), Status: backup.Succeeded, StartedAt: time.Now(), FinishedAt: time.Now()}}
		for _, service := range backup.Services() {
			b.Services = append(b.Services, backup.ServiceResult{Service: service, Status: backup.Succeeded})
		}
		s.Backups = append(s.Backups, b)
	}
	h, err := New(Options{
		BaseURL: "https://backup.example", SubscriptionID: "11111111-2222-3333-4444-555555555555", Caller: func(*http.Request) (Caller, error) { return anyone{}, nil }, Tokens: struct{ Tokens }{},
		Instances: map[string]Instance{"local": {Board: oneBoard{s}, Control: &locked{}, Plans: unplanned{}, Diffs: uncompared{}}},
	})
	require.NoError(t, err)
	return h
}

// unplanned has no plans.
type unplanned struct{ restoreplans.Plans }

func (unplanned) Made(operation.Operation) {}

// uncompared has no comparisons.
type uncompared struct{ compared.Diffs }

// locked is asked from several goroutines.
type locked struct{ Control }

func (*locked) Operation(context.Context, string) (operation.Operation, error) {
	return operation.Operation{}, fault.Newf(fault.BackupNotFound, "gone")
}

const listed = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/System.local/providers/Microsoft.Backup.Admin/backupLocations/local"

// TestRequestsShareNothing is for the race detector.
func TestRequestsShareNothing(t *testing.T) {
	h := serving(t, 3)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				for _, path := range []string{"", "/backups", fmt.Sprintf("/operationResults/c0ffee00-0000-0000-0000-%012d", i*50+j)} {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, listed+path+"?api-version=2018-09-01", nil))
					if w.Code >= 500 {
						t.Errorf("%s: %d", path, w.Code)
					}
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkList is what one read of 14 backups costs.
func BenchmarkList(b *testing.B) {
	h := serving(b, 14)
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, listed+"/backups?api-version=2018-09-01", nil))
		require.Equal(b, 200, w.Code)
	}
}
