package diagnosing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/control"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/control/runs"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/settings"
	"infrabackup/internal/support"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

const (
	maxRuns    = 100 // runs of which the histories are packed
	maxBackups = 10  // newest backups that are shown whole
	listed     = 500 // newest backups that are listed
)

// document is what -o json prints.
type document struct {
	File string `json:"file"`
	support.Report
}

func (s Surroundings) supportCommand() *cobra.Command {
	var out string
	var logs []string
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "support [--out FILE] [--log FILE]...",
		Short: "Pack what people who help you have to see, without secrets",
		Long: `Pack into one archive (tar, gzip) what people who help you have to see: versions, settings and
their changes, what doctor says, alerts, schedule, backups, the newest runs with their
histories, and the logs of worker, serve and codec server.

It changes nothing: the share is listed by a worker, not tried. No secret and no content of
a backup is in it: settings are shown without them, histories are packed without what they
hold encrypted, and what looks like a key, a token or a password in a log is taken out.
Names are in it: of hosts, accounts, shares, services and people who started something.
Look into it before you give it away.

The logs come from systemd's journal of this machine, if there is one. Run it on the worker's
host, or name the worker's log with --log. What cannot be read is said and left out, and the
exit code is 3 then: also without Temporal or worker there is an archive. When --timeout has
passed, what was read until then is packed.`,
		Example: "  infrabackup support\n  infrabackup support --out /tmp/support.tar.gz --log /var/log/infrabackup/worker.log --since 48h",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return fault.Usagef("--since %s is not above zero", since)
			}
			ctx, cancel := s.Bounded(cmd.Context())
			defer cancel()
			return s.pack(ctx, out, logs, since)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the archive, which must not exist yet (default: infrabackup-support-INSTANCE-TIME.tar.gz here)")
	cmd.Flags().StringArrayVar(&logs, "log", nil, "a log file to pack, its last 8 MiB; may be given more than once")
	cmd.Flags().DurationVar(&since, "since", 7*24*time.Hour, "how far back the journal is read")
	return cmd
}

// pack writes the archive and says what is in it.
func (s Surroundings) pack(ctx context.Context, out string, logs []string, since time.Duration) error {
	now := s.Now().UTC()
	folder := fmt.Sprintf("infrabackup-support-%s-%s", s.Instance(), now.Format("20060102T150405Z"))
	file := cmp.Or(out, folder+".tar.gz")
	if err := localfile.OffShare("the archive", file, ""); err != nil {
		return err
	}
	if localfile.Exists(file) {
		return localfile.Occupied(file)
	}
	c, failed := s.Controller(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	members := own(now) // what this machine has comes first: it does not wait for others
	if program, err := exec.LookPath("journalctl"); err == nil {
		members = append(members, support.Journal(program, now.Add(-since))...)
	} else if len(logs) == 0 {
		s.Say("There is no journal on this machine, so no logs are packed. Name them with --log.")
	}
	members = append(members, support.LogFiles(logs)...)
	members = append(members, of(c, failed)...)
	members = append(members, histories(ctx, c, failed)...)
	done := document{File: file}
	err := localfile.CreateWith(file, func(w io.Writer) error {
		var err error
		done.Report, err = support.Write(ctx, w, folder, now, members)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.Print(done, func(w *tabwriter.Writer) { write(w, done) }); err != nil {
		return err
	}
	for _, m := range done.Missing {
		s.Say("Warning: %s is not there, or not whole: %s", m.Name, fault.New(m.Code, m.Message, nil).Line())
	}
	s.Say("Look into it before you give it away: names of hosts, accounts and people are in it.")
	if len(done.Missing) > 0 {
		return s.Failed(fault.ExitPartial)
	}
	return nil
}

func write(w *tabwriter.Writer, d document) {
	table.Line(w, "FILE\tSIZE")
	for _, f := range d.Files {
		table.Line(w, f.Name+"\t"+ui.Size(int64(f.Bytes)))
	}
	table.Line(w, "")
	table.Line(w, "The archive is "+d.File)
}

// own is what is known without anybody's help.
func own(now time.Time) []support.Member {
	return []support.Member{support.Document("version.json", func(context.Context) (map[string]any, error) {
		return map[string]any{"version": build.Version(), "format": backup.FormatVersion, "packedAt": now, "platform": runtime.GOOS + "/" + runtime.GOARCH, "go": runtime.Version()}, nil
	})}
}

// of is what a controller knows. With an error, which says why there is none, each of them
// is missing for that reason.
func of(c Controller, missing error) []support.Member {
	return []support.Member{
		asked("settings.json", missing, func(ctx context.Context) (settings.Summary, error) { return c.Summary(ctx) }),
		asked("settings-history.json", missing, func(ctx context.Context) (settings.History, error) { return c.History(ctx) }),
		asked("doctor.json", missing, func(ctx context.Context) (diagnosis.Report, error) {
			return c.Diagnose(ctx, diagnosis.ShareUntried)
		}),
		asked("schedule.json", missing, func(ctx context.Context) (control.ScheduleStatus, error) { return c.Schedule(ctx) }),
		asked("upkeep.json", missing, func(ctx context.Context) (flow.UpkeepState, error) { return c.Upkeep(ctx) }),
		asked("alerts.json", missing, func(ctx context.Context) ([]alert.Alert, error) {
			now, err := facts.Read(ctx, c)
			if err != nil {
				return nil, err
			}
			return now.Alerts, nil
		}),
		asked("backups.json", missing, func(ctx context.Context) (flow.ListOutput, error) { return c.List(ctx, listed) }),
		asked("newest-backups.json", missing, func(ctx context.Context) ([]backup.Overview, error) { return shown(ctx, c) }),
	}
}

// shown are the newest backups, each with what its manifest says.
func shown(ctx context.Context, c Controller) ([]backup.Overview, error) {
	list, err := c.List(ctx, maxBackups)
	if err != nil {
		return nil, err
	}
	all := []backup.Overview{}
	for _, b := range list.Backups {
		one, err := c.Show(ctx, string(b.BackupID))
		if err != nil {
			return nil, fmt.Errorf("backup %s: %w", b.BackupID, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// histories are the newest runs: their list, and the history of each.
func histories(ctx context.Context, c Controller, missing error) []support.Member {
	var newest []runs.Run
	if missing == nil {
		newest, missing = c.Runs().Newest(ctx, maxRuns)
	}
	members := []support.Member{asked("runs.json", missing, func(context.Context) ([]runs.Run, error) { return newest, nil })}
	var gone error // says why Temporal is not asked again: each question may take a minute
	for i, run := range newest {
		// A workflow ID may hold anything, and is no name of a file.
		name := fmt.Sprintf("histories/%03d-%s.jsonl", i+1, run.RunID)
		members = append(members, support.Member{Name: name, Read: func(ctx context.Context) ([]byte, error) {
			if gone != nil {
				return nil, gone
			}
			events, whole, err := c.Runs().History(ctx, run)
			if ctx.Err() != nil || fault.CodeOf(err) == fault.TemporalUnreachable {
				gone = err
			}
			if err == nil && !whole {
				err = fault.Newf(fault.Usage, "the history of run %s is longer than %d MiB", run.RunID, runs.MaxBytes>>20)
			}
			return events, err
		}})
	}
	return members
}

func asked[T any](name string, missing error, read func(ctx context.Context) (T, error)) support.Member {
	return support.Document(name, func(ctx context.Context) (T, error) {
		if missing != nil {
			var none T
			return none, missing
		}
		return read(ctx)
	})
}
