package repository

import (
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
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

// backwards reports whether a folder whose key seems to be replaced is in an earlier
// state than the ledger says. The ledger is told when all that is new lies there and
// before any of it takes its place: so old sums are those of a replacement that did not
// end only when what lies beside them completes the newest state.
func (f folderFacts) backwards(s ledger.State) bool {
	if f.sums == s.SumsSHA256 || f.begun.fits && f.begun.sums == s.SumsSHA256 {
		return false
	}
	return s.WasEarlier(f.sums) || s.WasEarlier(f.begun.sums)
}

// readBegun finds out what the files that are to replace others would make of the
// folders that are not in the newest state.
func (l *look) readBegun(ctx context.Context) error {
	for i := range l.folders {
		f := &l.folders[i]
		s, known := l.ledger.State(f.id)
		if !f.unfinished || !known || s.Gone() || f.sums == s.SumsSHA256 {
			continue
		}
		b, err := l.owner.begun(ctx, path.Join(backup.BackupsDir, f.name), l.signers)
		if err != nil {
			return err
		}
		f.begun = b
	}
	return nil
}

// begun is the state of a folder in which every file that has a successor is replaced.
type begun struct {
	sums string // digest of its SHA256SUMS
	fits bool   // sums, signature and key belong together
}

// begun looks at what was begun in a folder, which is relative to the instance. Of a
// replacement that goes on meanwhile it sees the end: a successor is looked for before
// the file whose name it takes.
func (r *Repository) begun(ctx context.Context, dir string, signers []byte) (begun, error) {
	data := map[string][]byte{}
	for _, name := range replaced {
		for _, n := range []string{name + backup.NextSuffix, name} {
			got, err := r.files.Read(ctx, r.files.At(dir, n), folder.MaxSmall)
			if folder.IsMissing(err) {
				continue
			}
			if err != nil && !folder.IsUnusable(err) {
				return begun{}, err
			}
			data[name] = got // none of what is strange, so nothing fits
			break
		}
	}
	b := begun{sums: folder.Describe("", data[backup.SumsFile]).SHA256}
	signed, err := checkSums(r.files.At(dir), data[backup.SumsFile], data[backup.SignatureFile], signers)
	b.fits = err == nil && signed.of(backup.KeyFile) == folder.Describe("", data[backup.KeyFile]).SHA256
	return b, nil
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
	sums, err := v.owner.files.Read(ctx, v.at(sumsName), folder.MaxSums)
	if err == nil {
		var signature []byte
		if signature, err = v.owner.files.Read(ctx, v.at(signatureName), folder.MaxSmall); err == nil {
			_, err := seal.VerifySignature(sums, signature, signers)
			return err == nil, nil
		}
	}
	if folder.IsMissing(err) || folder.IsUnusable(err) {
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
