package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

func (a *app) settingsCommand() *cobra.Command {
	group := &cobra.Command{Use: "settings", Short: "Look at what is in force, and who changed it", Args: noArgs, RunE: needsCommand}
	group.AddCommand(&cobra.Command{
		Use:     "show",
		Short:   "Show the settings in force, without secrets",
		Example: "  infrabackup settings show -o json",
		Args:    noArgs,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			summary, err := c.Summary(ctx)
			if err != nil {
				return err
			}
			return a.printSettings(summary)
		}),
	}, &cobra.Command{
		Use:   "history",
		Short: "Show who changed what, when, and what came of it",
		Long: `Show every change of share, account, keys and services, refused ones too: when, by whom, what, and
the result. Secrets are never part of it. The Temporal Web UI has each change as a
workflow of its own, for as long as Temporal keeps closed workflows.`,
		Example: "  infrabackup settings history",
		Args:    noArgs,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			history, err := c.History(ctx)
			if err != nil {
				return err
			}
			return a.printHistory(history)
		}),
	}, &cobra.Command{
		Use:   "reseal",
		Short: "Encrypt the settings anew, after the codec key was changed",
		Long: `Let the workers write the settings anew, encrypted with the codec key that stands first
in their key file. It is the last step of changing the codec key; until then the
settings need the old one.`,
		Example: "  infrabackup settings reseal",
		Args:    noArgs,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			if err := c.Reseal(ctx, a.caller()); err != nil {
				return err
			}
			return a.print(map[string]bool{"resealed": true}, func(w *tabwriter.Writer) { line(w, "The settings were encrypted anew.") })
		}),
	})
	group.AddCommand(a.settingsServicesCommand())
	return group
}

// settingsDocument is what -o json prints of settings.
type settingsDocument struct {
	settings.Summary
	SigningKeyFingerprint string   `json:"signingKeyFingerprint"`
	Warnings              []string `json:"warnings"`
}

func (a *app) printSettings(s settings.Summary) error {
	document := settingsDocument{Summary: s, SigningKeyFingerprint: signerFingerprint(s.SigningKey), Warnings: s.Warnings(time.Now())}
	err := a.print(document, func(w *tabwriter.Writer) {
		line(w, "Instance:", strings.TrimSpace(s.Instance.Name+" "+s.Instance.FQDN+" "+s.Instance.Region))
		line(w, "Share:", s.Share.Path)
		line(w, "Transport:", s.Share.Transport)
		line(w, "Account:", s.Username)
		for _, r := range s.Recipients {
			line(w, "Opens with:", recipientLine(r))
		}
		line(w, "Contains:", cmp.Or(settings.Join(s.Services), "what the workers have sources for"))
		line(w, signingLabel, s.SigningKey+" "+document.SigningKeyFingerprint)
		for _, former := range s.FormerSigners {
			line(w, formerLabel, former+" "+signerFingerprint(former))
		}
		line(w, "Controller:", s.Controller)
		if s.Ledger != (backup.LedgerHead{}) {
			line(w, "Ledger:", s.Ledger)
		}
		line(w, "Changed:", when(s.ChangedAt)+" by "+s.ChangedBy+", revision "+fmt.Sprint(s.Revision))
	})
	a.warn(document.Warnings)
	return err
}

// signerFingerprint is what a verdict and ssh-keygen call a signing key. One that cannot
// be read has none, which is no reason to hide the settings.
func signerFingerprint(public string) string {
	fingerprint, err := seal.SignerFingerprint(public)
	if err != nil {
		return ""
	}
	return fingerprint
}

// warn says what needs an operator's attention.
func (a *app) warn(warnings []string) {
	for _, warning := range warnings {
		a.say("Warning: %s.", warning)
	}
}

func recipientLine(r settings.RecipientSummary) string {
	text := r.Kind + " " + r.Fingerprint
	if !r.Expires.IsZero() {
		text += ", certificate valid until " + when(r.Expires)
	}
	if r.ProvenAt.IsZero() {
		return text + ", never proven"
	}
	return text + ", proven " + when(r.ProvenAt) + " by " + r.ProvenBy
}

func (a *app) printHistory(h settings.History) error {
	return a.print(h, func(w *tabwriter.Writer) {
		line(w, "TIME", "KIND", "BY", "RESULT", "WHAT")
		for _, r := range h.Records {
			result := string(r.Outcome)
			if r.Code != "" {
				result += " " + r.Code
			}
			line(w, when(r.At), r.Kind, r.By, result, r.What)
		}
		if h.Dropped > 0 {
			line(w, fmt.Sprintf("%d older changes are no longer kept here.", h.Dropped))
		}
	})
}
