package ca

import (
	"bytes"
	"context"
	"errors"
	"time"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// crlSummary is what is kept of a CRL after it was checked.
type crlSummary struct {
	path       string
	number     openssl.Serial
	numbered   bool
	thisUpdate time.Time
}

// newer orders CRLs of the CA: by number, else by time (RFC 5280 5.2.3).
func (c *crlSummary) newer(than *crlSummary) bool {
	if than == nil {
		return true
	}
	if c.numbered && than.numbered && c.number != than.number {
		return c.number.Compare(than.number) > 0
	}
	return c.thisUpdate.After(than.thisUpdate)
}

// readCRLs verifies every CRL of the folder and compares the newest of the CA's
// own with the index.
func (s *survey) readCRLs(ctx context.Context) error {
	for _, name := range s.crls {
		crl, ok, err := s.readCRL(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			s.findings.add(CRLUnreadable, name, "cannot be parsed: captured, but not checked")
			continue
		}
		if !s.verifyCRL(name, crl) || crl.Delta {
			continue
		}
		summary := &crlSummary{path: name, thisUpdate: crl.ThisUpdate, number: crl.Number, numbered: crl.Numbered}
		if summary.newer(s.newestCRL) {
			s.newestCRL = summary
		}
	}
	if s.newestCRL == nil {
		if s.registry.revoked > 0 || s.hasCRLNumber && s.crlNumber.Compare(openssl.Serial{}.Next()) > 0 {
			s.findings.add(CRLMissing, "CRL", "no valid CRL of the CA is in the folder, though certificates are revoked or CRLs were issued")
		}
		return nil
	}
	crl, ok, err := s.readCRL(ctx, s.newestCRL.path)
	if err != nil {
		return err
	}
	if !ok {
		return s.folder.changed(s.newestCRL.path)
	}
	s.checkWindow(crl)
	s.checkNumber()
	s.checkEntries(crl)
	return nil
}

// readCRL reads the CRL in a file; ok is false when none can be parsed.
func (s *survey) readCRL(ctx context.Context, name string) (crl *pki.CRL, ok bool, err error) {
	e, there, err := s.folder.lookup(name)
	if err != nil {
		return nil, false, err
	}
	if !there {
		return nil, false, s.folder.changed(name)
	}
	data, err := s.folder.read(ctx, e)
	if err != nil {
		return nil, false, err
	}
	crl, broken := pki.ParseCRL(pki.CRLOf(data))
	return crl, broken == nil, nil
}

// verifyCRL reports whether the CA issued the CRL. Those of other CAs are of no
// interest.
func (s *survey) verifyCRL(name string, crl *pki.CRL) bool {
	matched := false
	for _, parent := range s.authority.own {
		if !bytes.Equal(parent.RawSubject, crl.Issuer) {
			continue
		}
		matched = true
		err := pki.CheckSignature(parent.Certificate, crl.Algorithm, crl.Signed, crl.Signature)
		if err == nil {
			return true
		}
		if pki.IsUnsupported(err) {
			s.findings.add(SignatureNotChecked, name, "signed with an algorithm or key size that is not supported (%s)", crl.Algorithm)
			return true // what it holds is compared all the same
		}
	}
	if matched {
		s.findings.add(CRLSignatureInvalid, name, "no generation of the CA verifies its signature")
	}
	return false
}

func (s *survey) checkWindow(crl *pki.CRL) {
	name := s.newestCRL.path
	switch {
	case crl.ThisUpdate.After(s.now):
		s.findings.add(CRLNotYetValid, name, "thisUpdate is %s", crl.ThisUpdate.UTC().Format(time.RFC3339))
	case crl.NextUpdate.IsZero():
		// RFC 5280 demands one, openssl takes the CRL for good until there is another.
	case !crl.NextUpdate.After(s.now):
		s.findings.add(CRLExpired, name, "nextUpdate was %s: issue a new CRL", crl.NextUpdate.UTC().Format(time.RFC3339))
	}
}

// checkNumber compares the CRL number file with the newest CRL.
func (s *survey) checkNumber() {
	crl := s.newestCRL
	if !crl.numbered {
		return
	}
	if !s.hasCRLNumber {
		if s.layout.crlNumber == "" && s.layout.database != "" {
			s.findings.add(CRLNumberMissing, "crlnumber", "CRLs are numbered, but the file with the next number is not there")
		}
		return
	}
	switch want := crl.number.Next(); s.crlNumber.Compare(want) {
	case -1:
		s.findings.add(CRLNumberBehind, s.layout.crlNumber, "the next CRL number is %s, but %s has number %s already", s.crlNumber, crl.path, crl.number)
	case 1:
		s.findings.add(CRLNewerElsewhere, crl.path, "it has number %s, but the next number is %s: a newer CRL was issued and is not in the folder", crl.number, s.crlNumber)
	}
}

// checkEntries compares the newest CRL with the index.
func (s *survey) checkEntries(crl *pki.CRL) {
	if s.layout.database == "" {
		return
	}
	err := crl.Each(func(n openssl.Serial) {
		known := s.registry.rows[n]
		if known.flags&isRevoked == 0 {
			if s.registry.whole && s.registry.lost == 0 && known.flags&isUnsure == 0 {
				s.findings.add(OnCRLNotRevoked, n.String(), "is on %s, but the index does not say that it is revoked", s.newestCRL.path)
			}
			return
		}
		known.flags |= onCRL
		s.registry.rows[n] = known
	})
	switch {
	case errors.Is(err, openssl.ErrLongSerial):
		s.findings.add(DatabaseNotChecked, s.newestCRL.path, "holds %s: captured, but not compared with the index", err)
	case err != nil:
		s.findings.add(CRLUnreadable, s.newestCRL.path, "its entries cannot be read: captured, but not checked")
		return
	}
	for _, n := range s.registry.sorted(func(i issued) bool { return i.flags&(isRevoked|isExpired|onCRL) == isRevoked }) {
		s.findings.add(RevokedNotOnCRL, n.String(), "is revoked and has not expired, but is not on %s: issue a new CRL", s.newestCRL.path)
	}
}
