package ca

import (
	"path"
	"strings"

	"infrabackup/internal/collect/ca/pki"
)

// need says what it means that a file may not be read.
type need int

const (
	needless  need = iota // it is not the CA's: a gap
	wantedKey             // a private key: the account may be kept from it on purpose, a gap
	needed                // the CA cannot be rebuilt or checked without it: the capture fails
)

// need judges a file or folder by its path, since nothing else of it is known.
func (l *layout) need(name string) need {
	base := strings.ToLower(path.Base(name))
	switch {
	case name == l.namedKey, l.isKeyFolder(name), path.Ext(base) == ".key", base == "private",
		path.Base(path.Dir(name)) == "private", pki.IsCAName(name) && strings.Contains(base, "key"):
		return wantedKey
	case name == l.database, name == l.attributes, name == l.serial, name == l.crlNumber, name == l.config, name == l.namedCert, name == l.newCerts:
		return needed
	case path.Dir(name) == l.home && (base == "index.txt" || base == "index.txt.attr" || base == "serial" || base == "crlnumber" || base == "openssl.cnf"):
		return needed
	case l.inIssued(name), l.inIssued(path.Join(name, "x")), pki.IsCAName(name):
		return needed
	case path.Ext(base) == ".crl", base == "crl", base == "crl.pem", base == "crls", path.Base(path.Dir(name)) == "crl":
		return needed
	case l.database != "" && strings.HasPrefix(l.database, name+"/"):
		return needed
	}
	return needless
}

// isKeyFolder reports whether the configured key lies below a folder.
func (l *layout) isKeyFolder(name string) bool {
	return l.deniedKey != "" && (l.deniedKey == name || strings.HasPrefix(l.deniedKey, name+"/"))
}

// denied notes what the account may not read, or returns the fault when the CA cannot
// do without it.
func (s *survey) denied(name string, err error) error {
	if !isDenied(err) {
		return err
	}
	kind := needless
	if !s.ofOther(name) {
		kind = s.layout.need(name)
	}
	switch kind {
	case needed:
		return err
	case wantedKey:
		s.authority.denied = append(s.authority.denied, name)
		s.findings.add(KeyNotContained, name, "the worker's account may not read it: keep the key elsewhere, or give the account the right to read it")
	default:
		s.findings.add(NotReadable, name, "the worker's account may not read it: not captured; move it out of the folder, or give the account the right to read it")
	}
	s.unreadable[s.hash(name)] = true
	return nil
}

// deniedLater judges what the second pass may not read: what the first could read has
// changed since.
func (s *survey) deniedLater(name string, err error) error {
	switch {
	case !isDenied(err):
		return err
	case s.unreadable[s.hash(name)]:
		return nil
	case s.layout.need(name) == needed || s.layout.inIssued(name):
		return err
	}
	return s.denied(name, err)
}
