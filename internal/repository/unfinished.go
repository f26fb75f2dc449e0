package repository

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

const unfinishedMessage = "the key was being replaced and that did not end"

// replaced are the files of a backup that replacing its key replaces.
var replaced = []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile}

// isUnfinished reports whether the entry of a backup's folder is one that replacing its
// key has still to give its name.
func isUnfinished(entry share.Info) bool {
	for _, name := range replaced {
		if entry.Name == name+backup.NextSuffix && !entry.IsDir {
			return true
		}
	}
	return false
}

// choosePair finds the sums and the signature that belong together in a folder whose
// key was being replaced: each may still lie under its new name. Without a pair that
// fits the plain names stay, so that what is wrong with them is reported.
func (v *verification) choosePair(ctx context.Context) error {
	if !v.unfinished {
		return nil
	}
	v.add(backup.Finding{Code: string(fault.RewrapUnfinished), File: v.at(""), Message: unfinishedMessage})
	signers, err := v.signers(ctx)
	if err != nil || signers == nil {
		return err
	}
	names := []string{backup.NextSuffix, ""}
	for _, s := range names {
		for _, g := range names {
			sums, signature := backup.SumsFile+s, backup.SignatureFile+g
			fits, err := v.fits(ctx, sums, signature, signers)
			if err != nil {
				return err
			}
			if fits {
				v.sumsName, v.signatureName = sums, signature
				return nil
			}
		}
	}
	return nil
}

func (v *verification) fits(ctx context.Context, sumsName, signatureName string, signers []byte) (bool, error) {
	sums, err := v.owner.read(ctx, v.at(sumsName), maxSums)
	if err == nil {
		var signature []byte
		if signature, err = v.owner.read(ctx, v.at(signatureName), maxSmall); err == nil {
			_, err := seal.VerifySignature(sums, signature, signers)
			return err == nil, nil
		}
	}
	if missing(err) || isStrange(err) {
		return false, nil
	}
	return false, err
}

// chooseKey finds the file that holds the key the sums speak of, in a folder whose key
// was being replaced. Without one the plain name stays.
func (v *verification) chooseKey(ctx context.Context) error {
	if !v.unfinished {
		return nil
	}
	next := backup.KeyFile + backup.NextSuffix
	if v.sizes[next] > seal.MaxKeyFile {
		return nil // no key, and not worth reading
	}
	for _, want := range v.sums {
		if want.Name != backup.KeyFile {
			continue
		}
		got, err := v.owner.digest(ctx, v.at(next), nil)
		if err != nil && !missing(err) {
			return v.denied(ctx, next, err)
		}
		if err == nil && got.SHA256 == want.SHA256 {
			v.keyName = next
		}
	}
	return nil
}
