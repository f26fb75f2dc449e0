package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/printable"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui/table"
)

// password comes from a file, from standard input ("-"), or from a prompt; never from
// an argument, which every process list shows.
func (a *app) password(ctx context.Context, file, prompt string) (secret.String, error) {
	password, err := a.readPassword(ctx, file, prompt)
	if err == nil && len(password.Reveal()) > settings.MaxPassword {
		err = usage("the password is longer than %d bytes", settings.MaxPassword)
	}
	if err != nil {
		return secret.String{}, err
	}
	return password, nil
}

func (a *app) readPassword(ctx context.Context, file, prompt string) (secret.String, error) {
	switch {
	case file == "-":
		text, err := a.readLine(ctx)
		if err != nil {
			return secret.String{}, fault.OfInput(ctx, "the password cannot be read from standard input", err)
		}
		line, err := secret.Text([]byte(strings.TrimRight(text, "\r\n")))
		if err != nil {
			return secret.String{}, fault.New(fault.Usage, "the password on standard input cannot be used", err)
		}
		return secret.New(string(line)), nil
	case file != "":
		return a.secretLine(ctx, file)
	}
	stdin, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return secret.String{}, usage("no password is given: use --password-file F, or - for standard input")
	}
	if _, err := io.WriteString(a.stderr, printable.Text(prompt)+": "); err != nil {
		return secret.String{}, fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := readHidden(ctx, int(stdin.Fd()))
	a.say("")
	if err != nil {
		return secret.String{}, fault.OfInput(ctx, "the password cannot be read", err)
	}
	return text, nil
}

// secretLine reads a secret that stands alone in a file, as [secretfile.ReadLine] does, or
// in what a shell makes of <(command).
func (a *app) secretLine(ctx context.Context, file string) (secret.String, error) {
	data, err := secret.File{MaxBytes: localfile.MaxBytes, Private: true, Descriptor: true}.Read(ctx, file)
	if err != nil && ctx.Err() == nil {
		return secret.String{}, secretfile.Unread(err)
	}
	if err != nil {
		return secret.String{}, fault.OfInput(ctx, "a file with a secret cannot be read", err)
	}
	return secretfile.ParseLine(file, data)
}

// readHidden reads a line from a terminal that does not show it. When ctx ends, or the
// terminal's quit key is pressed, the terminal shows again what is typed, and what was
// typed so far is thrown away, so that no shell gets it.
func readHidden(ctx context.Context, terminal int) (secret.String, error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGQUIT)
	defer stop()
	before, err := term.GetState(terminal)
	if err != nil {
		return secret.String{}, err
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		done <- result{text, err}
	}()
	select {
	case read := <-done:
		return secret.New(string(read.text)), read.err
	case <-ctx.Done():
		return secret.String{}, errors.Join(ctx.Err(), restoreTerminal(terminal, before))
	}
}

// readLine reads a line of standard input, with its end.
func (a *app) readLine(ctx context.Context) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(a.stdin, localfile.MaxBytes)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		done <- result{text, err}
	}()
	select {
	case read := <-done:
		return read.text, read.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ask wants one word before something that cannot be undone. Anything else is no.
func (a *app) ask(ctx context.Context, question, word string) error {
	if _, err := fmt.Fprintf(a.stderr, "%s Type %s to go on: ", printable.Text(question), word); err != nil {
		return fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := a.readLine(ctx)
	if err != nil {
		a.say("")
		return fault.OfInput(ctx, "the answer cannot be read", err)
	}
	if strings.TrimSpace(text) != word {
		return fault.Newf(fault.Cancelled, "nothing was done, because the answer was not %q", word)
	}
	return nil
}

// consent asks on a terminal whether a backup or a key is really to be deleted.
func (a *app) consent(ctx context.Context, yes bool, id string) error {
	if yes {
		return nil
	}
	if !a.terminal(a.stdin) {
		return usage("deleting cannot be undone: add --yes to delete %s", id)
	}
	return a.ask(ctx, "Deleting "+id+" cannot be undone.", "yes")
}

// trustedSigners reads an allowed_signers file with a key in it: an empty one would count
// as none, and the keys on the share would be trusted instead.
func trustedSigners(ctx context.Context, file string) ([]byte, error) {
	data, err := localfile.Read(ctx, "--allowed-signers", file, false)
	if err != nil {
		return nil, err
	}
	if data, err = operator.ParseSigners(data, table.SettingsLabels...); err != nil {
		return nil, usage("--allowed-signers: %s cannot be used (%s)", file, err)
	}
	keys, err := seal.ParseAllowedSigners(data)
	if err != nil {
		// It is the operator's file that is wrong, and no sign of a forged backup.
		return nil, fault.New(fault.Usage, "--allowed-signers: "+file+" cannot be used", fault.As(err).Unwrap())
	}
	if len(keys) == 0 {
		return nil, usage("--allowed-signers: %s has no key of %s; give a copy of the allowed_signers on the share, or lines as `infrabackup settings show` prints them: ssh-ed25519 AAAA...", file, backup.SignerIdentity)
	}
	return data, nil
}

// identities reads the operator's private keys.
func identities(ctx context.Context, files []string) ([]seal.Identity, error) {
	var all []seal.Identity
	for _, file := range files {
		data, err := localfile.Read(ctx, "--identity", file, true)
		if err != nil {
			return nil, err
		}
		found, err := seal.ParseIdentities(data)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
