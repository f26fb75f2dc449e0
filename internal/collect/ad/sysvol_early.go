package ad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

const (
	// maxEarly bounds what of SYSVOL is kept in memory until the directory was written.
	maxEarly = 4 << 20
	// earlyBytes is about what a file takes beside its content.
	earlyBytes = 1 << 10
)

// errFull says that the rest of SYSVOL has to wait for the directory.
var errFull = errors.New("nothing more is read ahead")

// readAhead reads the beginning of SYSVOL while the directory is read. It ends at the
// first file or folder that cannot be read, and where memory is full:
// [policyFiles.write] goes on there, with all its patience, so that what is captured and
// in which order is the same as without. Only a login that is refused for good ends the
// capture here: it must not be repeated.
func (s *policyFiles) readAhead(ctx context.Context) error {
	defer close(s.ended)
	domain := dnsDomain(s.of.root.domain)
	if s.config.OpenSYSVOL == nil || domain == "" {
		return nil
	}
	files, err := s.openSYSVOL(ctx)
	if err != nil {
		if passing[fault.CodeOf(err)] {
			return nil
		}
		return err
	}
	s.files, s.sink, s.ahead = files, &s.early, true
	s.complete = s.capture(ctx, domain) == nil
	s.ahead, s.sinkErr = false, nil
	return nil
}

// early is a sink that keeps what it gets, up to [maxEarly].
type early struct {
	calls []func(to collect.Sink) error
	bytes int64
}

var _ collect.Sink = (*early)(nil)

func (e *early) hasRoom(size int64) bool { return size <= maxEarly-earlyBytes-e.bytes }

func (e *early) add(size int64, call func(to collect.Sink) error) error {
	if !e.hasRoom(size) {
		return errFull
	}
	e.bytes += size + earlyBytes
	e.calls = append(e.calls, call)
	return nil
}

// Record implements [collect.Sink].
func (e *early) Record(item backup.Item, document []byte) error {
	document = bytes.Clone(document)
	return e.add(int64(len(document)), func(to collect.Sink) error { return to.Record(item, document) })
}

// File implements [collect.Sink].
func (e *early) File(item backup.Item, info collect.FileInfo, r io.Reader) error {
	if !e.hasRoom(info.Size) {
		return errFull
	}
	content := make([]byte, info.Size)
	if _, err := io.ReadFull(r, content); err != nil {
		return fmt.Errorf("keep %s: %w", info.Path, err)
	}
	return e.add(info.Size, func(to collect.Sink) error { return to.File(item, info, bytes.NewReader(content)) })
}

// Gap implements [collect.Sink].
func (e *early) Gap(gap backup.Gap) {
	e.calls = append(e.calls, func(to collect.Sink) error {
		to.Gap(gap)
		return nil
	})
}

// handOver gives another sink what was kept.
func (e *early) handOver(to collect.Sink) error {
	for i, call := range e.calls {
		if err := call(to); err != nil {
			return err
		}
		e.calls[i] = nil // its bytes are not needed any more
	}
	return nil
}
