package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
)

// call is one call of the sink.
type call struct {
	Item     backup.Item
	Info     collect.FileInfo
	Digest   string
	Document string
}

// recorder is a sink that keeps everything but the bytes.
type recorder struct {
	calls []call
	gaps  []backup.Gap
	paths map[string]bool
	ids   map[string]bool
	// before, when set, runs before a file is read.
	before func(collect.FileInfo) error
}

var errRefused = errors.New("sink refuses")

func (r *recorder) claim(set *map[string]bool, key string) error {
	if *set == nil {
		*set = map[string]bool{}
	}
	if (*set)[key] {
		return errors.New("twice: " + key)
	}
	(*set)[key] = true
	return nil
}

func (r *recorder) Record(item backup.Item, document []byte) error {
	if !json.Valid(document) || slices.Contains(document, '\n') {
		return errors.New("record is not one line of JSON")
	}
	r.calls = append(r.calls, call{Item: item, Document: string(document)})
	return r.claim(&r.ids, item.Kind+"\x00"+item.ID)
}

func (r *recorder) File(item backup.Item, info collect.FileInfo, reader io.Reader) error {
	if r.before != nil {
		if err := r.before(info); err != nil {
			return err
		}
	}
	h := sha256.New()
	if n, err := io.CopyN(h, reader, info.Size); err != nil {
		return errors.Join(errors.New("short file"), err)
	} else if n != info.Size {
		return errors.New("short file")
	}
	r.calls = append(r.calls, call{Item: item, Info: info, Digest: hex.EncodeToString(h.Sum(nil))})
	return errors.Join(r.claim(&r.paths, info.Path), r.claim(&r.ids, item.Kind+"\x00"+item.ID))
}

func (r *recorder) Gap(gap backup.Gap) { r.gaps = append(r.gaps, gap) }

// codes are the different codes of the gaps, sorted.
func (r *recorder) codes() []string {
	codes := []string{}
	for _, gap := range r.gaps {
		codes = append(codes, gap.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func (r *recorder) byPath(path string) (call, bool) {
	for _, c := range r.calls {
		if c.Info.Path == path {
			return c, true
		}
	}
	return call{}, false
}

func (r *recorder) kinds(kind string) (out []call) {
	for _, c := range r.calls {
		if c.Item.Kind == kind {
			out = append(out, c)
		}
	}
	return out
}

func newTestCollector(t testing.TB, config Config, at time.Time) *Collector {
	t.Helper()
	c, err := New(config, func() time.Time { return at })
	require.NoError(t, err)
	c.pause = func(context.Context, time.Duration) error { return nil }
	return c
}

// collectAt captures dir as seen at the given time.
func collectAt(t testing.TB, dir string, at time.Time) (*recorder, collect.Capture) {
	t.Helper()
	sink := &recorder{}
	result, err := newTestCollector(t, Config{Dir: dir}, at).Collect(t.Context(), sink)
	require.NoError(t, err)
	return sink, result
}

// collectNow captures dir.
func collectNow(t testing.TB, dir string) (*recorder, collect.Capture) {
	t.Helper()
	return collectAt(t, dir, time.Now())
}

// collectError captures dir and returns the error.
func collectError(t testing.TB, dir string, sink *recorder) error {
	t.Helper()
	_, err := newTestCollector(t, Config{Dir: dir}, time.Now()).Collect(t.Context(), sink)
	require.Error(t, err)
	return err
}
