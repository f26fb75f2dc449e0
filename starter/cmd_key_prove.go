package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/proving"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// proveFlags say how a key is proven.
type proveFlags struct {
	out      string
	answer   string
	keyFiles []string
}

func (a *app) keyProveCommand() *cobra.Command {
	var f proveFlags
	cmd := &cobra.Command{
		Use:   "prove (--out DIR | --answer FILE | --identity F)",
		Short: "Prove that the private keys still exist",
		Long: `Prove that the private half of a key still exists, before the day it is needed.

--out writes one challenge for each current key, an age file that only its private half
opens. Carry it to where the key is kept and open it there, with this program or with
stock age:

  age -d -i operator.key challenge-1.age

Bring back what that prints, and give it with --answer (- for standard input). The service
keeps only the digest of the answer; a challenge is good for seven days, and a newer one
replaces it.

--identity does both at once, where the private key is at hand.

"settings show" prints when each key was last proven, and warns when that was too long
ago (see "key set --prove-every").`,
		Example: `  infrabackup key prove --out challenges
  infrabackup key prove --answer answer.txt
  infrabackup key prove --identity operator.key`,
		Args: args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			return a.prove(ctx, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "folder for the challenges, created when missing; existing ones are not overwritten")
	flags.StringVar(&f.answer, "answer", "", "file with what opening a challenge has printed, - for standard input")
	flags.StringArrayVar(&f.keyFiles, "identity", nil, "file with a private key; may be repeated")
	return cmd
}

func (a *app) prove(ctx context.Context, f proveFlags) error {
	given := 0
	for _, is := range []bool{f.out != "", f.answer != "", len(f.keyFiles) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return fault.Usagef("give one of --out, --answer and --identity")
	}
	keys, err := localfile.Identities(ctx, f.keyFiles)
	if err != nil {
		return err
	}
	var answer secret.String
	if f.answer != "" {
		if answer, err = a.readAnswer(ctx, f.answer); err != nil {
			return err
		}
	}
	c, err := a.controller(ctx)
	if err != nil {
		return err
	}
	p := proving.Prover{Service: c, RequestedBy: operator.Requester()}
	if f.out != "" {
		return a.writeChallenges(ctx, p, f.out)
	}
	var proven []flow.KeyState
	if f.answer != "" {
		proven, err = p.Answer(ctx, answer)
	} else {
		proven, err = p.ProveAll(ctx, keys)
	}
	if err != nil {
		return err
	}
	return a.printProven(proven)
}

func (a *app) readAnswer(ctx context.Context, file string) (secret.String, error) {
	var data []byte
	var err error
	if file == "-" {
		if data, err = secret.ReadAll(ctx, a.stdin, localfile.MaxBytes); err != nil {
			err = fault.OfInput(ctx, "the answer cannot be read from standard input", err)
		} else if data, err = secret.Text(data); err != nil {
			err = fault.New(fault.Usage, "the answer on standard input cannot be used", err)
		}
	} else {
		data, err = localfile.Read(ctx, "--answer", file, false)
	}
	if err != nil {
		return secret.String{}, err
	}
	return seal.ParseAnswer(string(data))
}

func (a *app) writeChallenges(ctx context.Context, p proving.Prover, folder string) error {
	written, err := p.WriteChallenges(ctx, folder)
	if err != nil {
		return err
	}
	a.say("Open each with its private key (age -d -i KEY FILE), then run `infrabackup key prove --answer FILE` with what that printed.")
	return a.print(map[string]any{"challenges": written}, func(w *tabwriter.Writer) {
		table.Line(w, "KEY", "CHALLENGE")
		for _, c := range written {
			table.Line(w, c.Fingerprint, c.File)
		}
	})
}

func (a *app) printProven(proven []flow.KeyState) error {
	return a.print(map[string]any{"proven": proven}, func(w *tabwriter.Writer) {
		for _, k := range proven {
			table.Line(w, "Proven:", k.Fingerprint+", "+ui.Time(k.ProvenAt)+" by "+k.ProvenBy)
		}
	})
}
