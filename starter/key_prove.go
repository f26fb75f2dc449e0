package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/table"
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
		Short: "Show that somebody still holds the private keys",
		Long: `Show that the private half of a key still exists, before the day it is needed.

--out writes one challenge for each key in force, an age file that only its private half
opens. Carry it to where the key is kept and open it there, with this program or with
stock age:

  age -d -i operator.key challenge-1.age

Bring back what that prints, and give it with --answer (- for standard input). The service
keeps only the digest of the answer; a challenge is good for seven days, and a newer one
replaces it.

--identity does both at once, where the private key is at hand.

"settings show" tells when each key was last proven, and warns when that was too long
ago (see "key set --prove-every").`,
		Example: `  infrabackup key prove --out challenges
  infrabackup key prove --answer answer.txt
  infrabackup key prove --identity operator.key`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			return a.prove(ctx, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "folder for the challenges, made when missing; challenges that lie there are not overwritten")
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
		return usage("give one of --out, --answer and --identity")
	}
	keys, err := identities(ctx, f.keyFiles)
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
	switch {
	case f.answer != "":
		state, err := c.Prove(ctx, answer, a.caller())
		if err != nil {
			return err
		}
		return a.printProven([]flow.KeyState{state})
	case f.out != "":
		return a.writeChallenges(ctx, c, f.out)
	}
	return a.proveAtOnce(ctx, c, keys)
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

// challengeFile is a challenge that was written.
type challengeFile struct {
	Fingerprint string `json:"fingerprint"`
	File        string `json:"file"`
}

func (a *app) writeChallenges(ctx context.Context, c controller, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fault.New(fault.Usage, "the folder for the challenges cannot be made", err)
	}
	// Looked at first: new challenges take the place of those that are there.
	if _, err := os.Lstat(challengePath(folder, 0)); err == nil {
		return localfile.Occupied(challengePath(folder, 0))
	}
	challenges, err := c.Challenges(ctx, a.caller())
	if err != nil {
		return err
	}
	var written []challengeFile
	for i, challenge := range challenges {
		file := challengePath(folder, i)
		if err := localfile.Create(file, secret.New(challenge.Text)); err != nil {
			return err
		}
		written = append(written, challengeFile{Fingerprint: challenge.Fingerprint, File: file})
	}
	a.say("Open each with its private key (age -d -i KEY FILE), then run `infrabackup key prove --answer FILE` with what that printed.")
	return a.print(map[string]any{"challenges": written}, func(w *tabwriter.Writer) {
		table.Line(w, "KEY", "CHALLENGE")
		for _, c := range written {
			table.Line(w, c.Fingerprint, c.File)
		}
	})
}

func challengePath(folder string, i int) string {
	return filepath.Join(folder, fmt.Sprintf("challenge-%d.age", i+1))
}

func (a *app) proveAtOnce(ctx context.Context, c controller, keys []seal.Identity) error {
	challenges, err := c.Challenges(ctx, a.caller())
	if err != nil {
		return err
	}
	var proven []flow.KeyState
	for _, challenge := range challenges {
		state, err := a.answer(ctx, c, challenge, keys)
		if fault.CodeOf(err) == fault.KeyDoesNotFit {
			continue
		}
		if err != nil {
			return err
		}
		proven = append(proven, state)
	}
	if len(proven) == 0 {
		return fault.Newf(fault.KeyDoesNotFit, "the given key is none of the %d that are in force", len(challenges))
	}
	return a.printProven(proven)
}

func (a *app) answer(ctx context.Context, c controller, challenge control.Challenge, keys []seal.Identity) (flow.KeyState, error) {
	answer, err := seal.AnswerChallenge([]byte(challenge.Text), keys)
	if err != nil {
		return flow.KeyState{}, err
	}
	return c.Prove(ctx, answer, a.caller())
}

func (a *app) printProven(proven []flow.KeyState) error {
	return a.print(map[string]any{"proven": proven}, func(w *tabwriter.Writer) {
		for _, k := range proven {
			table.Line(w, "Proven:", k.Fingerprint+", "+ui.Time(k.ProvenAt)+" by "+k.ProvenBy)
		}
	})
}
