package ad

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// Kinds of items, beside that of directory objects ([record.Kind]).
const (
	KindFile   = "sysvol-file"   // ID is the path in the share SYSVOL
	KindFolder = "sysvol-folder" // the same, as {"path":…}
)

// FileSource is the share SYSVOL of a domain controller, read-only. Names are as
// the server has them, with spaces and braces; paths have forward slashes and are
// relative to the share. Errors are faults with SHARE_ or SOURCE_ codes; errors
// caused by the end of ctx wrap its cause.
type FileSource interface {
	// Walk calls fn for every file and folder below root, each folder before what is
	// in it, in an order that does not change as long as the files do not. Links are
	// reported and not followed. Fn's errors end the walk and are returned as they
	// are. A folder that cannot be listed is an error. Like Open, it connects again when
	// the connection was lost.
	Walk(ctx context.Context, root string, fn func(path string, info fs.FileInfo) error) error
	// Open opens a file for reading from its beginning. Stat of what it returns asks
	// the server. The caller closes it.
	Open(ctx context.Context, path string) (fs.File, error)
	// Close ends the connection.
	Close() error
}

// gpt is what was seen of a policy's GPT.INI.
type gpt struct {
	version string
	unread  bool // it is there and could not be read
}

// maxGPT bounds what is read of a GPT.INI to find its version.
const maxGPT = 64 << 10

// dfsrPrivate is the replication service's own folder, which is no content and not
// readable for others (MS-FRS2: staging and conflict files).
const dfsrPrivate = "DfsrPrivate"

var gptPath = regexp.MustCompile(`(?i)^[^/]+/Policies/(\{[0-9A-F-]{36}\})/GPT\.INI$`)

func (c *Collector) openSYSVOL(ctx context.Context) (FileSource, error) {
	files, err := c.config.OpenSYSVOL(ctx)
	if err != nil {
		return nil, explainSYSVOL(ctx, "no connection to SYSVOL of "+c.host, err)
	}
	return files, nil
}

func closeSYSVOL(ctx context.Context, files FileSource) error {
	if err := files.Close(); err != nil {
		return explainSYSVOL(ctx, "cannot close SYSVOL", err)
	}
	return nil
}

// policyFiles is the capture of SYSVOL.
type policyFiles struct {
	*Collector
	of    *reading // of the directory; not to be used while that is being read
	files FileSource
	sink  collect.Sink

	// ahead says that the directory is still being read; see [policyFiles.readAhead].
	ahead    bool
	early    early
	complete bool          // all of SYSVOL is in early
	ended    chan struct{} // closed when nothing is read ahead any more

	done       map[[16]byte]bool // hashes of the paths that were dealt with
	patience   time.Duration     // what is left for waiting
	policies   map[string]gpt
	count      int64
	special    int64
	unreadable int64
	sinkErr    error // an error of the sink, to be returned as it is
}

func (r *reading) newPolicyFiles() *policyFiles {
	return &policyFiles{
		Collector: r.Collector, of: r, ended: make(chan struct{}),
		done: map[[16]byte]bool{}, patience: r.config.SYSVOLPatience, policies: map[string]gpt{},
	}
}

