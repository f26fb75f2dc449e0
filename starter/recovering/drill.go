package recovering

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/drilling"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// DrillCommands returns the commands of drills.
func DrillCommands(s Surroundings) *cobra.Command {
	return s.grouped(&cobra.Command{
		Use:   "drill",
		Short: "Prove that a backup can be restored: restore it, compare, sign what came of it",
		Long: `Restore a backup into a target that is there for drills, capture that again, compare it with
the backup, take the restore back, and sign a certificate of what came of it.

A drill passes when every difference is explained: by the plan, which lists what cannot come
back, by the table of what services set themselves, or by what the target had before.`,
		Args: args.None, RunE: args.NeedsCommand,
	}, s.drillRunCommand(), s.drillListCommand(), s.drillVerifyCommand())
}

// drillFlags say how a drill is run.
type drillFlags struct {
	common
	certificates string
	signingKey   string
	services     []string
	site         string
	keep         bool
	yes          bool
}

func (s Surroundings) drillRunCommand() *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use:   "run [ID|latest] --identity F --target F --signing-key F --certificates DIR [--service S] [--keep]",
		Short: "Restore a backup into a target for drills, and sign what came of it",
		Long: `Drill a backup. The target's file repeats its deploymentId as drill; a target that may be the
cloud that was backed up is refused.

--signing-key is an Ed25519 key for drills only: ssh-keygen -t ed25519 -N '' -f drill.key.
What it signs cannot pass for a backup. The exit code is 3 when the drill did not pass.`,
		Example: `  infrabackup drill run latest --identity operator.key --target drill.yaml --signing-key drill.key --certificates drills --yes`,
		Args:    args.AtMostOne("ID"),
	}
	f.register(cmd, s)
	f.registerTarget(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.certificates, "certificates", "", "folder for the certificate")
	flags.StringVar(&f.signingKey, "signing-key", "", "file with the private key that signs the certificate")
	flags.StringArrayVar(&f.services, "service", nil, "only this service; may be repeated")
	flags.StringVar(&f.site, "map", "", "file with the target's names, where it is no copy of the cloud; \"recover plan --write-map\" writes one")
	flags.BoolVar(&f.keep, "keep", false, "leave in the target what was restored")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	open := s.Backups(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return s.drill(cmd.Context(), latestOr(names), f, open)
	}
	return cmd
}

// asked is what a drill is asked for, but for the backup and the target.
func (f drillFlags) asked(ctx context.Context, s Surroundings) (r drilling.Request, key *seal.SigningKey, err error) {
	switch {
	case f.certificates == "":
		return r, nil, fault.Usagef("--certificates is needed: the folder for the certificate")
	case f.signingKey == "":
		return r, nil, fault.Usagef("--signing-key is needed: the private key that signs the certificate")
	}
	if r.Services, err = args.Services(f.services); err != nil {
		return r, nil, err
	}
	text, err := secretfile.ReadWhole(f.signingKey)
	if err != nil {
		return r, nil, fault.New(fault.Usage, "--signing-key cannot be read", err)
	}
	if key, err = seal.ParseSigningKey(text); err != nil {
		return r, nil, fault.Usagef("--signing-key is no unencrypted Ed25519 key; make one: ssh-keygen -t ed25519 -N '' -f drill.key")
	}
	if r.Identities, err = f.keys(ctx); err != nil {
		return r, nil, err
	}
	if r.State, err = f.stateDir(s); err != nil {
		return r, nil, err
	}
	if f.site != "" {
		if r.Site, err = restoring.LoadMap(f.site); err != nil {
			return r, nil, err
		}
	}
	r.Keep, r.Certificates = f.keep, f.certificates
	r.Begun = func(phase string) { s.Say("%s: %s", time.Now().UTC().Format("15:04:05"), phases[phase]) }
	r.Left = func(planID string) {
		s.Say("The drill did not end. What it restored is taken back by: infrabackup recover undo %s --identity F --target F", planID[:16])
	}
	return r, key, nil
}

// phases are what is said of the parts of a drill.
var phases = map[string]string{
	"look": "reading what the target has", "plan": "planning", "apply": "restoring", "capture": "reading what the target has now",
	"compare": "comparing with the backup", "undo": "taking the restore back",
}

func (s Surroundings) drill(ctx context.Context, name string, f drillFlags, open Open) error {
	request, key, err := f.asked(ctx, s)
	if err != nil {
		return err
	}
	target, err := f.openTarget(ctx)
	if err != nil {
		return err
	}
	defer target.Close()
	b, done, err := open(ctx, name, request.Identities)
	if err != nil {
		return err
	}
	defer done()
	if err := s.Consent(ctx, f.yes, "The drill changes "+target.Fingerprint.Name+"."); err != nil {
		return err
	}
	outcome, err := drilling.Run(ctx, b, target, request)
	if err != nil {
		return err
	}
	file, err := drilling.Write(f.certificates, outcome.Certificate, key)
	if err != nil {
		return err
	}
	if err := s.Print(outcome.Certificate, func(w *tabwriter.Writer) { certificate(w, outcome.Certificate) }); err != nil {
		return err
	}
	s.Say("The certificate is %s, signed by %s.", file, key.Fingerprint())
	if outcome.Certificate.Result != drill.Passed {
		return s.Failed(fault.DrillFailed)
	}
	return nil
}

