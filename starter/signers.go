package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// settingsLabels are what "settings show" prints before a signing key.
var settingsLabels = []string{signingLabel, formerLabel}

const (
	signingLabel = "Signing key:"
	formerLabel  = "Signed before:"
)

// untrustedSigners is said where no list of trusted keys is known.
const untrustedSigners = "Note: without --allowed-signers the signing keys that lie on the share are trusted; whoever can write there could have changed them."

// signersList makes an allowed_signers file of one that may also have signing keys as
// "settings show" prints them and as ssh-keygen has them in a .pub file: ssh-ed25519, the
// key, and perhaps its fingerprint, which then has to fit, or a comment.
func signersList(data []byte) ([]byte, error) {
	var list bytes.Buffer
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		for _, label := range settingsLabels {
			line = strings.TrimSpace(strings.TrimPrefix(line, label))
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "ssh-ed25519" {
			list.WriteString(line + "\n")
			continue
		}
		public := fields[0] + " " + fields[1]
		fingerprint, err := seal.SignerFingerprint(public)
		if err != nil {
			return nil, fmt.Errorf("line %d: the key cannot be read", n)
		}
		for _, field := range fields[2:] {
			if strings.HasPrefix(field, "SHA256:") && field != fingerprint {
				return nil, fmt.Errorf("line %d: the key has the fingerprint %s, and not the one that stands after it", n, fingerprint)
			}
		}
		list.WriteString(seal.AllowedSignersLine(public))
	}
	return list.Bytes(), nil
}

// asOnShare returns the share's own list of signers when it has the same keys as a
// trusted one, in whatever order and with whatever comments: the share's list is compared
// byte by byte with the trusted one.
func (o *opened) asOnShare(ctx context.Context, trusted []byte) []byte {
	onShare, err := o.repo.AllowedSigners(ctx)
	if err != nil {
		return trusted // what is wrong with it is found when it is used
	}
	own, added, lacking := compareSigners(onShare, trusted)
	if !own || len(added) > 0 || len(lacking) > 0 {
		return trusted
	}
	return onShare
}

// compareSigners returns the keys that a list on the share has beyond a trusted one, and
// those that it lacks. Own reports whether it is written as this product writes it.
func compareSigners(onShare, trusted []byte) (own bool, added, lacking []string) {
	there, err := seal.ParseAllowedSigners(onShare)
	if err != nil {
		return false, nil, nil
	}
	given, err := seal.ParseAllowedSigners(trusted)
	if err != nil {
		return false, nil, nil
	}
	for _, key := range there {
		if !slices.Contains(given, key) {
			added = append(added, key)
		}
	}
	for _, key := range given {
		if !slices.Contains(there, key) {
			lacking = append(lacking, key)
		}
	}
	return bytes.Equal(seal.AllowedSigners(there...), onShare), added, lacking
}

// noteUnknownSigners tells a list that is too old from a forged share: it looks again,
// with the keys on the share trusted besides the given ones. When nothing is wrong then,
// all that is known is that somebody signed whom the list does not have: this instance's
// next controller, or whoever put himself in its place. The exit code stays that of an
// alarm, because only a person can tell which.
func (a *app) noteUnknownSigners(ctx context.Context, o *opened, from storeFlags, check func(context.Context, []byte) ([]backup.Finding, error)) (unknown bool, err error) {
	if from.allowedSigners == "" || len(o.signers) == 0 {
		return false, nil
	}
	onShare, err := o.repo.AllowedSigners(ctx)
	if err != nil {
		return false, nil // what is wrong has been found already
	}
	own, added, lacking := compareSigners(onShare, o.signers)
	if !own || len(added) == 0 || len(lacking) > 0 {
		return false, nil // it was changed otherwise
	}
	findings, err := check(ctx, onShare)
	if err != nil || len(findings) > 0 {
		return false, err
	}
	for _, key := range added {
		fingerprint, err := seal.SignerFingerprint(key)
		if err != nil {
			return false, fault.New(fault.Internal, "a key that was read cannot be read", err)
		}
		a.say("Note: everything fits together if %s signs for this instance, which is on the share's list and not on yours. After `enable --adopt` this is so: compare it with what `infrabackup settings show` prints on a machine that you trust, and add it to your list. If it is not there, somebody forged what it signed.", fingerprint)
	}
	return true, nil
}
