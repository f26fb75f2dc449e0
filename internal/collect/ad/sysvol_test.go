package ad

import (
	"context"
	"io"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

// fakeSYSVOL is a FileSource over a map.
type fakeSYSVOL struct{ files fstest.MapFS }

func openFakeSYSVOL(files fstest.MapFS) func(context.Context) (FileSource, error) {
	return func(context.Context) (FileSource, error) { return fakeSYSVOL{files: files}, nil }
}

func (f fakeSYSVOL) Walk(ctx context.Context, root string, fn func(string, fs.FileInfo) error) error {
	names := make([]string, 0, len(f.files))
	for name := range f.files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !strings.HasPrefix(name, root+"/") {
			continue
		}
		info, err := f.files.Lstat(name)
		if err != nil {
			return err
		}
		if err := fn(name, info); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeSYSVOL) Open(_ context.Context, name string) (fs.File, error) { return f.files.Open(name) }

func (f fakeSYSVOL) Close() error { return nil }

const policyID = "{31B2F340-016D-11D2-945F-00C04FB984F9}"

func sysvolFiles() fstest.MapFS {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return fstest.MapFS{
		"corp.test/Policies/" + policyID + "/GPT.INI":                  {Data: []byte("[General]\r\nVersion=65537\r\n"), ModTime: when},
		"corp.test/Policies/" + policyID + "/MACHINE/Registry Pol.pol": {Data: []byte("PReg\x01\x00"), ModTime: when},
		"corp.test/scripts/login.cmd":                                  {Data: []byte("@echo off"), ModTime: when},
		"corp.test/DfsrPrivate/Staging/x":                              {Data: []byte("not content"), ModTime: when},
		"corp.test/scripts/link":                                       {Mode: fs.ModeSymlink, ModTime: when},
		"corp.test/Policies/" + policyID + "/USER":                     {Mode: fs.ModeDir, ModTime: when},
		"elsewhere/file":                                               {Data: []byte("another domain")},
	}
}

func TestSYSVOL(t *testing.T) {
	tests := map[string]struct {
		version []string // versionNumber of the policy in the directory
		remove  string
		gap     string
	}{
		"both halves agree":   {version: []string{"65537"}},
		"directory is newer":  {version: []string{"65538"}, gap: GPOVersionMismatch},
		"directory has none":  {gap: GPOVersionMismatch},
		"policy has no files": {version: []string{"65537"}, remove: "corp.test/Policies/" + policyID + "/GPT.INI", gap: GPOFilesMissing},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFakeDC(t)
			attributes := map[string][]string{"objectClass": {"top", "container", "groupPolicyContainer"}, "cn": {policyID}}
			if test.version != nil {
				attributes["versionNumber"] = test.version
			}
			d.add("CN="+policyID+",CN=Policies,CN=System,"+fakeDomain, attributes)
			files := sysvolFiles()
			delete(files, test.remove)
			config := d.config()
			config.OpenSYSVOL = openFakeSYSVOL(files)
			c, err := New(config)
			require.NoError(t, err)
			content := map[string]string{}
			sink := &collecttest.Recorder{Keep: func(info collect.FileInfo, b []byte) { content[info.Path] = string(b) }}
			_, err = c.Collect(t.Context(), sink)
			require.NoError(t, err)
			require.Equal(t, "@echo off", content["sysvol/corp.test/scripts/login.cmd"])
			require.Equal(t, "PReg\x01\x00", content["sysvol/corp.test/Policies/"+policyID+"/MACHINE/Registry Pol.pol"])
			require.NotContains(t, content, "sysvol/corp.test/DfsrPrivate/Staging/x")
			require.NotContains(t, content, "sysvol/elsewhere/file")
			require.True(t, slices.ContainsFunc(sink.Calls(), func(c collecttest.Call) bool {
				return c.Item.Kind == KindFolder && string(c.Document) == `{"path":"corp.test/Policies/`+policyID+`/USER"}`
			}))
			var codes []string
			for _, gap := range sink.Gaps() {
				switch gap.Code {
				case SYSVOLACL:
					require.Equal(t, int64(len(content)), gap.Count)
				case SYSVOLNotAFile:
					require.Equal(t, int64(1), gap.Count)
				case GPOVersionMismatch, GPOFilesMissing:
					codes = append(codes, gap.Code)
				}
			}
			if test.gap == "" {
				require.Empty(t, codes)
				return
			}
			require.Equal(t, []string{test.gap}, codes)
		})
	}
}