// certificate shows one.
func certificate(w *tabwriter.Writer, c *drill.Certificate) {
	table.Line(w, "Drill:", c.DrillID)
	table.Line(w, "Result:", c.Result)
	table.Line(w, "Backup:", c.Backup.ID, ui.Time(c.Backup.StartedAt))
	table.Line(w, "Target:", printable.Text(c.Target.Name), c.Target.DeploymentID)
	table.Line(w, "Duration:", c.EndedAt.Sub(c.StartedAt))
	table.Line(w, "")
	table.Line(w, "SERVICE", "ITEMS", "MADE", "FOUND", "EQUAL", "ALIKE", "EXPLAINED", "UNEXPLAINED")
	for _, s := range c.Services {
		if !s.Compared {
			table.Line(w, s.Service, "not compared: "+printable.Text(s.Reason))
			continue
		}
		table.Line(w, s.Service, s.Items, s.Restored(), s.Found, s.Equal, s.Alike, s.Explained, s.Unexplained)
	}
	for _, one := range c.Findings {
		table.Line(w, "Unexplained:", fmt.Sprintf("%s %s %s %s %s", one.Service, one.Kind, printable.Text(one.ID), one.Change, printable.Text(one.Path)))
	}
	for _, group := range []struct {
		title string
		all   []drill.Class
	}{{"Explained:", c.Explained}, {"Cannot come back:", c.NotRestorable}} {
		for _, one := range group.all {
			table.Line(w, group.title, fmt.Sprintf("%d × %s", one.Count, one.Reason))
		}
	}
	for _, one := range c.DoesNotProve {
		table.Line(w, "Not proven:", printable.Text(one))
	}
}

// signersFlag is the list of keys that are believed.
func signersFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("allowed-signers", "", "file with the keys that are believed, in the form of ssh-keygen's ALLOWED SIGNERS, as infrabackup-drill")
}

func readSigners(ctx context.Context, file string) ([]byte, error) {
	if file == "" {
		return nil, fault.Usagef("--allowed-signers is needed: the list of keys that are believed")
	}
	return localfile.Read(ctx, "--allowed-signers", file, false)
}

func (s Surroundings) drillListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list DIR --allowed-signers F",
		Short:   "List the drills of a folder of certificates",
		Long:    `List certificates, the newest first. One that no key of the list signed is not believed.`,
		Example: `  infrabackup drill list drills --allowed-signers drill_signers`,
		Args:    args.One("DIR"),
	}
	signers := signersFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		list, err := readSigners(cmd.Context(), *signers)
		if err != nil {
			return err
		}
		all, err := drilling.List(cmd.Context(), names[0], list)
		if err != nil {
			return err
		}
		return s.Print(all, func(w *tabwriter.Writer) {
			table.Line(w, "STARTED", "RESULT", "BACKUP", "TARGET", "UNEXPLAINED", "DURATION")
			for _, one := range all {
				if c := one.Certificate; c != nil {
					table.Line(w, ui.Time(c.StartedAt), c.Result, c.Backup.ID, printable.Text(c.Target.Name), c.Unexplained, c.EndedAt.Sub(c.StartedAt))
					continue
				}
				table.Line(w, printable.Text(one.File), "not believed: "+one.Code)
			}
		})
	}
	return cmd
}

func (s Surroundings) drillVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify CERTIFICATE --allowed-signers F",
		Short: "Check a certificate and show what it says",
		Long: `Check the signature beside a certificate, and that it says what its counts say. The same check
of the signature with stock tools:

  ssh-keygen -Y verify -f drill_signers -I infrabackup-drill -n infrabackup-drill -s CERTIFICATE.sig < CERTIFICATE`,
		Example: `  infrabackup drill verify drills/20261130T080000Z_0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11.json --allowed-signers drill_signers`,
		Args:    args.One("CERTIFICATE"),
	}
	signers := signersFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		list, err := readSigners(cmd.Context(), *signers)
		if err != nil {
			return err
		}
		c, signer, err := drilling.Read(cmd.Context(), names[0], list)
		if err != nil {
			return err
		}
		if err := s.Print(c, func(w *tabwriter.Writer) { certificate(w, c) }); err != nil {
			return err
		}
		s.Say("Signed by %s.", signer)
		return nil
	}
	return cmd
}
