package smb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/guard"
)

const (
	// defaultBusyTimeout is how long a call waits for what somebody else has open, such as
	// a virus scanner, or our own handle on a lost connection. It is what a step that
	// has the work of a whole run behind it can afford, and less than such a step may
	// take.
	defaultBusyTimeout = 4 * time.Minute
	// shortBusyTimeout is the same for the opening of what is to be renamed or removed when
	// that is denied, which has other reasons most of the time.
	shortBusyTimeout = 4 * time.Second
	firstPause       = 50 * time.Millisecond
	longestPause     = 2 * time.Second
)

// header is of the answer that told an error, as the guard saw it.
type header = guard.Header

// change runs a call of the library that renames or removes, on a control connection,
// for as long as somebody else holds what it needs.
func (s *Store) change(ctx context.Context, what string, call func(*smb2.Share) error) error {
	return s.persist(ctx, what, true, func() (failed header, err error) {
		err = s.withConnection(ctx, what, func(c *connection) error {
			c.guard.Failure() // of an earlier call
			err := c.do(what, call)
			failed = c.guard.Failure()
			return err
		})
		return failed, err
	})
}

// persist repeats a call while it fails because of somebody else who will be done at
// some time. Call returns the answer that told the error. Changing says that it opens
// with a right to delete and then uses it.
//
// Servers refuse to rename a folder in which a file is open, and to delete a file that is
// mapped into memory, with the status of a right that is missing (MS-FSA 2.1.5.15.11,
// 2.1.5.15.3). Whoever lacks the right is refused when the name is opened, so that a
// refusal after that is waited for, and is SHARE_BUSY in the end.
func (s *Store) persist(ctx context.Context, what string, changing bool, call func() (header, error)) error {
	began := time.Now()
	timeout := s.config.BusyTimeout
	if deadline, ok := ctx.Deadline(); ok {
		// So that the caller gets the reason, not the end of its time.
		timeout = min(timeout, time.Until(deadline)*9/10)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		failed, err := call()
		limit := time.Duration(0)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fault.ShareBusy):
			limit = timeout
		case changing && errors.Is(err, fault.ShareAccessDenied) && failed.Command == guard.CommandSetInfo:
			limit = timeout
			err = fault.New(fault.ShareBusy, what, fmt.Errorf("%w for %v: another client has it open, or a file in it", statusError(failed.Status), time.Since(began).Round(time.Second)))
		case changing && errors.Is(err, fault.ShareAccessDenied):
			limit = min(timeout, shortBusyTimeout)
		}
		if time.Since(began)+pause > limit {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return s.ended(ctx, what)
		case <-s.life.Done():
			timer.Stop()
			return fault.New(fault.ShareIO, what, errClosed)
		}
	}
}
