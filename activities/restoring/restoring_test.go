package restoring

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/secret"
)

func request() flow.RestoreInput {
	return flow.RestoreInput{
		RestoreAccess: flow.RestoreAccess{Instance: "local", Target: "site-b", Key: secret.NewTransfer(secret.New("the key")), RequestedBy: "alice"},
		PlanID:        strings.Repeat("ab", 32), BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11",
		Consent: restore.Consent{Production: "p", Irreversible: []string{"one"}},
	}
}

// opened are activities that have the restore of a request open, as a run leaves it that was
// ended without closing it.
func opened(t *testing.T, in flow.RestoreInput) (*Activities, *restore.Run) {
	t.Helper()
	a := New(Dependencies{Targets: map[string]string{}, Step: func(context.Context) {}})
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	s := a.session(in)
	run := &restore.Run{}
	s.place, s.restoration = &place{target: &restoring.Target{}}, &restoring.Restoration{Run: run}
	return a, run
}

// TestWhatIsOpenIsForWhoOpenedIt: another run finds open what an earlier one left only when it
// brings the same key, for the same target and backup, with the same consent.
func TestWhatIsOpenIsForWhoOpenedIt(t *testing.T) {
	t.Run("the same", func(t *testing.T) {
		a, run := opened(t, request())
		var got *restore.Run
		require.NoError(t, a.with(t.Context(), request(), func(_ context.Context, r *restore.Run) error {
			got = r
			return nil
		}))
		require.Same(t, run, got)
	})
	for name, change := range map[string]func(*flow.RestoreInput){
		"another key":        func(in *flow.RestoreInput) { in.Key = secret.NewTransfer(secret.New("another key")) },
		"no key":             func(in *flow.RestoreInput) { in.Key = secret.Transfer{} },
		"another target":     func(in *flow.RestoreInput) { in.Target = "site-c" },
		"another backup":     func(in *flow.RestoreInput) { in.BackupID = "" },
		"another operator":   func(in *flow.RestoreInput) { in.RequestedBy = "bob" },
		"no consent":         func(in *flow.RestoreInput) { in.Consent = restore.Consent{} },
		"consent to less":    func(in *flow.RestoreInput) { in.Consent.Irreversible = nil },
		"other consent":      func(in *flow.RestoreInput) { in.Consent.Irreversible = []string{"two"} },
		"no production's ID": func(in *flow.RestoreInput) { in.Consent.Production = "" },
		"another instance":   func(in *flow.RestoreInput) { in.Instance = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := opened(t, request())
			in := request()
			change(&in)
			err := a.with(t.Context(), in, func(context.Context, *restore.Run) error {
				t.Fatal("it was opened by another run")
				return nil
			})
			require.ErrorIs(t, err, fault.TargetNotConfigured, "it is opened again, which this worker cannot")
			require.Nil(t, a.session(request()).restoration, "what was open is forgotten")
		})
	}
}

// TestWhatIsOpenIsForgotten: after an error, by request, and when no step comes.
func TestWhatIsOpenIsForgotten(t *testing.T) {
	fine := func(context.Context, *restore.Run) error { return nil }
	for name, end := range map[string]func(a *Activities) error{
		"a failed step": func(a *Activities) error {
			err := a.with(t.Context(), request(), func(context.Context, *restore.Run) error { return fault.Newf(fault.TargetUnreachable, "away") })
			require.ErrorIs(t, err, fault.TargetUnreachable)
			return nil
		},
		"closed": func(a *Activities) error {
			_, err := a.CloseRestore(t.Context(), request())
			return err
		},
		"no further step": func(a *Activities) error {
			if err := a.with(t.Context(), request(), fine); err != nil {
				return err
			}
			a.expire(a.session(request()))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := opened(t, request())
			require.NoError(t, end(a))
			require.Empty(t, a.open)
		})
	}
	t.Run("in use", func(t *testing.T) {
		a, _ := opened(t, request())
		require.NoError(t, a.with(t.Context(), request(), func(context.Context, *restore.Run) error {
			a.expire(a.session(request())) // comes too late, and takes nothing from the step
			require.NotNil(t, a.session(request()).restoration)
			return nil
		}))
	})
	t.Run("the caller goes away", func(t *testing.T) {
		a, _ := opened(t, request())
		require.NoError(t, a.with(t.Context(), request(), func(context.Context, *restore.Run) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, a.with(ctx, request(), fine), context.Canceled, "it waits for its turn no longer")
			return nil
		}))
	})
}
