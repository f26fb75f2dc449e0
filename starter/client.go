package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/temporal"
	"infrabackup/starter/alerting"
	"infrabackup/starter/args"
	"infrabackup/starter/diagnosing"
	"infrabackup/starter/recovering"
	"infrabackup/starter/scheduling"
)

// controller is what the commands need of package control. [control.Controller]
// documents the methods.
type controller interface {
	Enable(ctx context.Context, in control.EnableRequest) (settings.Summary, error)
	Summary(ctx context.Context) (settings.Summary, error)
	Standing(ctx context.Context) error
	AdoptSettings(ctx context.Context, older bool, requestedBy string) (flow.AdoptSettingsOutput, error)
	Settings(ctx context.Context) (settings.Settings, error)
	History(ctx context.Context) (settings.History, error)
	Reseal(ctx context.Context, requestedBy string) error
	ChangeShare(ctx context.Context, in control.ShareChange) (flow.ChangeShareOutput, error)
	ChangeCredentials(ctx context.Context, username string, password secret.String, requestedBy string) (settings.Summary, error)
	ChangeKey(ctx context.Context, in control.KeyChange) (settings.Summary, error)
	ChangeSigningKey(ctx context.Context, requestedBy string) (settings.Summary, error)
	Rewrap(ctx context.Context, revision int64, keys []flow.WrappedKey, requestedBy string) ([]flow.ReplacedBackup, error)
	KeyFileChallenges(ctx context.Context, revision int64, ids []backup.ID) ([]flow.KeyFileChallenge, error)
	Swap(ctx context.Context, revision int64, id backup.ID, staged, requestedBy string) (flow.ReplacedBackup, error)
	Challenges(ctx context.Context, requestedBy string) ([]control.Challenge, error)
	Prove(ctx context.Context, answer secret.String, requestedBy string) (flow.KeyState, error)
	Start(ctx context.Context, requestedBy string, spoolWait time.Duration, options ...control.StartOption) (control.Started, error)
	Running(ctx context.Context) (string, error)
	Progress(ctx context.Context, runID string) (flow.Progress, error)
	Watch(ctx context.Context, runID string, see func(flow.Progress)) error
	Wait(ctx context.Context, runID string, id backup.ID) (backup.Overview, error)
	Cancel(ctx context.Context) error
	Verify(ctx context.Context, id string) (backup.Verdict, error)
	VerifyAll(ctx context.Context) (backup.Audit, error)
	Delete(ctx context.Context, id, requestedBy string) (backup.Overview, error)
	ChangeServices(ctx context.Context, services []backup.Service, requestedBy string) (settings.Summary, error)
	Sources(ctx context.Context) ([]backup.Service, error)
	Missing(ctx context.Context) ([]backup.Service, error)
	Upkeep(ctx context.Context) (flow.UpkeepState, error)
	scheduling.Controller
	alerting.Controller
	diagnosing.Controller
	recovering.Controller
}

var _ controller = (*control.Controller)(nil)

// controller connects, once.
func (a *app) controller(ctx context.Context) (controller, error) {
	if a.client != nil {
		return a.client, nil
	}
	if err := args.CheckInstance(a.instance); err != nil {
		return nil, err
	}
	connect := a.connect
	if connect == nil {
		connect = a.dial
	}
	client, closeClient, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	a.client, a.closeClient = client, closeClient
	return client, nil
}

// dial connects to Temporal, as the environment says.
func (a *app) dial(ctx context.Context) (controller, func(), error) {
	ring, err := a.keyring("")
	if err != nil {
		return nil, nil, err
	}
	options, err := temporal.FromEnvironment(a.lookup)
	if err != nil {
		return nil, nil, err
	}
	options.Codec = codec.New(ring)
	options.Logger = slog.New(slog.DiscardHandler) // what matters comes back as errors
	options.Identity = operator.Requester()
	options.Telemetry = a.traces
	c, err := temporal.Dial(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	return control.New(c, temporal.DataConverter(options.Codec), options.Namespace, a.instance), c.Close, nil
}

// controlled makes a command's function of one that needs a controller: with --timeout
// applied, and connected.
func (a *app) controlled(fn func(ctx context.Context, c controller, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := a.bounded(cmd.Context())
		defer cancel()
		c, err := a.controller(ctx)
		if err != nil {
			return err
		}
		return fn(ctx, c, args)
	}
}

// alerting is what the commands around alerts get.
func (a *app) alerting() alerting.Surroundings {
	return alerting.Surroundings{
		Print: a.print, Say: a.say, Failed: func(code fault.Code) error { return exitCode(code.Exit()) },
		Connected: func(fn func(context.Context, alerting.Controller, []string) error) func(*cobra.Command, []string) error {
			return a.controlled(func(ctx context.Context, c controller, args []string) error { return fn(ctx, c, args) })
		},
	}
}

// diagnosing is what the commands that find out what is wrong get.
func (a *app) diagnosing() diagnosing.Surroundings {
	return diagnosing.Surroundings{
		Instance: func() string { return a.instance }, Now: time.Now, Bounded: a.bounded, Print: a.print, Say: a.say,
		Controller: func(ctx context.Context) (diagnosing.Controller, error) { return a.controller(ctx) },
		Failed:     func(code int) error { return exitCode(code) },
	}
}

// scheduling is what the commands around the schedule get.
func (a *app) scheduling() scheduling.Surroundings {
	return scheduling.Surroundings{
		Print: a.print, Say: a.say, Consent: a.consent, Failed: func(code fault.Code) error { return exitCode(code.Exit()) },
		Connected: func(fn func(context.Context, scheduling.Controller) error) func(*cobra.Command, []string) error {
			return a.controlled(func(ctx context.Context, c controller, _ []string) error { return fn(ctx, c) })
		},
	}
}
