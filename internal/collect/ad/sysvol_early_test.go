package ad

import (
	"context"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

// watchedSYSVOL tells what is done with it.
type watchedSYSVOL struct {
	fakeSYSVOL
	opened, walked, closed *atomic.Int32
	onOpen                 func(name string)
}

func newWatchedSYSVOL(files fstest.MapFS) *watchedSYSVOL {
	return &watchedSYSVOL{
		fakeSYSVOL: fakeSYSVOL{files: files}, opened: &atomic.Int32{}, walked: &atomic.Int32{}, closed: &atomic.Int32{},
		onOpen: func(string) {},
	}
}

func (w *watchedSYSVOL) connect(context.Context) (FileSource, error) {
	w.opened.Add(1)
	return w, nil
}

func (w *watchedSYSVOL) Walk(ctx context.Context, root string, fn func(string, fs.FileInfo) error) error {
	w.walked.Add(1)
	return w.fakeSYSVOL.Walk(ctx, root, fn)
}

func (w *watchedSYSVOL) Open(ctx context.Context, name string) (fs.File, error) {
	w.onOpen(name)
	return w.fakeSYSVOL.Open(ctx, name)
}

func (w *watchedSYSVOL) Close() error {
	w.closed.Add(1)
	return nil
}

// kinds lists what came, in order: each kind once for those that follow each other.
func kinds(sink *collecttest.Recorder) (all []string) {
	for _, call := range sink.Calls() {
		if call.Gap == nil && call.Item.Kind != KindFolder {
			all = append(all, call.Item.Kind)
		}
	}
	return slices.Compact(all)
}

// TestSYSVOLBesideTheDirectory: the domain is not answered before the last file was
// opened, and still comes first.
func TestSYSVOLBesideTheDirectory(t *testing.T) {
	d := newFakeDC(t)
	read := make(chan struct{})
	w := newWatchedSYSVOL(sysvolFiles())
	w.onOpen = func(name string) {
		if name == "corp.test/scripts/login.cmd" {
			close(read)
		}
	}
	d.onSearch = func(q *fakeQuery) (bool, error) {
		<-read
		return false, nil
	}
	config := d.config()
	config.OpenSYSVOL = w.connect
	sink, err := collectOnce(t, t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, []string{record.Kind, KindFile}, kinds(sink))
	require.Equal(t, []int32{1, 1, 1}, []int32{w.opened.Load(), w.walked.Load(), w.closed.Load()})
}

// TestSYSVOLLargerThanMemory: what does not fit is read when the directory was written.
// Everything is there once and in the order of a capture for which there is room.
func TestSYSVOLLargerThanMemory(t *testing.T) {
	for name, sizes := range map[string][]int{
		"many files":            {1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1},
		"one that fits exactly": {maxEarly - 2*earlyBytes - 100, 1, 1},
		"one of the limit":      {maxEarly, 1},
		"a large one first":     {maxWhole + 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			var want []string
			for i, size := range sizes {
				name := "corp.test/scripts/" + string(rune('a'+i))
				files[name] = &fstest.MapFile{Data: make([]byte, size), ModTime: time.Unix(1_700_000_000, 0)}
				want = append(want, name)
			}
			w := newWatchedSYSVOL(files)
			config := newFakeDC(t).config()
			config.OpenSYSVOL = w.connect
			sink, err := collectOnce(t, t.Context(), config)
			require.NoError(t, err)
			var got []string
			for _, call := range sink.Calls() {
				if call.File != nil {
					got = append(got, call.Item.ID)
				}
			}
			require.Equal(t, want, got)
			require.Equal(t, []int32{1, 2, 1}, []int32{w.opened.Load(), w.walked.Load(), w.closed.Load()})
		})
	}
}

// TestSYSVOLAndTheDirectoryFailTogether: whichever fails ends the other one.
func TestSYSVOLAndTheDirectoryFailTogether(t *testing.T) {
	t.Run("the login to SYSVOL is refused", func(t *testing.T) {
		d := newFakeDC(t)
		d.onSearch = func(*fakeQuery) (bool, error) { return true, nil } // and never an answer
		config := d.config()
		config.StallTimeout = time.Hour
		opens := 0
		config.OpenSYSVOL = func(context.Context) (FileSource, error) {
			opens++
			return nil, fault.New(fault.ShareAuthFailed, "no", nil)
		}
		_, err := collectOnce(t, t.Context(), config)
		require.ErrorIs(t, err, fault.SourceAuthFailed)
		require.Equal(t, 1, opens)
	})
	t.Run("the directory fails while SYSVOL is read", func(t *testing.T) {
		d := newFakeDC(t)
		w := newWatchedSYSVOL(sysvolFiles())
		var begun sync.Once
		reading := make(chan struct{})
		w.onOpen = func(string) { begun.Do(func() { close(reading) }) }
		d.onSearch = func(*fakeQuery) (bool, error) {
			<-reading
			return false, errHangUp
		}
		config := d.config()
		config.OpenSYSVOL = w.connect
		_, err := collectOnce(t, t.Context(), config)
		require.ErrorIs(t, err, fault.SourceIncomplete)
		require.Equal(t, int32(1), w.closed.Load())
	})
}
