package ad

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

const (
	// maxWhole is the size up to which a file is read as a whole before it is handed on,
	// so that a failure or a change in its middle costs nothing but another reading.
	maxWhole = 8 << 20
	// maxUnreadable bounds the files that are named because they could not be read.
	maxUnreadable = 100

	defaultSYSVOLPatience = 5 * time.Minute
	firstPause            = 100 * time.Millisecond
	longestPause          = 5 * time.Second
)

// passing are the failures of SYSVOL that may be over when it is tried again.
var passing = map[fault.Code]bool{fault.SourceUnreachable: true, fault.SourceIncomplete: true, fault.SourceChanging: true}

// again repeats a piece of work while it fails for a passing reason. The pauses of a
// whole capture are bounded, and those of one piece by part of that.
func (s *policyFiles) again(ctx context.Context, part int64, work func() error) error {
	left := s.config.SYSVOLPatience / time.Duration(part)
	for pause := min(firstPause, s.config.SYSVOLPatience/1000); ; pause = min(2*pause, longestPause) {
		err := work()
		if err == nil || s.sinkErr != nil || ctx.Err() != nil || !passing[fault.CodeOf(err)] {
			return err
		}
		if pause = min(pause, left, s.patience); pause <= 0 {
			return err
		}
		left, s.patience = left-pause, s.patience-pause
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return explainSYSVOL(ctx, "waiting for SYSVOL of "+s.host, ctx.Err())
		}
	}
}

// file captures one file, and tries again by itself. One that cannot be read costs
// itself only, as long as there is patience left for others.
func (s *policyFiles) file(ctx context.Context, name string) error {
	err := s.again(ctx, 10, func() error { return s.fileOnce(ctx, name) })
	if err == nil || s.sinkErr != nil || ctx.Err() != nil {
		return err
	}
	reason := ""
	switch code := fault.CodeOf(err); {
	case errors.Is(err, fs.ErrNotExist):
		reason = "It was removed while SYSVOL was read."
	case code == fault.SourceAccessDenied:
		reason = "The account lacks the right to read it."
	case passing[code] && s.patience > 0:
		reason = "It could not be read, and was tried again several times: " + fault.As(err).Message()
	default:
		return err
	}
	if m := gptPath.FindStringSubmatch(name); m != nil {
		s.note(m[1], gpt{unread: true})
	}
	if s.unreadable++; s.unreadable <= maxUnreadable {
		s.sink.Gap(backup.Gap{Code: SYSVOLUnreadable, Object: windowsPath(name), Count: 1, Reason: reason})
	}
	return nil
}

// fileOnce reads a file that must not change meanwhile.
func (s *policyFiles) fileOnce(ctx context.Context, name string) (err error) {
	what := "cannot read " + name + " of SYSVOL"
	f, err := s.files.Open(ctx, name)
	if err != nil {
		return explainSYSVOL(ctx, what, err)
	}
	r := &sysvolReader{policyFiles: s, ctx: ctx, what: what, name: name, f: f, sum: sha256.New()}
	defer func() { _ = r.f.Close() }() // only read, and all of it is here by then
	if r.before, err = f.Stat(); err != nil {
		return explainSYSVOL(ctx, what, err)
	}
	if s.ahead && !s.early.hasRoom(r.before.Size()) {
		return errFull
	}
	var content io.Reader = r
	var head bytes.Buffer
	if r.before.Size() <= maxWhole {
		whole := make([]byte, r.before.Size())
		if _, err := io.ReadFull(&faultReader{ctx: ctx, what: what, r: f}, whole); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fault.New(fault.SourceChanging, what+": it has become shorter", err)
		} else if err != nil {
			return err
		}
		if err := r.unchanged(); err != nil {
			return err
		}
		content = bytes.NewReader(whole)
	}
	s.sinkErr = s.sink.File(
		backup.Item{Kind: KindFile, ID: name, Name: windowsPath(name)},
		collect.FileInfo{Path: storedName(name), Size: r.before.Size(), Mode: 0o600, ModTime: r.before.ModTime()},
		io.TeeReader(content, &limitedBuffer{&head}))
	if s.sinkErr != nil {
		return s.sinkErr
	}
	if r.before.Size() > maxWhole {
		if s.sinkErr = r.confirm(); s.sinkErr != nil { // too late to read it again
			return s.sinkErr
		}
	}
	s.count++
	if m := gptPath.FindStringSubmatch(name); m != nil {
		s.note(m[1], gpt{version: gptVersion(head.Bytes())})
	}
	return nil
}

// sysvolReader reads a large file, and goes on where it was after a failure.
type sysvolReader struct {
	*policyFiles
	ctx    context.Context
	what   string
	name   string
	f      fs.File
	before fs.FileInfo
	offset int64
	sum    hash.Hash // of what was read
}

// unchanged makes sure that the file is as it was when it was opened.
func (r *sysvolReader) unchanged() error {
	after, err := r.f.Stat()
	if err != nil {
		return explainSYSVOL(r.ctx, r.what, err)
	}
	if after.Size() != r.before.Size() || !after.ModTime().Equal(r.before.ModTime()) {
		return fault.New(fault.SourceChanging, r.what+": it changed meanwhile", nil)
	}
	return nil
}

// confirm is unchanged, and asks again when there is no answer.
func (r *sysvolReader) confirm() error {
	lost, changed := false, error(nil)
	err := r.again(r.ctx, 2, func() error {
		if lost {
			f, err := r.files.Open(r.ctx, r.name)
			if err != nil {
				return explainSYSVOL(r.ctx, r.what, err)
			}
			_ = r.f.Close() // it was lost
			r.f = f
		}
		err := r.unchanged()
		if errors.Is(err, fault.SourceChanging) { // for good
			changed = err
			return nil
		}
		lost = err != nil
		return err
	})
	return errors.Join(err, changed)
}

// Read implements [io.Reader].
func (r *sysvolReader) Read(p []byte) (n int, err error) {
	n, err = r.f.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && n == 0 {
		failed := explainSYSVOL(r.ctx, r.what, err)
		err = r.again(r.ctx, 2, func() error {
			if failed == nil {
				failed = r.reopen()
			}
			if err := failed; err != nil {
				failed = nil
				return err
			}
			n, err = r.f.Read(p)
			if err != nil && !errors.Is(err, io.EOF) && n == 0 {
				return explainSYSVOL(r.ctx, r.what, err)
			}
			return nil
		})
	}
	r.sum.Write(p[:n])
	r.offset += int64(n)
	if n > 0 {
		err = nil // it comes again, if it lasts
	} else if err == nil {
		err = io.EOF
	}
	return n, err
}

// reopen opens the file again, makes sure that it is the same one, and skips what was
// read, which must be the same too.
func (r *sysvolReader) reopen() error {
	f, err := r.files.Open(r.ctx, r.name)
	if err != nil {
		return explainSYSVOL(r.ctx, r.what, err)
	}
	_ = r.f.Close() // it was lost
	r.f = f
	if err := r.unchanged(); err != nil {
		return err
	}
	again := sha256.New()
	if _, err := io.CopyN(again, f, r.offset); err != nil {
		return explainSYSVOL(r.ctx, r.what, err)
	}
	if !bytes.Equal(again.Sum(nil), r.sum.Sum(nil)) {
		return fault.New(fault.SourceChanging, r.what+": it changed meanwhile", nil)
	}
	return nil
}
