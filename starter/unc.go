package main

import (
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/share"
)

// parseUNC is [share.ParseUNC] for what an operator typed into a shell.
func parseUNC(text string) (share.UNC, error) {
	unc, err := share.ParseUNC(text)
	if err == nil || strings.HasPrefix(text, `\\`) || strings.HasPrefix(text, "//") {
		return unc, err
	}
	if strings.HasPrefix(text, `\`) || !strings.ContainsAny(text, `\/`) {
		f := *fault.As(err)
		f.What += `; it seems that the shell took backslashes out of it, so put it in single quotes: '\\server\share'`
		return unc, &f
	}
	return unc, err
}

// noteDomain says why a login may have been refused that looks right: a shell makes
// CORPbackup of CORP\backup.
func (a *app) noteDomain(username string, err error) {
	if fault.CodeOf(err) == fault.ShareAuthFailed && !strings.ContainsAny(username, `\@`) {
		a.say(`Note: the account %s has no domain. A shell takes the backslash out of DOMAIN\user, unless it is in single quotes.`, printable.Quote(username))
	}
}
