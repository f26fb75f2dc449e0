package ad

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
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

// policy is a group policy in the directory.
type policy struct {
	version string // versionNumber
	file    string // Version of GPT.INI
	found   bool   // GPT.INI was read
	unread  bool   // GPT.INI is there and could not be read
}

// maxGPT bounds what is read of a GPT.INI to find its version.
const maxGPT = 64 << 10

// dfsrPrivate is the replication service's own folder, which is no content and not
// readable for others (MS-FRS2: staging and conflict files).
const dfsrPrivate = "DfsrPrivate"

var gptPath = regexp.MustCompile(`(?i)^[^/]+/Policies/(\{[0-9A-F-]{36}\})/GPT\.INI$`)

func (r *reading) notePolicy(record *Record) {
	if !record.has("objectClass", "groupPolicyContainer") {
		return
	}
	id := strings.ToUpper(record.Value("cn"))
	if record.Deleted {
		// The name of a deleted one has more behind the GUID (MS-ADTS 3.1.1.5.5.1.3).
		id, _, _ = strings.Cut(id, "\n")
		delete(r.policies, id)
		return
	}
	if len(r.policies) < maxPolicies {
		r.policies[id] = policy{version: record.Value("versionNumber")}
	}
}

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

// sysvol captures the group policy files.
func (r *reading) sysvol(ctx context.Context) (err error) {
	if r.config.OpenSYSVOL == nil {
		r.sink.Gap(backup.Gap{
			Code: SYSVOLNotConfigured, Object: "group policy files and scripts in SYSVOL",
			Reason: "The worker's configuration does not ask for them.",
		})
		return nil
	}
	domain := dnsDomain(r.root.domain)
	if domain == "" {
		return fault.Newf(fault.SourceInvalid, "%s is no name of a domain", r.root.domain)
	}
	s := &policyFiles{reading: r, done: map[[16]byte]bool{}, patience: r.config.SYSVOLPatience}
	err = s.again(ctx, 1, func() (err error) {
		s.files, err = r.openSYSVOL(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := closeSYSVOL(ctx, s.files); err == nil {
			err = closeErr
		}
	}()
	// A folder that cannot be listed is listed again, and nothing is captured twice.
	if err := s.again(ctx, 1, func() error { return s.capture(ctx, domain) }); err != nil {
		return err
	}
	s.report()
	return nil
}

// policyFiles is the capture of SYSVOL.
type policyFiles struct {
	*reading
	files      FileSource
	done       map[[16]byte]bool // hashes of the paths that were dealt with
	patience   time.Duration     // what is left for waiting
	count      int64
	special    int64
	unreadable int64
	sinkErr    error // an error of the sink, to be returned as it is
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
	return s.file(ctx, name)
}

// windowsPath is the path as an operator would write it.
func windowsPath(name string) string { return `SYSVOL\` + strings.ReplaceAll(name, "/", `\`) }

// folderDocument keeps the path of a folder, which may be empty.
func folderDocument(name string) []byte {
	return append(appendString([]byte(`{"path":`), name), '}')
}

func (s *policyFiles) noteVersion(id string, gpt []byte) {
	if p, ok := s.policies[id]; ok {
		p.found, p.file = true, gptVersion(gpt)
		s.policies[id] = p
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
	ids := make([]string, 0, len(s.policies))
	for id := range s.policies {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		p := s.policies[id]
		switch {
		case p.unread: // said already
		case !p.found:
			s.sink.Gap(backup.Gap{
				Code: GPOFilesMissing, Object: "policy " + id,
				Reason: "The directory has this policy, SYSVOL has no GPT.INI for it.",
			})
		case !sameVersion(p.version, p.file):
			s.sink.Gap(backup.Gap{
				Code: GPOVersionMismatch, Object: "policy " + id,
				Reason: fmt.Sprintf("The directory has version %.20q, GPT.INI has %.20q: one half is newer.", p.version, p.file),
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
