package repository

import (
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
)

const unfinishedMessage = "the key was being replaced and that did not end"

// isRolledBack reports whether a folder whose key seems to be replaced is in an earlier
// state than the ledger says. The ledger is told when all that is new lies there and
// before any of it takes its place: so old sums are those of a replacement that did not
// end only when what lies beside them completes the newest state.
func (f folderFacts) isRolledBack(s ledger.State) bool {
	if f.sums == s.SumsSHA256 || f.pending.Fits && f.pending.Sums == s.SumsSHA256 {
		return false
	}
	return s.WasEarlier(f.sums) || s.WasEarlier(f.pending.Sums)
}

// readPending finds out what the files that are to replace others would make of the
// folders that are not in the newest state.
func (l *look) readPending(ctx context.Context) error {
	for i := range l.folders {
		f := &l.folders[i]
		s, known := l.ledger.State(f.id)
		if !f.unfinished || !known || s.Gone() || f.sums == s.SumsSHA256 {
			continue
		}
		b, err := l.owner.Pending(ctx, path.Join(backup.BackupsDir, f.name), l.signers)
		if err != nil {
			return err
		}
		f.pending = b
	}
	return nil
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
	v.sumsName, v.signatureName, err = v.owner.Pair(ctx, v.folder, signers)
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
		got, err := v.owner.files.Digest(ctx, v.at(next), nil)
		if err != nil && !folder.IsMissing(err) {
			return v.denied(ctx, next, err)
		}
		if err == nil && got.SHA256 == want.SHA256 {
			v.keyName = next
		}
	}
	return nil
}
