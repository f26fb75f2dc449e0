package main

import (
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) keyGenerateCommand() *cobra.Command {
	var out string
	var postQuantum bool
	generate := &cobra.Command{
		Use:   "generate --out FILE",
		Short: "Create a key pair: the private half into a file, the public half printed",
		Long: `Create an age key pair. The private half goes into FILE, readable by you only, and is
never overwritten. Move it off this machine, keep it in two places, and give the
printed recipient to "infrabackup enable".

--post-quantum creates a hybrid key (ML-KEM-768 with X25519), which age before
version 1.3 cannot read.`,
		Example: "  infrabackup key generate --out operator.key",
		Args:    args.None,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return fault.Usagef("--out is needed: the file for the private key")
			}
			text, recipient, err := seal.GenerateIdentity(postQuantum, time.Now())
			if err != nil {
				return err
			}
			if err := localfile.Create(out, text); err != nil {
				return err
			}
			a.say("The private key is in %s. Keep it offline and in two places: no backup can be opened without it.", out)
			document := map[string]string{"recipient": recipient.Text, "kind": recipient.Kind, "fingerprint": recipient.Fingerprint, "identityFile": out}
			return a.print(document, func(w *tabwriter.Writer) { table.Line(w, recipient.Text) })
		},
	}
	generate.Flags().StringVar(&out, "out", "", "file for the private key; must not exist")
	generate.Flags().BoolVar(&postQuantum, "post-quantum", false, "create a hybrid post-quantum key")
	return generate
}
