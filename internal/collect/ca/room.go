package ca

import (
	"context"

	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
)

const (
	// plannedBytes is the size of one backup that the product is made for. The CA's
	// folder may take all of it: what is beyond would not fit into spool and share, or
	// would keep the run busy for hours.
	plannedBytes = 10_000_000_000
	// foreignShare is the part of it that one file may take that is not the CA's.
	foreignShare = 4
	// maxStateBytes bounds a file of the CA's database: a million rows of 500 bytes.
	maxStateBytes = 512 << 20
)

// visitLarge looks at a file that is not read whole in the first pass, and decides by
// its size, before any of it is read, whether it is captured. The CA's own files are
// what the backup is for; others are captured as far as there is room.
func (s *survey) visitLarge(ctx context.Context, e entry) error {
	size := e.info.Size()
	if s.layout.inIssued(e.path) || s.isState(e.path) || pki.IsDatabaseName(e.path) {
		s.room -= size
		return nil
	}
	if s.ofOther(e.path) {
		s.foreign(e)
		return nil
	}
	head, err := s.folder.head(e)
	if err != nil {
		return err
	}
	switch {
	case !pki.LooksLikeCRL(e.path, head):
		s.foreign(e)
	case size > pki.MaxCRLBytes:
		s.findings.add(CRLUnreadable, e.path, "larger than %d MiB: captured, but not checked", pki.MaxCRLBytes>>20)
		s.room -= size
	default:
		s.crls = append(s.crls, e.path)
		s.room -= size
	}
	return ctx.Err()
}

// foreign decides about a large file that is not the CA's.
func (s *survey) foreign(e entry) {
	size := e.info.Size()
	if size <= s.limit/foreignShare && size <= s.room {
		s.room -= size
		return
	}
	s.leftOut[s.hash(e.path)] = true
	s.findings.add(TooLarge, e.path, "has %d bytes and is not the CA's: not captured; move it out of the folder, or back it up by other means", size)
}

// checkRoom fails a CA that is larger than a backup can be, before any of it is handed
// out.
func (s *survey) checkRoom() error {
	if s.room >= 0 {
		return nil
	}
	return fault.Newf(fault.LimitExceeded, "the files of the CA in %s have %d bytes, at most %d are possible", s.folder.dir, s.limit-s.room, s.limit)
}
