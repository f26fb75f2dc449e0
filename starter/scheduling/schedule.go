package scheduling

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/schedule"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) scheduleCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "schedule", Short: "Start, verify and remove backups by themselves", Args: args.None, RunE: args.NeedsCommand,
	}
	group.AddCommand(s.showCommand(), s.setCommand(), s.switchCommand(true), s.switchCommand(false))
	return group
}

func (s Surroundings) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show when backups start by themselves, and whether they do",
		Long: `Show when backups start by themselves and how long they are kept, when the next one
is due, how many are late, and whether Temporal still starts what goes on by itself.`,
		Example: "  infrabackup schedule show\n  infrabackup schedule show -o json | jq .late",
		Args:    args.None,
		RunE: s.Connected(func(ctx context.Context, c Controller) error {
			status, err := c.Schedule(ctx)
			if err != nil {
				return err
			}
			return s.printSchedule(status)
		}),
	}
}

// scheduleFlags are what "schedule set" takes.
type scheduleFlags struct {
	every              time.Duration
	keep, keepVerified int
	on, off, yes       bool
}

// check refuses what the flags alone show to be wrong, in their own names.
func (f scheduleFlags) check(given func(flag string) bool) error {
	switch {
	case f.on && f.off:
		return fault.Usagef("--on and --off contradict each other")
	case !f.on && !f.off && !given("every") && !given("keep") && !given("keep-verified"):
		return fault.Usagef("nothing is to be set: give --every, --keep, --keep-verified, --on or --off")
	case given("every") && f.every%time.Hour != 0:
		return fault.Usagef("--every %s is not a whole number of hours", f.every)
	case given("every") && !within(int(f.every/time.Hour), schedule.MinFrequencyHours, schedule.MaxFrequencyHours):
		return fault.Usagef("--every is %s, and has to be from %dh to %dh", hours(f.every), schedule.MinFrequencyHours, schedule.MaxFrequencyHours)
	case given("keep") && !within(f.keep, schedule.MinRetentionDays, schedule.MaxRetentionDays):
		return fault.Usagef("--keep is %d, and has to be from %d to %d days", f.keep, schedule.MinRetentionDays, schedule.MaxRetentionDays)
	case given("keep-verified") && !within(f.keepVerified, schedule.MinKeepVerified, schedule.MaxKeepVerified):
		return fault.Usagef("--keep-verified is %d, and has to be from %d to %d", f.keepVerified, schedule.MinKeepVerified, schedule.MaxKeepVerified)
	}
	return nil
}

func within(n, low, high int) bool { return n >= low && n <= high }

// hours is a whole number of hours as it is typed.
func hours(d time.Duration) string { return fmt.Sprintf("%dh", int64(d/time.Hour)) }

// over returns the setting with what was given.
func (f scheduleFlags) over(now schedule.Setting, given func(flag string) bool) schedule.Setting {
	next := now
	if given("every") {
		next.FrequencyHours = int(f.every / time.Hour)
	}
	if given("keep") {
		next.RetentionDays = f.keep
	}
	if given("keep-verified") {
		next.KeepVerified = f.keepVerified
	}
	next.Enabled = f.on || now.Enabled && !f.off
	return next
}

