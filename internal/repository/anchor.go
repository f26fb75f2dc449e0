package repository

import (
	"context"
	"fmt"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// Limits of what is read of files that others may have put there.
const (
	maxAnchors     = 256 // files with names of anchors that are looked at, the newest
	maxAnchorTries = 3   // a file that was listed may have been removed by whoever wrote a newer one
)

// maxAnchorStep is how far numbers can be apart that were given one after the other. A file
// with a number beyond that is nobody's anchor, and takes no number from those that follow:
// else one file with the highest number would be the last that a share is told.
const maxAnchorStep = 1 << 20

// Anchors is what a share tells of how far settings and ledger are.
type Anchors struct {
	Newest     *backup.Anchor // the newest that is signed by a trusted key, nil without one
	Generation int64          // the highest number that a file can have, believed or not
	Strange    []StrangeAnchor
	// Staging is what was in staging/, where anchors lie; nil when that is no folder.
	Staging []share.Info
}

// StrangeAnchor is a file with the name of an anchor that cannot be believed.
type StrangeAnchor struct {
	File string
	Why  string
	// Claims is what it says when it is written as anchors are; nobody vouches for that.
	Claims *backup.Anchor
}

// ClaimsMore reports whether a file that cannot be believed claims to be newer than those
// that can, and would be one but for its signature.
func (a Anchors) ClaimsMore() bool {
	for _, s := range a.Strange {
		if s.Claims != nil && (a.Newest == nil || s.Claims.Generation > a.Newest.Generation) {
			return true
		}
	}
	return false
}

// anchorStore reads and writes anchors, in staging/.
type anchorStore struct{ files *folder.Folder }

// ReadAnchors reads what the share was told. Signers are the trusted keys. A share that
// was never told anything, because it was written by an earlier version, has none.
func (r anchorStore) ReadAnchors(ctx context.Context, signers []byte) (Anchors, error) {
	var found Anchors
	for range maxAnchorTries {
		generations, entries, err := r.anchorFiles(ctx)
		if err != nil {
			return Anchors{}, err
		}
		var again bool
		found, again, err = r.readAnchors(ctx, generations, signers)
		if found.Staging = entries; err != nil || !again {
			return found, err
		}
	}
	return found, nil
}

// anchorFiles returns the numbers of the files that are there, newest first, and all that
// is in staging/.
func (r anchorStore) anchorFiles(ctx context.Context) (generations []int64, entries []share.Info, err error) {
	entries, err = r.files.List(ctx, r.files.At(backup.StagingDir))
	if folder.IsMissing(err) || folder.IsUnusable(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries { // sorted by name, so by number
		if n, err := backup.ParseAnchorFile(entry.Name); err == nil { // a folder of this name takes the number, too
			generations = append(generations, n)
		}
	}
	slices.Reverse(generations)
	return generations, append([]share.Info{}, entries...), nil // not nil
}

func (r anchorStore) readAnchors(ctx context.Context, generations []int64, signers []byte) (found Anchors, again bool, err error) {
	defer func() { found.Generation = highest(generations, found.Newest) }()
	for i, n := range generations {
		if i == maxAnchors {
			break
		}
		name := r.anchorPath(n)
		data, err := r.files.Read(ctx, name, backup.MaxAnchorBytes)
		switch {
		case folder.IsMissing(err):
			again = true
			continue
		case folder.IsUnusable(err):
			found.Strange = append(found.Strange, StrangeAnchor{File: name, Why: err.Error()})
			continue
		case err != nil:
			return Anchors{}, false, err
		}
		a, err := r.parseAnchor(data, n, signers)
		if err == nil {
			found.Newest = &a
			return found, false, nil // what lies behind it is older
		}
		s := StrangeAnchor{File: name, Why: err.Error()}
		if a.Generation != 0 {
			s.Claims = &a
		}
		found.Strange = append(found.Strange, s)
	}
	return found, again, nil
}

// highest is the highest of the numbers that can have been given behind the newest anchor,
// or from the beginning when there is none.
func highest(generations []int64, newest *backup.Anchor) int64 {
	top := int64(0)
	if newest != nil {
		top = newest.Generation
	}
	for _, n := range slices.Backward(generations) {
		if n > top && n-top <= maxAnchorStep {
			top = n
		}
	}
	return top
}

func (r anchorStore) anchorPath(generation int64) string {
	return r.files.At(backup.StagingDir, backup.AnchorFile(generation))
}

// parseAnchor reads an anchor that others may have written. With an error, it returns
// what the anchor claims when it is written as anchors of this place are.
func (r anchorStore) parseAnchor(data []byte, generation int64, signers []byte) (backup.Anchor, error) {
	line, signature := ledger.Split(data)
	a, err := backup.DecodeAnchor(line)
	switch {
	case err != nil:
		return backup.Anchor{}, err
	case a.Generation != generation:
		return backup.Anchor{}, fmt.Errorf("this is anchor %d", a.Generation)
	case a.Instance != r.files.Instance():
		return backup.Anchor{}, fmt.Errorf("the anchor belongs to instance %s", a.Instance)
	}
	signer, err := seal.VerifySignature(line, signature, signers)
	if err == nil && signer != a.Signer {
		err = fmt.Errorf("the anchor names the signing key %s, its signature is by %s", a.Signer, signer)
	}
	return a, err
}

// WriteAnchor tells the share how far settings and ledger are, and then removes what it
// was told before. Generation is one more than [Anchors].Generation; instance and signer
// are filled in. It reports false when somebody else wrote this generation or a later one
// meanwhile.
//
// It may end at any moment: the new file gets its name when it is complete, and the old
// ones go afterwards, so that there is always one that was meant.
func (r anchorStore) WriteAnchor(ctx context.Context, a backup.Anchor, key *seal.SigningKey) (bool, error) {
	a.Instance, a.Signer, a.At = r.files.Instance(), key.Fingerprint(), a.At.UTC()
	line, err := a.Encode()
	if err != nil {
		return false, fault.New(fault.Internal, "create an anchor", err)
	}
	signature, err := key.Sign(line)
	if err != nil {
		return false, err
	}
	data := append(line, signature...)
	// Also when it is there: what has its place could be a link that leads elsewhere, which
	// looks like a folder to whoever writes into it.
	if err := r.files.MkdirAll(ctx, r.files.At(backup.StagingDir)); err != nil {
		return false, err
	}
	placed, err := r.files.CreateExclusive(ctx, r.anchorPath(a.Generation), data)
	if err != nil || !placed {
		return false, err
	}
	newest, err := r.clearAnchors(ctx, a.Generation)
	return newest, err
}

// clearAnchors removes the anchors before a generation, what attempts at them left, and
// what has a number that nobody gave. What is held open by somebody stays until the next one.
// It reports whether that generation is the newest.
func (r anchorStore) clearAnchors(ctx context.Context, before int64) (newest bool, err error) {
	entries, err := r.files.List(ctx, r.files.At(backup.StagingDir))
	if err != nil {
		return false, err
	}
	newest = true
	for _, entry := range entries {
		name, temporary := folder.FinalName(entry.Name)
		n, err := backup.ParseAnchorFile(name)
		if err != nil || n >= before && n-before <= maxAnchorStep {
			newest = newest && (err != nil || n == before || temporary || entry.IsDir)
			continue
		}
		if entry.IsDir { // it takes nobody's place, and may hold something
			continue
		}
		if _, err := folder.UnlessHeld(r.files.Remove(ctx, r.files.At(backup.StagingDir, entry.Name))); err != nil {
			return false, err
		}
	}
	return newest, nil
}
