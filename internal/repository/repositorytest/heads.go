package repositorytest

import (
	"context"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/ledger"
)

// ErrAway is what a head store says that does not answer.
var ErrAway = fault.Newf(fault.TemporalUnreachable, "the head store is away")

// Heads is a head store in memory.
type Heads struct {
	mu        sync.Mutex
	Newest    backup.LedgerHead
	Fails     bool // it does not answer
	Announced int  // how often
	Withdrawn int
}

// Head implements [ledger.HeadStore].
func (h *Heads) Head(context.Context) (backup.LedgerHead, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Fails {
		return backup.LedgerHead{}, ErrAway
	}
	return h.Newest, nil
}

// Advance implements [ledger.HeadStore].
func (h *Heads) Advance(_ context.Context, from, to backup.LedgerHead) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.Fails:
		return ErrAway
	case h.Newest != from && h.Newest != to:
		return fault.Newf(fault.SettingsChanged, "another entry came first")
	}
	h.Newest = to
	return nil
}

// Restart implements [ledger.HeadStore].
func (h *Heads) Restart(ctx context.Context, from, to backup.LedgerHead, _ string) error {
	return h.Advance(ctx, from, to)
}

// Announce implements [ledger.HeadStore].
func (h *Heads) Announce(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Announced++
	return nil
}

// Withdraw implements [ledger.HeadStore].
func (h *Heads) Withdraw(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Withdrawn++
	return nil
}

// Writer is one of the controller.
func (k *Fixture) Writer(repo ledger.Instance, h ledger.HeadStore) *ledger.Writer {
	return ledger.NewWriter(repo, h, ledger.WriterOptions{
		Controller: Controller, Key: k.Key, Trusted: k.Signers, Current: k.Signers, Now: k.Clock.UTC,
	})
}
