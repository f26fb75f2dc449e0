package main

import (
	"context"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui/prompt"
)

// password comes from a file, from standard input ("-"), or from a prompt; never from
// an argument, which every process list shows.
func (a *app) password(ctx context.Context, file, what string) (secret.String, error) {
	password, err := a.readPassword(ctx, file, what)
	if err == nil && len(password.Reveal()) > settings.MaxPassword {
		err = fault.Usagef("the password is longer than %d bytes", settings.MaxPassword)
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
		return localfile.SecretLine(ctx, file)
	}
	if !prompt.IsTerminal(a.stdin) {
		return secret.String{}, fault.Usagef("no password is given: use --password-file F, or - for standard input")
	}
	return a.prompt().Password(ctx, what)
}

// prompt asks on standard error, and reads standard input.
func (a *app) prompt() prompt.Prompt { return prompt.Prompt{In: a.stdin, Out: a.stderr} }

// consent asks on a terminal whether a backup or a key is really to be deleted.
func (a *app) consent(ctx context.Context, yes bool, id string) error {
	if yes {
		return nil
	}
	if !a.terminal(a.stdin) {
		return fault.Usagef("deleting cannot be undone: add --yes to delete %s", id)
	}
	return a.prompt().Ask(ctx, "Deleting "+id+" cannot be undone.", "yes")
}
