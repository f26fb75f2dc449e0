package main

import (
	"context"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui/prompt"
	"infrabackup/internal/ui/table"
)

// password comes from a file, from standard input ("-"), or from a prompt; never from
// an argument, which every process list shows.
func (a *app) password(ctx context.Context, file, what string) (secret.String, error) {
	password, err := a.readPassword(ctx, file, what)
	if err == nil && len(password.Reveal()) > settings.MaxPassword {
		err = usage("the password is longer than %d bytes", settings.MaxPassword)
	}
	if err != nil {
		return secret.String{}, err
	}
	return password, nil
}

func (a *app) readPassword(ctx context.Context, file, what string) (secret.String, error) {
	switch {
	case file == "-":
		text, err := a.prompt().Line(ctx)
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
	if !prompt.IsTerminal(a.stdin) {
		return secret.String{}, usage("no password is given: use --password-file F, or - for standard input")
	}
	return a.prompt().Password(ctx, what)
}

// prompt asks on standard error, and reads standard input.
func (a *app) prompt() prompt.Prompt { return prompt.Prompt{In: a.stdin, Out: a.stderr} }

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

// consent asks on a terminal whether a backup or a key is really to be deleted.
func (a *app) consent(ctx context.Context, yes bool, id string) error {
	if yes {
		return nil
	}
	if !a.terminal(a.stdin) {
		return usage("deleting cannot be undone: add --yes to delete %s", id)
	}
	return a.prompt().Ask(ctx, "Deleting "+id+" cannot be undone.", "yes")
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
