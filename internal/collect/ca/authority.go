package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"infrabackup/internal/collect/ca/pki"
)

// maxAuthorities and maxAuthorityBytes bound the CA certificates of a folder that are
// kept while it is checked.
const (
	maxAuthorities    = 1024
	maxAuthorityBytes = 8 << 20
)

// caCertificate is a CA certificate and where it was found first.
type caCertificate struct {
	*x509.Certificate
	path   string
	digest [sha256.Size]byte
	named  bool // by its file name or by the configuration the CA's own
}

// keyFile is a file with a private key, or a reference to one, that by its name
// or by the configuration is the CA's.
type keyFile struct {
	path string
	key  pki.PrivateKey
	uri  string // of a reference
}

// authority is the CA itself: its certificates, generation by generation, and its
// keys.
type authority struct {
	own        []caCertificate // the CA's own, newest first
	chain      []caCertificate // of others, such as its root
	found      []caCertificate // before settle has told them apart
	foundBytes int             // of found
	unreadable []string        // files that by their name hold a CA certificate nobody can parse

	keys      []keyFile           // of the CA
	denied    []string            // keys, by their names, that may not be read
	encrypted []string            // files with any other encrypted key
	plain     map[[16]byte]string // file of every plain key, by the start of the digest of its public half
}

// add takes the CA certificates and keys of a file.
func (a *authority) add(name string, c pki.Content, l layout) {
	named := name == l.namedCert || pki.IsCAName(name)
	for i, cert := range c.Certificates {
		if cert.Parsed == nil {
			if named && len(a.unreadable) < maxAuthorities {
				a.unreadable = append(a.unreadable, name)
			}
			continue
		}
		// Of a bundle under the CA's name the first certificate is the CA's, the
		// others are its chain.
		own := named && i == 0
		size := len(cert.Parsed.Raw)
		if (cert.Parsed.IsCA || own) && len(a.found) < maxAuthorities && a.foundBytes+size <= maxAuthorityBytes {
			a.foundBytes += size
			a.found = append(a.found, caCertificate{cert.Parsed, name, cert.Digest, own})
		}
	}
	namedKey := name == l.namedKey || pki.IsCAName(name)
	if c.KeyURI != "" && namedKey {
		a.keys = append(a.keys, keyFile{path: name, uri: c.KeyURI})
	}
	for _, key := range c.Keys {
		switch {
		case namedKey && len(a.keys) < maxAuthorities:
			a.keys = append(a.keys, keyFile{path: name, key: key})
		case key.Encrypted && len(a.encrypted) < maxAuthorities:
			a.encrypted = append(a.encrypted, name)
		}
		if id, ok := keyID(key.Public); ok {
			if a.plain == nil {
				a.plain = map[[16]byte]string{}
			}
			a.plain[id] = name
		}
	}
}

// keyID is a short name of a public key.
func keyID(public any) (id [16]byte, ok bool) {
	if public == nil {
		return id, false
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return id, false // of a kind that no certificate here can have
	}
	sum := sha256.Sum256(der)
	copy(id[:], sum[:])
	return id, true
}

func (a *authority) holdsKey(cert *x509.Certificate) bool {
	id, ok := keyID(cert.PublicKey)
	_, held := a.plain[id]
	return ok && held
}

// settle tells the CA's own certificates from those of others: own are those
// whose file has the CA's name, those with the same subject (earlier and later
// generations), and those whose key is here. Failing that, self-signed ones, and
// failing that all.
func (a *authority) settle(l layout) {
	subjects := map[string]bool{}
	for _, cert := range a.found {
		if cert.named {
			subjects[string(cert.RawSubject)] = true
		}
	}
	isOwn := func(cert caCertificate) bool {
		return cert.named || subjects[string(cert.RawSubject)] || a.holdsKey(cert.Certificate)
	}
	if !slices.ContainsFunc(a.found, isOwn) {
		isOwn = func(cert caCertificate) bool { return bytes.Equal(cert.RawSubject, cert.RawIssuer) }
	}
	if !slices.ContainsFunc(a.found, isOwn) {
		isOwn = func(caCertificate) bool { return true }
	}
	seen := map[[sha256.Size]byte]bool{}
	for _, cert := range a.found {
		if seen[cert.digest] {
			continue
		}
		seen[cert.digest] = true
		if isOwn(cert) {
			a.own = append(a.own, cert)
		} else {
			a.chain = append(a.chain, cert)
		}
	}
	a.found = nil
	slices.SortStableFunc(a.own, func(x, y caCertificate) int { return y.NotAfter.Compare(x.NotAfter) })
}

