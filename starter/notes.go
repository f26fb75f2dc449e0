package main

import (
	"context"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
)

// warn says what needs an operator's attention.
func (a *app) warn(warnings []string) {
	for _, warning := range warnings {
		a.say("Warning: %s.", warning)
	}
}

// warnMissing names the services that a backup has to contain and that nobody can
// capture now. What cannot be found out is no reason to fail.
func (a *app) warnMissing(ctx context.Context, c controller) {
	missing, err := c.Missing(ctx)
	if err == nil && len(missing) > 0 {
		a.say("Warning: no worker has a source for %s: the backup will lack that, and end as PartialSucceeded. See `infrabackup doctor`.", settings.Join(missing))
	}
}

// noteDomain says why a login may have been refused that looks right: a shell makes
// CORPbackup of CORP\backup.
func (a *app) noteDomain(username string, err error) {
	if fault.CodeOf(err) == fault.ShareAuthFailed && !strings.ContainsAny(username, `\@`) {
		a.say(`Note: the account %s has no domain. A shell takes the backslash out of DOMAIN\user, unless it is in single quotes.`, printable.Quote(username))
	}
}

// untrustedSigners is said where no list of trusted keys is known.
const untrustedSigners = "Note: without --allowed-signers the signing keys on the share are trusted; anyone who can write there could have changed them."

// noteUnknownSigners says that nothing is wrong if a key signs for the instance that is not
// on the operator's list, see [operator.LocalRepo.UnknownSigners]. The exit code stays that
// of an alarm, because only a person can tell.
func (a *app) noteUnknownSigners(ctx context.Context, repo *operator.LocalRepo, from storeFlags, check func(context.Context, []byte) ([]backup.Finding, error)) (unknown bool, err error) {
	if from.allowedSigners == "" {
		return false, nil
	}
	fingerprints, err := repo.UnknownSigners(ctx, check)
	for _, fingerprint := range fingerprints {
		a.say("Note: everything fits together if %s signs for this instance, which is on the share's list and not on yours. After `enable --adopt` this is so: compare it with what `infrabackup settings show` prints on a machine that you trust, and add it to your list. If it is not there, what it signed is a forgery.", fingerprint)
	}
	return len(fingerprints) > 0, err
}

// signedWarning is said where a share is to be used without encryption on the wire.
const signedWarning = "Warning: --transport signed sends data in clear over the network; the backups themselves stay encrypted."

// headUnknown says what a check without a head does not see.
const headUnknown = "Note: the ledger's newest entry was compared with nothing, so entries cut off at its end go unnoticed; see --ledger-head."

// noteTrust says that whoever can write to the share can also change whom it trusts.
func (a *app) noteTrust(repo *operator.LocalRepo) {
	if len(repo.Signers) == 0 {
		a.say(untrustedSigners)
	}
}
