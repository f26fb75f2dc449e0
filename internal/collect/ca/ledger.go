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

// ledger joins the index with the certificates, by serial number.
type ledger struct {
	rows  map[openssl.Serial]issued
	extra map[[sha256.Size]byte]struct{} // certificates of others, and second ones of a serial number
	whole bool                           // the index was read to its end
	lost  int                            // rows of which not even the number is known

	issued, revoked, expired int // rows by status
	certificates             int // different certificates in the folder

	highest     openssl.Serial // of rows and certificates
	hasHighest  bool
	last        openssl.Serial // of the row before
	random      bool           // serial numbers do not follow each other
	next        openssl.Serial // content of the serial file
	hasNext     bool
	configRandy bool // the configuration asks for random ones
}

func newLedger() *ledger {
	return &ledger{rows: map[openssl.Serial]issued{}, extra: map[[sha256.Size]byte]struct{}{}}
}

// mode says how serial numbers are chosen, as far as it can be seen.
func (l *ledger) mode() string {
	if l.isRandom() {
		return "random"
	}
	return "sequential"
}

// isRandom decides from the configuration, else from the numbers: two neighbours
// in the index that are very far apart. A single long number that is far from the
// serial file says the same.
func (l *ledger) isRandom() bool {
	return l.configRandy || l.random || l.issued == 1 && l.hasNext && l.next.FarFrom(l.last)
}

func (l *ledger) see(n openssl.Serial) {
	if !l.hasHighest || n.Compare(l.highest) > 0 {
		l.highest, l.hasHighest = n, true
	}
}

// readDatabase reads index, serial and CRL number.
func (s *survey) readDatabase(ctx context.Context) error {
	s.ledger.configRandy = s.layout.settings.RandomSerial
	if err := s.readIndex(ctx); err != nil {
		return err
	}
	var err error
	if s.ledger.next, s.ledger.hasNext, err = s.readNumber(ctx, s.layout.serial); err != nil {
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
	s.ledger.whole = true
	return s.scan(ctx, e, func(r io.Reader) error {
		err := openssl.ParseIndex(r, s.addRow, func(bad *openssl.RowError) error { return s.addMalformed(name, bad) })
		if errors.Is(err, errEnough) {
			s.ledger.whole = false
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
		s.ledger.lost++
	case bad.Known && len(s.ledger.rows) < maxEntries:
		s.findings.add(DatabaseMalformed, name, "%s", bad)
		known := s.ledger.rows[bad.Serial]
		known.flags |= isUnsure
		s.ledger.rows[bad.Serial] = known
		s.ledger.see(bad.Serial)
	default:
		s.findings.add(DatabaseMalformed, name, "%s", bad)
		s.ledger.lost++
	}
	return nil
}

func (s *survey) addRow(r openssl.Row) error {
	l := s.ledger
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
		_, seen := s.ledger.extra[cert.Digest]
		s.ledger.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	number, err := openssl.SerialOf(parsed.SerialNumber)
	if err != nil {
		s.findings.add(DatabaseNotChecked, name, "has %s: captured, but not compared with the index", err)
		_, seen := s.ledger.extra[cert.Digest]
		s.ledger.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	s.ledger.see(number)
	// openssl names files without the sign.
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if path.Dir(name) == s.layout.newCerts && !strings.EqualFold(strings.TrimPrefix(base, "-"), strings.TrimPrefix(number.String(), "-")) {
		s.findings.add(IssuedMisnamed, name, "the certificate in it has serial number %s", number)
	}
	known := s.ledger.rows[number]
	if known.flags&hasFile != 0 {
		if bytes.Equal(known.digest[:], cert.Digest[:len(known.digest)]) {
			return false
		}
		s.findings.add(SerialDuplicate, name, "another certificate has the same serial number %s", number)
		_, seen := s.ledger.extra[cert.Digest]
		s.ledger.extra[cert.Digest] = struct{}{}
		return s.count(!seen)
	}
	if known.flags&inIndex != 0 && known.expiry != parsed.NotAfter.Unix() {
		s.findings.add(IssuedDiffers, name, "the index gives another expiry for serial number %s", number)
	}
	known.flags |= hasFile
	copy(known.digest[:], cert.Digest[:])
	s.ledger.rows[number] = known
	return s.count(true)
}

func (s *survey) count(first bool) bool {
	if first {
		s.ledger.certificates++
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
	return err == nil && s.ledger.rows[n].flags&inIndex != 0
}

// reconcile compares index and certificates after the second pass.
func (s *survey) reconcile() {
	if s.layout.database == "" {
		return
	}
	canJoin := len(s.authority.own) > 0
	for _, n := range s.ledger.sorted(func(i issued) bool { return i.flags&(inIndex|hasFile) == inIndex }) {
		if canJoin {
			s.findings.add(IssuedMissing, n.String(), "the index has this serial number, no valid certificate in the folder does")
		}
	}
	if s.ledger.whole {
		rowless := s.ledger.sorted(func(i issued) bool { return i.flags&(inIndex|isUnsure|hasFile) == hasFile })
		if len(rowless) > 0 && len(rowless) <= s.ledger.lost {
			s.findings.add(DatabaseNotChecked, s.layout.database, "%d certificates have no row; %d rows that cannot be read may be theirs", len(rowless), s.ledger.lost)
			rowless = nil
		}
		for _, n := range rowless {
			s.findings.add(IssuedNotInIndex, n.String(), "the CA issued this certificate, the index does not have it")
		}
	}
	switch {
	case s.ledger.isRandom() || !s.ledger.hasHighest:
	case !s.ledger.hasNext && s.layout.serial == "":
		s.findings.add(SerialMissing, path.Join(s.layout.home, "serial"), "serial numbers are sequential, but the file with the next one is not there")
	case s.ledger.hasNext && s.ledger.next.Compare(s.ledger.highest) <= 0:
		s.findings.add(SerialBehind, s.layout.serial, "the next serial number is %s, but %s was already used: raise it before the CA signs again",
			s.ledger.next, s.ledger.highest)
	}
}

// sorted returns the serial numbers that match, in order.
func (l *ledger) sorted(match func(issued) bool) []openssl.Serial {
	var out []openssl.Serial
	for n, i := range l.rows {
		if match(i) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, openssl.Serial.Compare)
	return out
}
