package ca

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// issued is what is known of one serial number.
type issued struct {
	expiry int64   // Unix time, of the row
	digest [8]byte // start of the certificate's SHA-256
	flags  uint8
}

const (
	inIndex uint8 = 1 << iota
	isRevoked
	isExpired
	hasFile
	onCRL
	isUnsure // its row makes no sense, but has this number
)

// registry joins the index with the certificates, by serial number.
type registry struct {
	rows  map[openssl.Serial]issued
	extra map[[sha256.Size]byte]struct{} // certificates of others, and second ones of a serial number
	whole bool                           // the index was read to its end
	lost  int                            // rows of which not even the number is known

	issued, revoked, expired int // rows by status
	certificates             int // different certificates in the folder

	highest      openssl.Serial // of rows and certificates
	hasHighest   bool
	last         openssl.Serial // of the row before
	random       bool           // serial numbers do not follow each other
	next         openssl.Serial // content of the serial file
	hasNext      bool
	configRandom bool // the configuration asks for random ones
}

func newRegistry() *registry {
	return &registry{rows: map[openssl.Serial]issued{}, extra: map[[sha256.Size]byte]struct{}{}}
}

// mode says how serial numbers are chosen, as far as it can be seen.
func (r *registry) mode() string {
	if r.isRandom() {
		return "random"
	}
	return "sequential"
}

// isRandom decides from the configuration, else from the numbers: two neighbours
// in the index that are very far apart. A single long number that is far from the
// serial file says the same.
func (r *registry) isRandom() bool {
	return r.configRandom || r.random || r.issued == 1 && r.hasNext && r.next.FarFrom(r.last)
}

func (r *registry) see(n openssl.Serial) {
	if !r.hasHighest || n.Compare(r.highest) > 0 {
		r.highest, r.hasHighest = n, true
	}
}

// readDatabase reads index, serial and CRL number.
func (s *survey) readDatabase(ctx context.Context) error {
	s.registry.configRandom = s.layout.settings.RandomSerial
	if err := s.readIndex(ctx); err != nil {
		return err
	}
	var err error
	if s.registry.next, s.registry.hasNext, err = s.readNumber(ctx, s.layout.serial); err != nil {
		return err
	}
	s.crlNumber, s.hasCRLNumber, err = s.readNumber(ctx, s.layout.crlNumber)
	return err
}

func (s *survey) readNumber(ctx context.Context, name string) (n openssl.Serial, ok bool, err error) {
	if name == "" {
		return n, false, nil
	}
	e, ok, err := s.folder.lookup(name)
	if err != nil || !ok {
		return n, false, err
	}
	if e.info.Size() > openssl.MaxLineBytes {
		s.findings.add(DatabaseMalformed, name, "larger than a number can be")
		return n, false, nil
	}
	data, err := s.folder.read(ctx, e)
	if err != nil {
		return n, false, err
	}
	if n, err = openssl.ParseNumber(data); err != nil {
		s.findings.add(DatabaseMalformed, name, "%s", err)
		return n, false, nil
	}
	return n, true, nil
}

// errEnough ends the reading of an index that has more rows than are checked.
var errEnough = errors.New("too many rows")

func (s *survey) readIndex(ctx context.Context) error {
	name := s.layout.database
	if name == "" {
		s.findings.add(DatabaseMissing, "index.txt", "the folder has no index of issued certificates: serial numbers and revocations were not checked")
		return nil
	}
	e, ok, err := s.folder.lookup(name)
	if err != nil {
		return err
	}
	if !ok {
		return s.folder.changed(name)
	}
	s.registry.whole = true
	return s.scan(ctx, e, func(r io.Reader) error {
		err := openssl.ParseIndex(r, s.addRow, func(bad *openssl.RowError) error { return s.addMalformed(name, bad) })
		if errors.Is(err, errEnough) {
			s.registry.whole = false
			s.findings.add(DatabaseMalformed, name, "more than %d rows: the others were captured, but not checked", maxEntries)
			return nil
		}
		return err
	})
}

// addMalformed notes a row that cannot be used. Its number, where it has one, is not
// missed elsewhere.
func (s *survey) addMalformed(name string, bad *openssl.RowError) error {
	switch {
	case errors.Is(bad, openssl.ErrLongSerial):
		s.findings.add(DatabaseNotChecked, name, "%s: captured, but not compared with its certificate", bad)
		s.registry.lost++
	case bad.Known && len(s.registry.rows) < maxEntries:
		s.findings.add(DatabaseMalformed, name, "%s", bad)
		known := s.registry.rows[bad.Serial]
		known.flags |= isUnsure
		s.registry.rows[bad.Serial] = known
		s.registry.see(bad.Serial)
	default:
		s.findings.add(DatabaseMalformed, name, "%s", bad)
		s.registry.lost++
	}
	return nil
}

func (s *survey) addRow(r openssl.Row) error {
	l := s.registry
	if l.issued == maxEntries {
		return errEnough
	}
	if l.issued > 0 && r.Serial.FarFrom(l.last) {
		l.random = true
	}
	l.last = r.Serial
	l.issued++
	flags := inIndex
	switch {
	case r.Status == 'R':
		l.revoked++
		flags |= isRevoked
	case !r.Expiry.After(s.now):
		l.expired++
	}
	if !r.Expiry.After(s.now) {
		flags |= isExpired
	}
	l.see(r.Serial)
	if l.rows[r.Serial].flags&inIndex != 0 {
		s.findings.add(SerialDuplicate, r.Serial.String(), "%s has this serial number twice", s.layout.database)
	}
	l.rows[r.Serial] = issued{expiry: r.Expiry.Unix(), flags: flags}
	return nil
}

