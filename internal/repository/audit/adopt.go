package audit

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// listedFindings is how many findings an error repeats.
const listedFindings = 3

// Adoption is what a new controller has to know of a share that holds backups of its
// instance.
type Adoption struct {
	Head     backup.LedgerHead // of the ledger, zero without one
	Signers  []string          // trusted signing keys, in the form of authorized_keys
	Backups  int               // on the share
	Unlisted []Unlisted        // backups that are to be entered in the ledger, newest first
	Findings []backup.Finding  // what does not keep from adopting
}

// Unlisted is a backup that is signed and that the ledger does not know: of a share
// without a ledger, or published by a controller that did not live to enter it.
type Unlisted struct {
	BackupID   backup.ID
	Folder     string // its name in backups/
	SumsSHA256 string // of its SHA256SUMS
	Recipients []backup.Recipient
}

// Adopt checks that the share can be gone on with: that ledger and backups are signed by
// the trusted keys, or those that they introduced in the ledger, or, when none are
// given, by those that the share itself lists.
// Parts are not read. BACKUP_FORGED or LEDGER_DAMAGED, with the first few findings,
// when something is forged or the ledger is damaged; all else that is wrong, such as a
// backup that is missing, is returned. That a ledger was cut or rolled back cannot be
// seen without its head. Own are the keys of the controller itself, whose entries an
// earlier attempt may have made. Nothing is written.
func Adopt(ctx context.Context, repo *repository.Repository, trusted []byte, own ...string) (Adoption, error) {
	snap, err := settled(ctx, repo, Options{AllowedSigners: trusted, ownKeys: own, Head: &backup.LedgerHead{}})
	if err != nil {
		return Adoption{}, err
	}
	keys, err := seal.ParseAllowedSigners(snap.signers)
	if err != nil {
		return Adoption{}, err
	}
	if len(keys) == 0 && !snap.empty() {
		return Adoption{}, fault.Newf(fault.BackupForged, "no signing key is known for %s: give a copy of %s", repo, backup.AllowedSignersFile)
	}
	signed, err := snap.signedManifests(ctx)
	if err != nil {
		return Adoption{}, err
	}
	if err := snap.refuse(); err != nil {
		return Adoption{}, err
	}
	a := Adoption{Head: snap.ledger.Head(), Signers: keys, Backups: len(snap.folders)}
	for i, f := range snap.folders {
		if _, known := snap.ledger.State(f.id); known || signed[i] == nil {
			continue
		}
		a.Unlisted = append(a.Unlisted, Unlisted{BackupID: f.id, Folder: f.name, SumsSHA256: f.sums, Recipients: signed[i].Recipients})
	}
	a.Findings = append(a.Findings, snap.found.List...)
	return a, nil
}

// signedManifests checks the signature of every backup's sums and, of those that are good,
// returns the manifest.
func (snap *snapshot) signedManifests(ctx context.Context) ([]*backup.Manifest, error) {
	signed := make([]*backup.Manifest, len(snap.folders))
	wrong := make([][]backup.Finding, len(snap.folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(folder.ParallelReads)
	for i, f := range snap.folders {
		group.Go(func() error {
			v := newVerification(snap.repo, f.id, path.Join(backup.BackupsDir, f.name), VerifyOptions{AllowedSigners: snap.signers})
			for _, step := range []func(context.Context) error{v.listFolder, v.choosePair, v.readSums, v.checkSignature, v.checkManifestFile, v.checkManifest} {
				if err := step(ctx); err != nil && !folder.IsMissing(err) {
					return err
				}
			}
			wrong[i] = v.verdict.Findings
			if len(wrong[i]) == 0 {
				signed[i] = v.manifest
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, w := range wrong {
		snap.found.Take(w...)
	}
	return signed, nil
}

// SignedManifest returns the manifest of a backup whose signature is by one of signers; of
// one whose key is being replaced, too. The codes are those of what is wrong otherwise.
func SignedManifest(ctx context.Context, repo *repository.Repository, id backup.ID, signers []byte) (*backup.Manifest, error) {
	dir, err := repo.Locate(ctx, id)
	if err != nil {
		return nil, err
	}
	v := newVerification(repo, id, dir, VerifyOptions{AllowedSigners: signers})
	for _, step := range []func(context.Context) error{v.listFolder, v.choosePair, v.readSums, v.checkSignature, v.checkManifestFile, v.checkManifest} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for _, f := range v.verdict.Findings {
		if f.Code != string(fault.RewrapUnfinished) {
			return nil, fault.Newf(fault.Code(f.Code), "%s: %s", f.File, f.Message)
		}
	}
	if v.manifest == nil {
		return nil, fault.Newf(fault.BackupDamaged, "%s has no manifest that can be read", repo.Files().At(dir))
	}
	return v.manifest, nil
}

// checkManifestFile compares the manifest, and nothing else, with the sums.
func (v *verification) checkManifestFile(ctx context.Context) error {
	for _, want := range v.sums {
		if want.Name == backup.ManifestFile {
			return v.readFile(ctx, want, nil)
		}
	}
	return nil
}

// refuse makes an error of findings with which nothing on the share can be relied on.
func (snap *snapshot) refuse() error {
	var first fault.Code
	var said []string
	for _, f := range snap.found.List {
		code := fault.Code(f.Code)
		if code != fault.BackupForged && code != fault.LedgerDamaged {
			continue
		}
		if first == "" {
			first = code
		}
		if len(said) == listedFindings {
			said = append(said, "…")
			break
		}
		said = append(said, f.File+": "+f.Message)
	}
	if first == "" {
		return nil
	}
	return fault.Newf(first, "%s cannot be adopted: %s", snap.repo, strings.Join(said, "; "))
}
