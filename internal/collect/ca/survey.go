package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
)

// mark is what is remembered of an entry between the passes.
type mark struct {
	statHash uint64
	own      bool // is the CA's, so it may not change during the capture
}

// stateFile is one of the files that tell whether the CA works at the moment.
type stateFile struct {
	path     string
	statHash uint64
	digest   [sha256.Size]byte
}

// survey is the first pass over the folder and what it found.
type survey struct {
	folder   *folder
	now      time.Time
	layout   layout
	findings *findings

	seed  maphash.Seed
	marks map[uint64]mark // by hash of the path
	state []stateFile

	unreadable map[uint64]bool // by hash of the path: may not be read, and a gap
	leftOut    map[uint64]bool // by hash of the path: too large, and a gap
	limit      int64           // bytes that may be captured
	room       int64           // bytes that are left of them
	otherHomes map[string]bool // folders with the database of another CA
	authority  authority
	registry   *registry
	crls       []string // files with a CRL

	crlNumber    openssl.Serial // content of the file
	hasCRLNumber bool
	newestCRL    *crlSummary // newest of the CA's own, nil when there is none
}

// newSurvey reads state, CA certificates, keys, index and CRLs. What does not fit
// together becomes a finding; errors are about the reading.
func newSurvey(ctx context.Context, f *folder, now time.Time, limit int64) (*survey, error) {
	s := &survey{
		folder: f, now: now, findings: newFindings(),
		seed: maphash.MakeSeed(), marks: map[uint64]mark{}, registry: newRegistry(), otherHomes: map[string]bool{},
		unreadable: map[uint64]bool{}, leftOut: map[uint64]bool{}, room: limit, limit: limit,
	}
	var err error
	if s.layout, err = findLayout(ctx, f); err != nil {
		return nil, err
	}
	if s.state, err = s.readState(ctx); err != nil {
		return nil, err
	}
	if err := f.walk(ctx, visitor{denied: s.denied, visit: func(e entry) error { return s.visit(ctx, e) }}); err != nil {
		return nil, err
	}
	if err := s.checkRoom(); err != nil {
		return nil, err
	}
	s.authority.settle(s.layout)
	if len(s.authority.own) == 0 && s.layout.database == "" && len(s.authority.unreadable) == 0 {
		if s.layout.deniedHome != "" {
			return nil, fault.Newf(fault.SourceAccessDenied, "CA folder %s holds neither a CA certificate nor an index.txt that the worker's account may read, and %s may not be looked into", f.dir, f.where(s.layout.deniedHome))
		}
		return nil, fault.Newf(fault.SourceInvalid, "CA folder %s holds neither a CA certificate nor an index.txt: it is not a CA, or not mounted", f.dir)
	}
	s.authority.check(s.findings, s.now)
	s.authority.checkKeys(s.findings, s.layout, s.now)
	if err := s.readDatabase(ctx); err != nil {
		return nil, err
	}
	if err := s.readCRLs(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// visit marks an entry, and looks into it unless it is an issued certificate,
// which the second pass checks.
func (s *survey) visit(ctx context.Context, e entry) error {
	s.marks[s.hash(e.path)] = mark{statHash: statHashOf(e.info)}
	if e.info.IsDir() {
		return s.visitDir(e)
	}
	if !e.info.Mode().IsRegular() {
		return nil
	}
	if e.info.Size() > pki.MaxParsedBytes {
		return s.denied(e.path, s.visitLarge(ctx, e))
	}
	s.room -= e.info.Size()
	if s.layout.inIssued(e.path) || s.ofOther(e.path) {
		return nil
	}
	data, err := s.folder.read(ctx, e)
	if fault.CodeOf(err) == fault.SourceChanging && s.layout.need(e.path) == needless {
		return nil // a log, say; the second pass looks again
	}
	if err != nil {
		return s.denied(e.path, err)
	}
	defer clear(data) // it may be a key
	c := pki.Inspect(e.path, data)
	s.authority.add(e.path, c, s.layout)
	if c.CRL != nil {
		s.crls = append(s.crls, e.path)
	}
	return nil
}

// visitDir notes a folder that is the home of another CA, such as an intermediate
// one below its root. Its certificates would look wrong beside this CA's index.
func (s *survey) visitDir(e entry) error {
	index := path.Join(e.path, "index.txt")
	if index == s.layout.database {
		return nil
	}
	_, ok, err := s.folder.lookup(index)
	if isDenied(err) {
		return nil // the walk comes to it, and names it
	}
	if err != nil || !ok {
		return err
	}
	s.otherHomes[e.path] = true
	s.findings.add(DatabaseNotChecked, index, "database of another CA: that CA's files are captured, but not checked")
	return nil
}

// ofOther reports whether a file belongs to another CA in the same folder.
func (s *survey) ofOther(name string) bool {
	for dir := path.Dir(name); dir != "." && dir != s.layout.home; dir = path.Dir(dir) {
		if s.otherHomes[dir] {
			return true
		}
	}
	return false
}

func (s *survey) hash(name string) uint64 { return maphash.String(s.seed, name) }

// readState takes stat hash and digest of every state file.
func (s *survey) readState(ctx context.Context) ([]stateFile, error) {
	var out []stateFile
	for _, name := range s.layout.state() {
		file, err := s.digest(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, nil
}

func (s *survey) digest(ctx context.Context, name string) (state stateFile, err error) {
	e, ok, err := s.folder.lookup(name)
	if err != nil {
		return state, err
	}
	if !ok {
		return state, s.folder.changed(name)
	}
	if e.info.Size() > maxStateBytes {
		return state, fault.Newf(fault.LimitExceeded, "%s has %d bytes, at most %d are possible for a file of the CA's database", s.folder.where(name), e.info.Size(), maxStateBytes)
	}
	h := sha256.New()
	if err := s.scan(ctx, e, func(r io.Reader) error {
		_, err := io.Copy(h, r)
		return err
	}); err != nil {
		return state, err
	}
	state = stateFile{path: name, statHash: statHashOf(e.info)}
	h.Sum(state.digest[:0])
	return state, nil
}

// scan gives use the content of a file and makes sure that it did not change
// meanwhile.
func (s *survey) scan(ctx context.Context, e entry, use func(io.Reader) error) (err error) {
	file, err := s.folder.open(e)
	if err != nil {
		return err
	}
	defer closeInto(&err, file)
	if err := use(s.folder.stream(ctx, e, file)); err != nil {
		return s.folder.fault(e.path, err)
	}
	return s.folder.unchanged(e, file)
}

// still makes sure that the state files are what they were at first, and that no
// other has come up: a first CRL creates its number file.
func (s *survey) still(ctx context.Context) error {
	l, err := findLayout(ctx, s.folder)
	if err != nil {
		return err
	}
	if !slices.Equal(l.state(), s.layout.state()) {
		return s.folder.changed("the CA's database")
	}
	after, err := s.readState(ctx)
	if err != nil {
		return err
	}
	for i, file := range after {
		if file != s.state[i] {
			return s.folder.changed(file.path)
		}
	}
	return nil
}

// confirm looks, after the last file was handed out, whether the CA is still what
// the first pass saw: state by content, everything else by its stat hash.
func (s *survey) confirm(ctx context.Context) error {
	if err := s.still(ctx); err != nil {
		return err
	}
	gone := 0
	for _, m := range s.marks {
		if m.own {
			gone++
		}
	}
	denied := func(name string, err error) error {
		if s.layout.need(name) == needed && !s.unreadable[s.hash(name)] {
			return err
		}
		return nil
	}
	err := s.folder.walk(ctx, visitor{denied: denied, visit: func(e entry) error {
		m, known := s.marks[s.hash(e.path)]
		switch {
		case known && m.own:
			gone--
			if m.statHash != statHashOf(e.info) {
				return s.folder.changed(e.path)
			}
		case !known && e.info.Mode().IsRegular() && s.isOwn(ctx, e):
			return s.folder.changed(e.path)
		}
		return nil
	}})
	if err == nil && gone > 0 {
		err = fault.Newf(fault.SourceChanging, "%d files of the CA vanished from %s during the capture", gone, s.folder.dir)
	}
	return err
}

// isOwn tells of a file that came up during the capture whether it is the CA's.
// When it cannot be read it counts as such, unless the account may not read it.
func (s *survey) isOwn(ctx context.Context, e entry) bool {
	if s.layout.inIssued(e.path) || s.ofOther(e.path) {
		return true
	}
	if e.info.Size() > pki.MaxParsedBytes {
		head, err := s.folder.head(e)
		if isDenied(err) {
			return s.layout.need(e.path) == needed
		}
		return err != nil || pki.LooksLikeCRL(e.path, head)
	}
	data, err := s.folder.read(ctx, e)
	defer clear(data)
	if isDenied(err) {
		return s.layout.need(e.path) == needed
	}
	return err != nil || pki.Inspect(e.path, data).Kind != pki.KindFile
}

// head returns the start of a file, which may be written to meanwhile.
func (f *folder) head(e entry) (head []byte, err error) {
	file, err := f.root.OpenFile(e.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.fault(e.path, err)
	}
	defer closeInto(&err, file)
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(f.changed(e.path), err)
	}
	head = make([]byte, min(e.info.Size(), pki.HeadBytes))
	if _, err := io.ReadFull(file, head); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, f.changed(e.path)
		}
		return nil, f.fault(e.path, err)
	}
	return head, nil
}

// cursor tells how far the CA was, in values that an operator can compare with
// the CA and with other backups.
func (s *survey) cursor() map[string]string {
	out := map[string]string{
		"issued": decimal(s.registry.issued), "revoked": decimal(s.registry.revoked), "expired": decimal(s.registry.expired),
		"certificates": decimal(s.registry.certificates), "serialMode": s.registry.mode(),
	}
	for _, file := range s.state {
		if file.path == s.layout.database {
			out["indexSha256"] = hex.EncodeToString(file.digest[:])
		}
	}
	if s.registry.hasNext {
		out["serial"] = s.registry.next.String()
	}
	if s.hasCRLNumber {
		out["crlNumber"] = s.crlNumber.String()
	}
	if s.newestCRL != nil && s.newestCRL.numbered {
		out["newestCrl"] = s.newestCRL.number.String()
	}
	return out
}
