package capture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/repository"
	"infrabackup/internal/spool"
)

const (
	// minEarly is the size from which on a part is uploaded while it is captured: for a
	// smaller one connections of its own are not worth their logins.
	minEarly = 8 << 20
	// unattended is how long a sender goes on after the capture, until an attempt to
	// complete the upload finds it.
	unattended = 10 * time.Second
	// removing bounds how long a capture that failed takes to remove what was sent of it.
	removing = 5 * time.Second
)

// errSmall ends a sender whose part is too small to be sent early.
var errSmall = errors.New("the part is uploaded when it is captured")

// sentFile names a file that is being sent.
type sentFile struct {
	id   backup.ID
	name string
}

// sender uploads a part and reads it back while it is still captured. It is a gain of time
// and nothing else: what becomes of it does not matter to the capture, and [Upload.Part], which
// waits for it, uploads what it did not. It outlives the capture for a short time, because the
// two are activities of their own: so that a part which was captured completely survives a
// crash, and is not captured again, whatever had been uploaded of it.
type sender struct {
	file   sentFile
	token  string
	owner  *Senders
	cancel context.CancelFunc
	done   chan struct{}
	repo   *repository.Repository   // when it has begun to send; valid when done is closed
	err    error                    // valid when done is closed; nil when all of the part is on the share
	to     atomic.Pointer[Progress] // of who waits
	timer  *time.Timer              // of unattended; guarded by owner
}

// Senders upload parts while they are captured, each until [Upload.Part] takes it over.
type Senders struct {
	mu      sync.Mutex
	running map[sentFile]*sender
}

// NewSenders returns none yet.
func NewSenders() *Senders { return &Senders{running: map[sentFile]*sender{}} }

// start begins to upload a part that is about to be captured.
func (x *Senders) start(ctx context.Context, open func(context.Context) (*repository.Repository, error), spool *spool.Spool, part *File) (*sender, error) {
	src, err := spool.Follow(part.id, part.name, part.file)
	if err != nil {
		return nil, err // a later attempt has its place
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &sender{file: sentFile{part.id, part.name}, token: newToken(), owner: x, cancel: cancel, done: make(chan struct{})}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running[s.file] = s
	go func() {
		defer close(s.done)
		defer cancel()
		s.err = errors.Join(s.send(sending, open, spool, part.blocks, src), src.Close())
	}()
	return s, nil
}

// newToken tells one capture's upload from another's.
func newToken() string {
	var token [8]byte
	_, _ = rand.Read(token[:]) // never fails
	return hex.EncodeToString(token[:])
}

func (s *sender) send(ctx context.Context, open func(context.Context) (*repository.Repository, error), kept *spool.Spool, blocks *blocksum.Table, src io.ReaderAt) error {
	end, _, err := blocks.Wait(ctx, minEarly)
	if err != nil {
		return err
	}
	if end <= minEarly {
		return errSmall
	}
	repo, err := open(ctx)
	if err != nil {
		return err
	}
	// Attempts before this one may have left almost all of the part, open still or not.
	clearing, cancel := context.WithTimeout(ctx, removing)
	_ = repo.RemoveSent(clearing, s.file.id, s.file.name) // publishing removes what is left
	cancel()
	s.repo = repo
	return repo.Send(ctx, s.file.id, s.file.name, src, repository.UploadOptions{
		Token:  s.token,
		Blocks: blocks,
		Flushed: func(offset int64) error {
			return kept.SaveJournal(s.file.id, s.file.name, spool.Journal{Target: s.token, Flushed: offset})
		},
		ReadBack: func(done int64) {
			if to := s.to.Load(); to != nil {
				(*to).SetBytes(done)
			}
		},
	})
}

// captured tells a sender that the capture has ended, and how. What was sent of one that
// failed is removed, where that is quick: nothing of it can be used, and as much as a whole
// part may be missing for the next attempt.
func (s *sender) captured(ctx context.Context, well bool) {
	if well {
		s.owner.mu.Lock()
		defer s.owner.mu.Unlock()
		s.timer = time.AfterFunc(unattended, s.cancel)
		return
	}
	s.stop()
	if s.repo == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removing)
	defer cancel()
	_ = s.repo.RemoveSent(ctx, s.file.id, s.file.name) // the next attempt tries it, too
}

// stop ends a sender and waits until it does nothing more.
func (s *sender) stop() {
	s.owner.mu.Lock()
	if s.owner.running[s.file] == s {
		delete(s.owner.running, s.file)
	}
	s.owner.mu.Unlock()
	s.cancel()
	<-s.done
}

// take hands over the sender of a file, nil when none runs here.
func (x *Senders) take(file sentFile) *sender {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.running[file]
	if s == nil {
		return nil
	}
	delete(x.running, file)
	if s.timer != nil {
		s.timer.Stop()
	}
	return s
}

// StopAll ends all, and waits for them.
func (x *Senders) StopAll() { x.stop(func(sentFile) bool { return true }) }

// StopBefore ends, before a service is captured, what is sent of earlier backups, and by
// earlier captures of it.
func (x *Senders) StopBefore(id backup.ID, service backup.Service) {
	x.stop(func(f sentFile) bool { return f.id != id || f.name == spool.PartName(service) })
}

// Stop ends what is sent of a service's part, or of all parts of the backup when service is
// empty.
func (x *Senders) Stop(id backup.ID, service backup.Service) {
	x.stop(func(f sentFile) bool { return f.id == id && (service == "" || f.name == spool.PartName(service)) })
}

// stop ends those that are not wanted any more, and waits for them.
func (x *Senders) stop(unwanted func(sentFile) bool) {
	x.mu.Lock()
	var ending []*sender
	for file, s := range x.running {
		if unwanted(file) {
			ending = append(ending, s)
		}
	}
	x.mu.Unlock()
	for _, s := range ending {
		s.stop()
	}
}

// wait waits until a sender has ended, which it does at once when ctx ends, and returns
// whether all of the part is on the share.
func (s *sender) wait(ctx context.Context, to Progress) error {
	s.to.Store(&to)
	select {
	case <-s.done:
	case <-ctx.Done():
		s.stop()
		return ctx.Err()
	}
	return s.err
}