// changingFile grows while it is read.
type changingFile struct {
	fs.File
	reads int
}

func (c *changingFile) Read(p []byte) (int, error) {
	c.reads++
	return c.File.Read(p)
}

func (c *changingFile) Stat() (fs.FileInfo, error) {
	info, err := c.File.Stat()
	if err != nil || c.reads == 0 {
		return info, err
	}
	return laterInfo{info}, nil
}

type laterInfo struct{ fs.FileInfo }

func (l laterInfo) ModTime() time.Time { return l.FileInfo.ModTime().Add(time.Second) }

type changingSYSVOL struct{ fakeSYSVOL }

func (c changingSYSVOL) Open(ctx context.Context, name string) (fs.File, error) {
	f, err := c.fakeSYSVOL.Open(ctx, name)
	return &changingFile{File: f}, err
}

type brokenSYSVOL struct {
	fakeSYSVOL
	err error
}

func (b brokenSYSVOL) Walk(context.Context, string, func(string, fs.FileInfo) error) error {
	return b.err
}

func TestSYSVOLFaults(t *testing.T) {
	open := func(s FileSource, err error) func(context.Context) (FileSource, error) {
		return func(context.Context) (FileSource, error) { return s, err }
	}
	tests := map[string]struct {
		open func(context.Context) (FileSource, error)
		want fault.Code
	}{
		"login refused":      {open(nil, fault.New(fault.ShareAuthFailed, "no", nil)), fault.SourceAuthFailed},
		"folder unreadable":  {open(brokenSYSVOL{err: fault.New(fault.ShareAccessDenied, "no", nil)}, nil), fault.SourceAccessDenied},
		"folder missing":     {open(brokenSYSVOL{err: fault.New(fault.SharePathNotFound, "no", nil)}, nil), fault.SourceInvalid},
		"connection lost":    {open(brokenSYSVOL{err: io.ErrUnexpectedEOF}, nil), fault.SourceUnreachable},
		"server unreachable": {open(nil, fault.New(fault.ShareUnreachable, "no", nil)), fault.SourceUnreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := newFakeDC(t).config()
			config.OpenSYSVOL, config.SYSVOLPatience = test.open, 200*time.Millisecond
			c, err := New(config)
			require.NoError(t, err)
			_, err = c.Collect(t.Context(), &collecttest.Recorder{})
			require.ErrorIs(t, err, test.want)
			require.Equal(t, test.want, fault.CodeOf(err))
		})
	}
}

// A file that changes whenever it is read is named, and never captured in a state that
// it may not have had.
func TestSYSVOLChangesAllTheTime(t *testing.T) {
	config := newFakeDC(t).config()
	config.SYSVOLPatience = 2 * time.Second
	config.OpenSYSVOL = func(context.Context) (FileSource, error) {
		return changingSYSVOL{fakeSYSVOL{files: sysvolFiles()}}, nil
	}
	c, err := New(config)
	require.NoError(t, err)
	sink := &collecttest.Recorder{}
	_, err = c.Collect(t.Context(), sink)
	require.NoError(t, err)
	unreadable := 0
	for _, gap := range sink.Gaps() {
		if gap.Code == SYSVOLUnreadable {
			unreadable++
			require.Contains(t, gap.Reason, "changed")
		}
	}
	require.Equal(t, 3, unreadable)
	for _, call := range sink.Calls() {
		require.NotEqual(t, KindFile, call.Item.Kind)
	}
}