// write captures the group policy files.
func (s *policyFiles) write(ctx context.Context) (err error) {
	select {
	case <-s.ended:
	case <-ctx.Done():
		return explainSYSVOL(ctx, "waiting for SYSVOL of "+s.host, ctx.Err())
	}
	s.sink = s.of.sink
	if s.config.OpenSYSVOL == nil {
		s.sink.Gap(backup.Gap{
			Code: SYSVOLNotConfigured, Object: "group policy files and scripts in SYSVOL",
			Reason: "The worker's configuration does not ask for them.",
		})
		return nil
	}
	domain := dnsDomain(s.of.root.domain)
	if domain == "" {
		return fault.Newf(fault.SourceInvalid, "%s is no name of a domain", s.of.root.domain)
	}
	if s.files == nil {
		err = s.again(ctx, 1, func() (err error) {
			s.files, err = s.openSYSVOL(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	defer func() {
		closeErr := closeSYSVOL(ctx, s.files)
		s.files = nil
		if err == nil {
			err = closeErr
		}
	}()
	if err := s.early.handOver(s.sink); err != nil {
		return err
	}
	if !s.complete {
		// A folder that cannot be listed is listed again, and nothing is captured twice.
		if err := s.again(ctx, 1, func() error { return s.capture(ctx, domain) }); err != nil {
			return err
		}
	}
	s.report()
	return nil
}

// close ends the connection of a capture that failed.
func (s *policyFiles) close() {
	if s.files != nil {
		_ = s.files.Close() // the capture has another error
	}
}

func (s *policyFiles) capture(ctx context.Context, domain string) error {
	err := s.files.Walk(ctx, domain, func(name string, info fs.FileInfo) error {
		sum := sha256.Sum256([]byte(name))
		id := [16]byte(sum[:16])
		if s.done[id] {
			return nil
		}
		err := s.entry(ctx, name, info)
		if err == nil {
			s.done[id] = true
		}
		return err
	})
	switch {
	case s.sinkErr != nil:
		return s.sinkErr
	case err != nil:
		return explainSYSVOL(ctx, "cannot read SYSVOL of "+domain, err)
	}
	return nil
}

// entry captures a file or folder.
func (s *policyFiles) entry(ctx context.Context, name string, info fs.FileInfo) error {
	switch {
	case slices.Contains(strings.Split(name, "/"), dfsrPrivate):
		return nil
	case info.IsDir() && info.Mode()&fs.ModeSymlink == 0:
		s.sinkErr = s.sink.Record(backup.Item{Kind: KindFolder, ID: name, Name: windowsPath(name)}, folderDocument(name))
		return s.sinkErr
	case !info.Mode().IsRegular():
		s.special++
		return nil
	}
	if s.ahead {
		return s.fileOnce(ctx, name)
	}
	return s.file(ctx, name)
}

// windowsPath is the path as an operator would write it.
func windowsPath(name string) string { return `SYSVOL\` + strings.ReplaceAll(name, "/", `\`) }

// folderDocument keeps the path of a folder, which may be empty.
func folderDocument(name string) []byte {
	document, err := json.Marshal(struct {
		Path string `json:"path"`
	}{name})
	if err != nil {
		return nil // a string can always be written
	}
	return document
}

// note remembers a GPT.INI, for the comparison with the directory in the end.
func (s *policyFiles) note(id string, g gpt) {
	if len(s.policies) < maxPolicies {
		s.policies[strings.ToUpper(id)] = g
	}
}

// gptVersion finds Version= in the section General (MS-GPOL 2.2.4), 0 when it is
// not there. Both halves count user and computer settings in one 32-bit number.
func gptVersion(gpt []byte) string {
	general := false
	for line := range strings.Lines(iniText(gpt)) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if strings.HasPrefix(line, "[") {
			general = strings.EqualFold(line, "[General]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if general && ok && strings.EqualFold(strings.TrimSpace(key), "Version") {
			return strings.TrimSpace(value)
		}
	}
	return "0"
}

// report hands over the gaps of SYSVOL.
func (s *policyFiles) report() {
	s.sink.Gap(backup.Gap{
		Code: SYSVOLACL, Object: "access control lists of the files in SYSVOL", Count: s.count,
		Reason: "The SMB library cannot read them. After a restore, let group policy management set them from the policies' own security descriptors, which are captured.",
	})
	if more := s.unreadable - maxUnreadable; more > 0 {
		s.sink.Gap(backup.Gap{
			Code: SYSVOLUnreadable, Object: "further files in SYSVOL", Count: more, Reason: "They could not be read, as those that are named.",
		})
	}
	if s.special > 0 {
		s.sink.Gap(backup.Gap{
			Code: SYSVOLNotAFile, Object: "links in SYSVOL", Count: s.special, Reason: "Links are not followed.",
		})
	}
	for _, id := range slices.Sorted(maps.Keys(s.of.policies)) {
		version := s.of.policies[id]
		g, found := s.policies[id]
		switch {
		case g.unread: // said already
		case !found:
			s.sink.Gap(backup.Gap{
				Code: GPOFilesMissing, Object: "policy " + id,
				Reason: "The directory has this policy, SYSVOL has no GPT.INI for it.",
			})
		case !sameVersion(version, g.version):
			s.sink.Gap(backup.Gap{
				Code: GPOVersionMismatch, Object: "policy " + id,
				Reason: fmt.Sprintf("The directory has version %.20q, GPT.INI has %.20q: one half is newer.", version, g.version),
			})
		}
	}
}

// sameVersion compares the two halves' numbers; one that is missing counts as 0.
func sameVersion(directory, file string) bool {
	if directory == "" {
		directory = "0"
	}
	a, errA := strconv.ParseInt(directory, 10, 64)
	b, errB := strconv.ParseInt(file, 10, 64)
	// versionNumber is signed in the directory and may not be so in the file.
	return errA == nil && errB == nil && uint32(a) == uint32(b)
}

// faultReader makes faults of a file's errors.
type faultReader struct {
	ctx  context.Context
	what string
	r    io.Reader
}

// Read implements [io.Reader].
func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = explainSYSVOL(f.ctx, f.what, err)
	}
	return n, err
}

// limitedBuffer keeps the first bytes of a file.
type limitedBuffer struct{ *bytes.Buffer }

// Write implements [io.Writer].
func (l *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxGPT - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
