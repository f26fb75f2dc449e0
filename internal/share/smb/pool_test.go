package smb

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/share/smb/guard"
)

func newPipe(t *testing.T) *connection {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	c := newConnection(guard.New(ours, guard.Dialect311, true, "fs"), time.Minute)
	t.Cleanup(func() { c.fail(errFinished) })
	return c
}

func TestPool(t *testing.T) {
	ctx := t.Context()
	p := newPool(3)
	take := func() *connection {
		c, err := p.take(ctx)
		require.NoError(t, err)
		return c
	}
	a, b, broken := newPipe(t), newPipe(t), newPipe(t)
	for range 3 {
		require.Nil(t, take(), "there is none yet")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err := p.take(gone)
	require.ErrorIs(t, err, context.Canceled, "three are in use")

	p.give(a)
	p.give(b)
	p.give(broken)
	broken.fail(errStalled)
	require.Same(t, b, take(), "the last one used that still works")
	p.give(b)

	p.dropOld(time.Now().Add(maxIdle - time.Second))
	require.False(t, a.dead())
	p.dropOld(time.Now().Add(maxIdle + time.Second))
	require.True(t, a.dead(), "it was not needed for a while")
	require.False(t, b.dead(), "the newest one is kept")
	require.Same(t, b, take())
	require.Nil(t, take())
	require.Nil(t, take())
	p.give(nil)
	p.give(nil)
	b.fail(errStalled)
	p.give(b)
	require.Nil(t, take())
	p.give(nil)
	p.close()
}
