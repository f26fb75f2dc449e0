package ad

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

// hiccups is a FileSource that fails now and then.
type hiccups struct {
	fakeSYSVOL
	mu    sync.Mutex
	calls map[string]int
	// fails says how the n-th call (from 1) of a kind (open, stat, read, walk, close) on
	// a file fails.
	fails func(kind, name string, n int) error
}

func (h *hiccups) fail(kind, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[kind+" "+name]++
	return h.fails(kind, name, h.calls[kind+" "+name])
}

func (h *hiccups) Walk(ctx context.Context, root string, fn func(string, fs.FileInfo) error) error {
	err := h.fakeSYSVOL.Walk(ctx, root, func(name string, info fs.FileInfo) error {
		if err := h.fail("walk", name); err != nil {
			return fmt.Errorf("list: %w", err)
		}
		return fn(name, info)
	})
	return err
}

func (h *hiccups) Open(ctx context.Context, name string) (fs.File, error) {
	if err := h.fail("open", name); err != nil {
		return nil, err
	}
	f, err := h.fakeSYSVOL.Open(ctx, name)
	return &hiccup{File: f, source: h, name: name}, err
}

type hiccup struct {
	fs.File
	source *hiccups
	name   string
}

func (h *hiccup) Stat() (fs.FileInfo, error) {
	if err := h.source.fail("stat", h.name); err != nil {
		return nil, err
	}
	return h.File.Stat()
}

func (h *hiccup) Read(p []byte) (int, error) {
	if err := h.source.fail("read", h.name); err != nil {
		return 0, err
	}
	return h.File.Read(p[:min(len(p), 1<<20)])
}

func (h *hiccup) Close() error {
	if err := h.source.fail("close", h.name); err != nil {
		return err
	}
	return h.File.Close()
}

var (
	errLost   = fault.New(fault.ShareUnreachable, "lost", io.ErrUnexpectedEOF)
	errSigned = fault.New(fault.ShareProtocol, "signing required", nil)
	errInUse  = fault.New(fault.ShareBusy, "in use", nil)
	errDenied = fault.New(fault.ShareAccessDenied, "denied", nil)
	errGone   = fault.New(fault.SharePathNotFound, "gone", fs.ErrNotExist)
)

const largeFile = "corp.test/scripts/setup.msi"

// capture runs a whole capture of AD with failures in SYSVOL and tells what came of it,
// how often the domain was read, and how often SYSVOL was.
func captureWithHiccups(t *testing.T, patience time.Duration, fails func(kind, name string, n int) error) (content map[string]string, gaps []backup.Gap, reads, opens int, err error) {
	d := newFakeDC(t)
	d.add("CN="+policyID+",CN=Policies,CN=System,"+fakeDomain, map[string][]string{
		"objectClass": {"top", "container", "groupPolicyContainer"}, "cn": {policyID}, "versionNumber": {"65537"},
	})
	files := sysvolFiles()
	large := make([]byte, maxWhole+1_234_567)
	for i := range large {
		large[i] = byte(i >> 8 * 7)
	}
	files[largeFile] = &fstest.MapFile{Data: large, ModTime: time.Unix(1_700_000_000, 0)}
	source := &hiccups{fakeSYSVOL: fakeSYSVOL{files: files}, calls: map[string]int{}, fails: fails}
	config := d.config()
	config.SYSVOLPatience = patience
	var readings atomic.Int32
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if q.base == fakeDomain && q.page == 0 {
			readings.Add(1)
		}
		return false, nil
	}
	config.OpenSYSVOL = func(context.Context) (FileSource, error) {
		opens++
		if err := source.fail("connect", ""); err != nil {
			return nil, err
		}
		return source, nil
	}
	c, err := New(config)
	require.NoError(t, err)
	content = map[string]string{}
	sink := &collecttest.Recorder{Keep: func(info collect.FileInfo, b []byte) {
		require.NotContains(t, content, info.Path, "captured twice")
		content[info.Path] = string(b)
	}}
	_, err = c.Collect(t.Context(), sink)
	reads = int(readings.Load())
	if err == nil && content["sysvol/"+largeFile] != "" {
		require.True(t, content["sysvol/"+largeFile] == string(large))
	}
	for _, gap := range sink.Gaps() {
		if slices.Contains([]string{SYSVOLUnreadable, GPOFilesMissing, GPOVersionMismatch}, gap.Code) {
			gaps = append(gaps, gap)
		}
	}
	return content, gaps, reads, opens, err
}

