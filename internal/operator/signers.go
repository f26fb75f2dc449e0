package operator

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
)

// ParseSigners makes an allowed_signers file of a list that may also have signing keys as
// settings are shown and as ssh-keygen has them in a .pub file: ssh-ed25519, the key, and
// perhaps its fingerprint, which then has to fit, or a comment. Labels are what may stand
// before a key.
func ParseSigners(data []byte, labels ...string) ([]byte, error) {
	var list bytes.Buffer
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		for _, label := range labels {
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
				return nil, fmt.Errorf("line %d: the key has the fingerprint %s, and not the one that follows it", n, fingerprint)
			}
		}
		list.WriteString(seal.AllowedSignersLine(public))
	}
	return list.Bytes(), nil
}

// ReadSigners reads a list of trusted keys that --allowed-signers names, see [ParseSigners]. It
// has to have a key: an empty one would count as none, and the keys on the share would be
// trusted instead.
func ReadSigners(ctx context.Context, file string, labels ...string) ([]byte, error) {
	data, err := localfile.Read(ctx, "--allowed-signers", file, false)
	if err != nil {
		return nil, err
	}
	if data, err = ParseSigners(data, labels...); err != nil {
		return nil, fault.Usagef("--allowed-signers: %s cannot be used (%s)", file, err)
	}
	keys, err := seal.ParseAllowedSigners(data)
	if err != nil {
		// It is the operator's file that is wrong, and no sign of a forged backup.
		return nil, fault.New(fault.Usage, "--allowed-signers: "+file+" cannot be used", fault.As(err).Unwrap())
	}
	if len(keys) == 0 {
		return nil, fault.Usagef("--allowed-signers: %s has no key of %s; give a copy of the allowed_signers on the share, or lines as `infrabackup settings show` prints them: ssh-ed25519 AAAA...", file, backup.SignerIdentity)
	}
	return data, nil
}

// Trust trusts the keys of a list. When the share's own list has the same keys, in whatever
// order and with whatever comments, that is taken, since the share's list is compared byte by
// byte with the trusted one.
func (o *LocalRepo) Trust(ctx context.Context, list []byte) {
	o.Signers = list
	onShare, err := o.Repo.AllowedSigners(ctx)
	if err != nil {
		return // what is wrong with it is found when it is used
	}
	if own, added, lacking := compareSigners(onShare, list); own && len(added) == 0 && len(lacking) == 0 {
		o.Signers = onShare
	}
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

// UnknownSigners tells a trusted list that is too old from a forged share: it lets check
// look again, with the keys on the share trusted besides the given ones. When that finds
// nothing wrong, all that is known is that somebody signed whom the list does not have: this
// instance's next controller, or whoever put himself in its place. Only a person can tell
// which, by the fingerprints that are returned; none otherwise.
func (o *LocalRepo) UnknownSigners(ctx context.Context, check func(ctx context.Context, signers []byte) ([]backup.Finding, error)) (fingerprints []string, err error) {
	if len(o.Signers) == 0 {
		return nil, nil
	}
	onShare, err := o.Repo.AllowedSigners(ctx)
	if err != nil {
		return nil, nil // what is wrong has been found already
	}
	own, added, lacking := compareSigners(onShare, o.Signers)
	if !own || len(added) == 0 || len(lacking) > 0 {
		return nil, nil // it was changed otherwise
	}
	findings, err := check(ctx, onShare)
	if err != nil || len(findings) > 0 {
		return nil, err
	}
	for _, key := range added {
		fingerprint, err := seal.SignerFingerprint(key)
		if err != nil {
			return nil, fault.New(fault.Internal, "a key that was read cannot be read", err)
		}
		fingerprints = append(fingerprints, fingerprint)
	}
	return fingerprints, nil
}