func (s Surroundings) setCommand() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "set [--every 12h] [--keep DAYS] [--keep-verified N] [--on | --off]",
		Short: "Set when backups start by themselves, and how long they are kept",
		Long: `Set how often backups start by themselves, every 4 to 12 hours, and how many days they
are kept, 2 to 14. What is not given stays as it is, and one flag at least has to be given. At
least two backups a day, kept for at most seven days, are recommended.

While the schedule is on, backups that are older than --keep are removed. The newest
good one stays always, and so do the newest --keep-verified ones of those that were
verified. Backups that you start yourself do not move the schedule. One that is due while
another runs, while keys or settings are being changed, or while the stamp is being updated,
is skipped.

When fewer days are set than before, this shows what would be removed, and asks first;
scripts give --yes.`,
		Example: "  infrabackup schedule set --every 12h --keep 7 --on\n  infrabackup schedule set --keep 5 --yes",
		Args:    args.None,
	}
	given := func(flag string) bool { return cmd.Flags().Changed(flag) }
	set := s.Connected(func(ctx context.Context, c Controller) error {
		now, err := c.Schedule(ctx)
		if err != nil {
			return err
		}
		next := f.over(now.Setting, given)
		if err := s.consentToLess(ctx, c, now.Setting, next, f.yes); err != nil {
			return err
		}
		status, err := c.SetSchedule(ctx, next, &now.Setting, operator.Requester())
		if err != nil {
			return err
		}
		return s.printSchedule(status)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(given); err != nil {
			return err
		}
		return set(cmd, args)
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.every, "every", 12*time.Hour, "time between two backups, 4h to 12h")
	flags.IntVar(&f.keep, "keep", 7, "days that a backup is kept, 2 to 14")
	flags.IntVar(&f.keepVerified, "keep-verified", 2, "verified backups that are kept whatever their age")
	flags.BoolVar(&f.on, "on", false, "let backups start by themselves")
	flags.BoolVar(&f.off, "off", false, "let no backup start by itself, and remove none")
	flags.BoolVar(&f.yes, "yes", false, "shorten the time without asking")
	return cmd
}

// consentToLess asks before backups are kept for a shorter time, or fewer of them.
func (s Surroundings) consentToLess(ctx context.Context, c Controller, now, next schedule.Setting, yes bool) error {
	if yes || next.RetentionDays >= now.RetentionDays && next.KeepVerified >= now.KeepVerified {
		return nil
	}
	plan, err := c.PruneBy(ctx, next, operator.Requester())
	if err != nil {
		return err
	}
	count := 0
	for _, d := range plan.Decisions {
		if d.Remove {
			count++
			s.Say("Would be removed: %s, finished %s.", d.BackupID, ui.Time(d.FinishedAt))
		}
	}
	if plan.Hold != "" {
		s.Say("Nothing is removed now: %s.", plan.Hold)
	}
	return s.Consent(ctx, yes, fmt.Sprintf("backups (%d) sooner than before", count))
}

func (s Surroundings) switchCommand(on bool) *cobra.Command {
	use, short := "pause", "Let no backup start by itself, and remove none"
	if on {
		use, short = "resume", "Let backups start by themselves again"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: args.None,
		Long: short + `. Everything that is set stays as it is, and
verification goes on in any case. The share need not be there for it.`,
		Example: "  infrabackup schedule " + use,
		RunE: s.Connected(func(ctx context.Context, c Controller) error {
			now, err := c.Schedule(ctx)
			if err != nil {
				return err
			}
			next := now.Setting
			next.Enabled = on
			status, err := c.SetSchedule(ctx, next, &now.Setting, operator.Requester())
			if err != nil {
				return err
			}
			return s.printSchedule(status)
		}),
	}
}

func (s Surroundings) printSchedule(now control.ScheduleStatus) error {
	err := s.Print(now, func(w *tabwriter.Writer) {
		table.Schedule(w, now.State)
		if !now.Next.IsZero() {
			table.Line(w, "Next:", ui.Time(now.Next))
		}
		if now.Late > 0 {
			table.Line(w, "Late:", fmt.Sprintf("%d backups", now.Late))
		}
		if !now.LastRing.IsZero() {
			table.Line(w, "Looked at:", ui.Time(now.LastRing))
		}
	})
	if now.Late > 0 {
		s.Say("Warning: %d scheduled backups were not made.", now.Late)
	}
	if now.Problem != "" {
		repair := "pause" // and it stays off
		if now.Enabled {
			repair = "resume"
		}
		s.Say("Warning: %s: nothing goes on by itself. `infrabackup schedule %s` repairs that.", now.Problem, repair)
	}
	s.warn(now.Warnings)
	return err
}
