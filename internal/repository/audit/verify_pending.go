package audit

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

const unfinishedMessage = "the key was being replaced and that did not end"

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
	v.sumsName, v.signatureName, err = v.repo.Pair(ctx, v.folder, signers)
	return err
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
		got, err := v.files.Digest(ctx, v.at(next), nil)
		if err != nil && !folder.IsMissing(err) {
			return v.denied(ctx, next, err)
		}
		if err == nil && got.SHA256 == want.SHA256 {
			v.keyName = next
		}
	}
	return nil
}