// check looks at the CA certificates themselves.
func (a *authority) check(f *findings, now time.Time) {
	for _, name := range a.unreadable {
		f.add(IssuedUnreadable, name, "the CA certificate cannot be parsed: captured, but neither it nor what it signed is checked")
	}
	if len(a.own) == 0 {
		if len(a.unreadable) == 0 {
			f.add(CertificateMissing, "CA certificate", "no certificate of the CA was found, so no signature was checked")
		}
		return
	}
	for _, cert := range a.own {
		usage := cert.KeyUsage
		switch {
		case cert.Version == 1 && bytes.Equal(cert.RawIssuer, cert.RawSubject):
			// Version 1 has no extensions; openssl takes a self-signed one for a CA.
		case !cert.BasicConstraintsValid || !cert.IsCA:
			f.add(CertificateNotCA, cert.path, "basicConstraints do not say that it is a CA")
		case usage != 0 && (usage&x509.KeyUsageCertSign == 0 || usage&x509.KeyUsageCRLSign == 0):
			f.add(CertificateNotCA, cert.path, "keyUsage lacks keyCertSign or cRLSign")
		}
		a.checkChain(f, cert)
	}
	// Earlier generations expire in the course of things; only when none is left
	// does the CA stand still.
	newest := a.own[0]
	if now.After(newest.NotAfter) {
		f.add(CertificateExpired, newest.path, "expired on %s; no newer generation is here", newest.NotAfter.UTC().Format(time.RFC3339))
	} else if !slices.ContainsFunc(a.own, func(c caCertificate) bool { return !now.Before(c.NotBefore) }) {
		f.add(CertificateNotYetValid, newest.path, "valid only from %s", newest.NotBefore.UTC().Format(time.RFC3339))
	}
}

func (a *authority) checkChain(f *findings, cert caCertificate) {
	selfIssued := bytes.Equal(cert.RawIssuer, cert.RawSubject)
	known, unsupported := false, false
	for _, parent := range slices.Concat(a.own, a.chain) {
		if !bytes.Equal(parent.RawSubject, cert.RawIssuer) {
			continue
		}
		known = true
		err := pki.CheckSignedBy(cert.Certificate, parent.Certificate)
		if err == nil {
			return
		}
		unsupported = unsupported || pki.IsUnsupported(err)
	}
	switch {
	case known && unsupported:
		f.add(SignatureNotChecked, cert.path, "signed with an algorithm or key size that is not supported (%s)", cert.SignatureAlgorithm)
	case known:
		f.add(SignatureInvalid, cert.path, "no certificate in the folder verifies the signature of this CA certificate")
	case !selfIssued:
		f.add(ChainIncomplete, cert.path, "its issuer %s is not in the folder", cert.Issuer)
	}
}

// checkKeys looks whether the key of each generation is here. Public halves are
// compared; for a key in software that proves as much as signing would, since
// reading it made sure that its halves belong together.
func (a *authority) checkKeys(f *findings, l layout, now time.Time) {
	reported := len(a.denied) > 0 // one of them may be the missing one
	for _, key := range a.keys {
		switch {
		case key.uri != "":
			f.add(KeyNotContained, key.path, "the key is in a hardware module or another store, at %s: back it up there", pki.PublicKeyURI(key.uri))
			reported = true
		case key.key.Encrypted:
			f.add(KeyEncrypted, key.path, "captured encrypted, not checked against the CA certificate; keep its passphrase, it is not in the backup")
			reported = true
		case key.key.Err != nil:
			f.add(KeyUnreadable, key.path, "captured, not checked: %s", key.key.Err)
			reported = true
		case slices.ContainsFunc(a.own, func(c caCertificate) bool { return pki.SameKey(key.key.Public, c.PublicKey) }):
		case slices.ContainsFunc(a.own, func(c caCertificate) bool { return c.PublicKey == nil }):
			f.add(KeyUnreadable, key.path, "captured, not checked: a CA certificate has a key of a kind that is not supported")
			reported = true
		case len(a.own) > 0:
			f.add(KeyMismatch, key.path, "the key belongs to none of the CA certificates")
		}
	}
	missing := slices.DeleteFunc(slices.Clone(a.own), func(c caCertificate) bool { return a.holdsKey(c.Certificate) })
	if pki.IsKeyURI(l.settings.PrivateKey) && (len(missing) > 0 || len(a.own) == 0) {
		f.add(KeyNotContained, l.config, "private_key is in a hardware module or another store, at %s: back it up there", pki.PublicKeyURI(l.settings.PrivateKey))
		return
	}
	if !reported && len(missing) == len(a.own) && len(a.own) > 0 {
		// No key has a name by which it could be the CA's, so any encrypted one may be.
		for _, name := range a.encrypted {
			f.add(KeyEncrypted, name, "may be the CA's key: captured encrypted, not checked; keep its passphrase, it is not in the backup")
			reported = true
		}
	}
	if reported {
		return // one of these may be the missing one; nobody can tell
	}
	if len(a.own) == 0 && len(a.keys) == 0 {
		f.add(KeyNotContained, "CA key", "%s", whereKeyIs(l))
	}
	for _, cert := range missing {
		if now.After(cert.NotAfter) && len(missing) < len(a.own) {
			continue // an expired generation's key is of no use any more
		}
		f.add(KeyNotContained, cert.path, "%s", whereKeyIs(l))
	}
}

func whereKeyIs(l layout) string {
	if l.outsideKey != "" {
		return "the private key of this certificate is not in the folder; the configuration says that it is at " + l.outsideKey
	}
	return "the private key of this certificate is not in the folder: keep it elsewhere, the CA cannot sign without it"
}