// Whatever call on SYSVOL fails for a while, and whatever the reason: it is tried again
// by itself, everything is there once, and the directory is read once.
func TestSYSVOLIsTriedAgain(t *testing.T) {
	files := []string{"corp.test/Policies/" + policyID + "/GPT.INI", "corp.test/scripts/login.cmd", largeFile}
	for _, reason := range []error{errLost, errSigned, errInUse} {
		for _, kind := range []string{"connect", "walk", "open", "stat", "read", "close"} {
			for _, from := range []int{1, 2, 5} {
				if from > 1 && reason != errLost {
					continue
				}
				t.Run(fmt.Sprintf("%s %d %v", kind, from, fault.CodeOf(reason)), func(t *testing.T) {
					t.Parallel()
					content, gaps, reads, _, err := captureWithHiccups(t, 2*time.Second, func(k, name string, n int) error {
						if k == kind && n >= from && n < from+2 && (name == "" || slices.Contains(files, name)) {
							return reason
						}
						return nil
					})
					require.NoError(t, err)
					require.Len(t, content, 4)
					require.Empty(t, gaps)
					require.Equal(t, 1, reads)
				})
			}
		}
	}
}

// A file that cannot be read in the end is named, and costs itself only.
func TestSYSVOLUnreadableFile(t *testing.T) {
	for name, c := range map[string]struct {
		reason error
		says   string
	}{
		"in use":  {errInUse, "tried again"},
		"lost":    {errLost, "tried again"},
		"denied":  {errDenied, "right"},
		"removed": {errGone, "removed"},
	} {
		for _, file := range []string{"corp.test/scripts/login.cmd", "corp.test/Policies/" + policyID + "/GPT.INI"} {
			t.Run(name+" "+file, func(t *testing.T) {
				t.Parallel()
				content, gaps, reads, _, err := captureWithHiccups(t, 3*time.Second, func(k, name string, _ int) error {
					if k == "open" && name == file {
						return c.reason
					}
					return nil
				})
				require.NoError(t, err)
				require.Len(t, content, 3)
				require.Equal(t, 1, reads)
				require.Len(t, gaps, 1, "%v", gaps)
				require.Equal(t, SYSVOLUnreadable, gaps[0].Code)
				require.Equal(t, windowsPath(file), gaps[0].Object)
				require.Contains(t, gaps[0].Reason, c.says)
			})
		}
	}
}

// The waiting is bounded, and a failure of all of SYSVOL is one.
func TestSYSVOLFailsInTheEnd(t *testing.T) {
	for _, kind := range []string{"connect", "walk"} {
		_, _, reads, _, err := captureWithHiccups(t, 300*time.Millisecond, func(k, _ string, _ int) error {
			if k == kind {
				return errLost
			}
			return nil
		})
		require.ErrorIs(t, err, fault.SourceUnreachable)
		require.Equal(t, 1, reads)
	}
	_, _, _, opens, err := captureWithHiccups(t, time.Hour, func(k, _ string, _ int) error {
		if k == "connect" {
			return fault.New(fault.ShareAuthFailed, "no", nil)
		}
		return nil
	})
	require.ErrorIs(t, err, fault.SourceAuthFailed)
	require.Equal(t, 1, opens, "a refused login is not repeated")
}

// Nothing is waited for when the capture is given up, or when the sink fails.
func TestSYSVOLGivenUp(t *testing.T) {
	config := newFakeDC(t).config()
	config.SYSVOLPatience = time.Hour
	source := &hiccups{fakeSYSVOL: fakeSYSVOL{files: sysvolFiles()}, calls: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	source.fails = func(kind, _ string, n int) error {
		if kind == "open" {
			if n == 2 {
				cancel()
			}
			return errInUse
		}
		return nil
	}
	config.OpenSYSVOL = func(context.Context) (FileSource, error) { return source, nil }
	c, err := New(config)
	require.NoError(t, err)
	_, err = c.Collect(ctx, &collecttest.Recorder{})
	require.ErrorIs(t, err, context.Canceled)

	full := errors.New("full")
	source.fails = func(string, string, int) error { return nil }
	_, err = c.Collect(t.Context(), &collecttest.Recorder{Keep: func(collect.FileInfo, []byte) {}, Before: func(n int) error {
		if n > 10 {
			return full
		}
		return nil
	}})
	if err != nil {
		require.ErrorIs(t, err, full)
	}
}
