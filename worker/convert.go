package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
	"infrabackup/internal/temporal"
	"infrabackup/workflows"
)

// convertTime bounds a conversion.
const convertTime = 2 * time.Minute

// convert lets the settings entity go on as new in the form in which every payload is
// bound to its place. It is the only thing that reads the form before, which anybody
// could have copied from elsewhere, and it reads that of the entity only: it takes up no
// other workflow and no activity. PAYLOAD_OUTDATED when the entity has not gone on in
// time; a second conversion changes nothing.
func convert(ctx context.Context, p process, c *config.Worker, logger *slog.Logger) (err error) {
	ctx, cancel := context.WithTimeout(ctx, convertTime)
	defer cancel()
	asking, err := dialFor(ctx, p, c, logger, false)
	if err != nil {
		return err
	}
	defer asking.Close()
	id := flow.SettingsWorkflowID(c.Instance.Name)
	is, err := flow.IsOutdated(ctx, asking, id, "")
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return fault.Newf(fault.NotEnabled, "instance %s has no settings, so there is nothing to convert", c.Instance.Name)
	case err != nil:
		return fault.New(fault.TemporalUnreachable, "the settings cannot be found", err)
	case !is:
		_, err = fmt.Fprintln(p.stdout, "The settings have the form of this version already.")
		return err
	}
	reading, err := dialFor(ctx, p, c, logger, true)
	if err != nil {
		return err
	}
	defer reading.Close()
	w := worker.New(reading, flow.Queue(c.Instance.Name), worker.Options{WorkerStopTimeout: reportTime})
	flow.Settings.Register(w, workflows.Settings)
	if err := w.Start(); err != nil {
		return fault.New(fault.TemporalUnreachable, "the worker cannot poll its task queue", err)
	}
	defer w.Stop()
	if _, err := flow.Reseal.Send(ctx, asking, id, flow.ResealInput{By: product + " --convert on " + c.Host}); err != nil {
		return flow.DecodeFault(err)
	}
	summary, err := converted(ctx, asking, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(p.stdout, described(summary))
	return err
}

// converted waits for the run that goes on, and asks it for the active settings.
func converted(ctx context.Context, asking client.Client, id string) (settings.Summary, error) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		is, err := flow.IsOutdated(ctx, asking, id, "")
		if err == nil && !is {
			return flow.SummarySettings.Ask(ctx, asking, id, struct{}{})
		}
		select {
		case <-ctx.Done():
			return settings.Summary{}, fault.New(fault.PayloadOutdated, "the settings did not go on in time; does another worker of the instance run?", errors.Join(err, ctx.Err()))
		case <-ticker.C:
		}
	}
}

// dialFor connects; with outdated set, for reading the form before.
func dialFor(ctx context.Context, p process, c *config.Worker, logger *slog.Logger, outdated bool) (client.Client, error) {
	ring, err := codec.LoadKeyring(c.Codec.KeyFile)
	if err != nil {
		return nil, err
	}
	o, err := temporal.FromConfig(c.Temporal, p.lookup)
	if err != nil {
		return nil, err
	}
	o.Identity = product + "@" + c.Host
	o.Codec, o.Logger, o.TakeOutdated = codec.New(ring), logger, outdated
	return temporal.Dial(ctx, o)
}

// described tells what the operator is to compare with what was enabled: nobody could
// tell before who had written it.
func described(s settings.Summary) string {
	var out strings.Builder
	line := func(name, value string) {
		fmt.Fprintf(&out, "  %-12s %s\n", name, backup.Printable(value, flow.MaxText))
	}
	out.WriteString("The settings go on in the form of this version. Compare them with what you know:\n")
	line("revision", fmt.Sprint(s.Revision))
	line("share", s.Share.Path)
	line("transport", string(s.Share.Transport))
	line("account", s.Username)
	for _, r := range s.Recipients {
		line("recipient", r.Fingerprint)
	}
	line("signing key", s.SigningKey)
	for _, key := range s.FormerSigners {
		line("trusted", key)
	}
	return out.String()
}