// addCertificate checks a certificate that the second pass came to and reports
// whether it is the first file with it.
func (s *survey) addCertificate(name string, cert pki.Certificate) (first bool) {
	parsed := cert.Parsed
	if parsed == nil || s.ofOther(name) || !s.isIssuedHere(name, cert) {
		_, seen := s.registry.extra[cert.Digest]
		s.registry.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	number, err := openssl.SerialOf(parsed.SerialNumber)
	if err != nil {
		s.findings.add(DatabaseNotChecked, name, "has %s: captured, but not compared with the index", err)
		_, seen := s.registry.extra[cert.Digest]
		s.registry.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	s.registry.see(number)
	// openssl names files without the sign.
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if path.Dir(name) == s.layout.newCerts && !strings.EqualFold(strings.TrimPrefix(base, "-"), strings.TrimPrefix(number.String(), "-")) {
		s.findings.add(IssuedMisnamed, name, "the certificate in it has serial number %s", number)
	}
	known := s.registry.rows[number]
	if known.flags&hasFile != 0 {
		if bytes.Equal(known.digest[:], cert.Digest[:len(known.digest)]) {
			return false
		}
		s.findings.add(SerialDuplicate, name, "another certificate has the same serial number %s", number)
		_, seen := s.registry.extra[cert.Digest]
		s.registry.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	if known.flags&inIndex != 0 && known.expiry != parsed.NotAfter.Unix() {
		s.findings.add(IssuedDiffers, name, "the index gives another expiry for serial number %s", number)
	}
	known.flags |= hasFile
	copy(known.digest[:], cert.Digest[:])
	s.registry.rows[number] = known
	return s.count(true)
}

func (s *survey) count(first bool) bool {
	if first {
		s.registry.certificates++
	}
	return first
}

// isIssuedHere verifies the signature and reports whether the certificate is one
// that the index should have: issued by the CA, and not a self-signed CA
// certificate, unless the index has that as well.
func (s *survey) isIssuedHere(name string, cert pki.Certificate) bool {
	a, parsed := &s.authority, cert.Parsed
	var failure error
	matched := false
	for _, parent := range a.own {
		if !bytes.Equal(parent.RawSubject, parsed.RawIssuer) {
			continue
		}
		matched = true
		if err := pki.CheckSignedBy(parsed, parent.Certificate); err == nil {
			return !a.owns(cert) ||
				s.inIndex(parsed.SerialNumber)
		} else if failure == nil || pki.IsUnsupported(err) {
			failure = err
		}
	}
	switch {
	case a.owns(cert):
		// checkChain has said it.
	case matched && pki.IsUnsupported(failure):
		s.findings.add(SignatureNotChecked, name, "signed with an algorithm or key size that is not supported (%s)", parsed.SignatureAlgorithm)
		return true
	case matched:
		s.findings.add(SignatureInvalid, name, "no generation of the CA verifies its signature")
	case len(a.own) > 0 && s.layout.inIssued(name):
		s.findings.add(IssuedForeign, name, "lies among the issued certificates, but another CA issued it")
	}
	return false
}

func (s *survey) inIndex(raw *big.Int) bool {
	n, err := openssl.SerialOf(raw)
	return err == nil && s.registry.rows[n].flags&inIndex != 0
}

// reconcile compares index and certificates after the second pass.
func (s *survey) reconcile() {
	if s.layout.database == "" {
		return
	}
	canJoin := len(s.authority.own) > 0
	for _, n := range s.registry.sorted(func(i issued) bool { return i.flags&(inIndex|hasFile) == inIndex }) {
		if canJoin {
			s.findings.add(IssuedMissing, n.String(), "the index has this serial number, no valid certificate in the folder does")
		}
	}
	if s.registry.whole {
		rowless := s.registry.sorted(func(i issued) bool { return i.flags&(inIndex|isUnsure|hasFile) == hasFile })
		if len(rowless) > 0 && len(rowless) <= s.registry.lost {
			s.findings.add(DatabaseNotChecked, s.layout.database, "%d certificates have no row; %d rows that cannot be read may be theirs", len(rowless), s.registry.lost)
			rowless = nil
		}
		for _, n := range rowless {
			s.findings.add(IssuedNotInIndex, n.String(), "the CA issued this certificate, the index does not have it")
		}
	}
	switch {
	case s.registry.isRandom() || !s.registry.hasHighest:
	case !s.registry.hasNext && s.layout.serial == "":
		s.findings.add(SerialMissing, path.Join(s.layout.home, "serial"), "serial numbers are sequential, but the file with the next one is not there")
	case s.registry.hasNext && s.registry.next.Compare(s.registry.highest) <= 0:
		s.findings.add(SerialBehind, s.layout.serial, "the next serial number is %s, but %s was already used: raise it before the CA signs again",
			s.registry.next, s.registry.highest)
	}
}

// sorted returns the serial numbers that match, in order.
func (r *registry) sorted(match func(issued) bool) []openssl.Serial {
	var out []openssl.Serial
	for n, i := range r.rows {
		if match(i) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, openssl.Serial.Compare)
	return out
}
