package authority

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/diff/result"
)

// Reasons for which a difference does not count.
const (
	ReasonCounter = "a counter went on"
	ReasonFormer  = "former state of the database"
	ReasonText    = "text around a certificate"
	ReasonRows    = "order of rows"
	ReasonIssued  = "a revocation list was issued again"
)

// MaxBytes is the size of a file up to which its content is compared.
const MaxBytes = pki.MaxCRLBytes

// Kinds of files whose content is a secret.
const pkcs12 = "pkcs12"

// Back is the path of a counter that went back.
const Back = "number, which went back"

// Compare compares two versions of a file, of which it is known that they differ.
func Compare(kind, id string, a, b []byte, to *result.Details) {
	switch kind {
	case pki.KindKey, pki.KindKeyReference, pkcs12:
		to.Secret("content", result.Changed)
	case pki.KindCRL:
		revocations(a, b, to)
	case pki.KindDatabase:
		database(id, a, b, to)
	default:
		certificates(id, a, b, to)
	}
}

// content notes that a file has another content, and not which.
func content(a, b []byte, to *result.Details) {
	to.Change("content", fmt.Sprintf("%d bytes", len(a)), fmt.Sprintf("%d bytes", len(b)))
}

// certificates compares files by the certificates in them.
func certificates(id string, a, b []byte, to *result.Details) {
	if len(a) > pki.MaxParsedBytes || len(b) > pki.MaxParsedBytes {
		content(a, b, to)
		return
	}
	x, y := pki.Inspect(id, a), pki.Inspect(id, b)
	only := func(c pki.Content) bool { return len(c.Certificates) > 0 && len(c.Keys) == 0 && c.KeyURI == "" }
	if !only(x) || !only(y) {
		if len(x.Keys)+len(y.Keys) > 0 {
			to.Secret("content", result.Changed)
			return
		}
		content(a, b, to)
		return
	}
	gone, come := missing(x.Certificates, y.Certificates), missing(y.Certificates, x.Certificates)
	if len(gone)+len(come) == 0 {
		to.Ignore(ReasonText)
		return
	}
	for _, c := range gone {
		to.Remove("certificate", describe(c))
	}
	for _, c := range come {
		to.Add("certificate", describe(c))
	}
}

// missing are the certificates of a that b does not have.
func missing(a, b []pki.Certificate) []pki.Certificate {
	var out []pki.Certificate
	for _, one := range a {
		if !slices.ContainsFunc(b, func(other pki.Certificate) bool { return other.Digest == one.Digest }) {
			out = append(out, one)
		}
	}
	return out
}

func describe(c pki.Certificate) string {
	digest := "SHA-256 " + hex.EncodeToString(c.Digest[:])
	if c.Parsed == nil {
		return digest
	}
	return fmt.Sprintf("%s, serial number %X, %s", c.Parsed.Subject, c.Parsed.SerialNumber, digest)
}

// database compares files of the CA's database by their names and, since these can be
// configured, by what they hold.
func database(id string, a, b []byte, to *result.Details) {
	base := path.Base(id)
	switch ext := path.Ext(base); {
	case ext == ".old" || ext == ".new":
		to.Ignore(ReasonFormer)
		return
	case ext == ".attr":
		to.Change("content", string(a), string(b))
		return
	}
	numberA, errA := openssl.ParseNumber(a)
	numberB, errB := openssl.ParseNumber(b)
	if errA == nil && errB == nil && bytes.Count(a, []byte("\n")) <= 1 && bytes.Count(b, []byte("\n")) <= 1 {
		counter(numberA, numberB, to)
		return
	}
	rows(a, b, to)
}

// counter compares a serial number or a CRL number with the one before.
func counter(a, b openssl.Serial, to *result.Details) {
	if b.Compare(a) >= 0 {
		to.Ignore(ReasonCounter)
		return
	}
	to.Change(Back, a.String(), b.String())
}

// rows compares an index as a set of rows.
func rows(a, b []byte, to *result.Details) {
	count := map[string]int{}
	for line := range bytes.Lines(a) {
		count[rowText(line)]--
	}
	for line := range bytes.Lines(b) {
		count[rowText(line)]++
	}
	changed := map[string]*[2][]string{} // by path: rows of A only, rows of B only
	for row, n := range count {
		if n == 0 {
			continue
		}
		where, text := describeRow(row)
		if changed[where] == nil {
			changed[where] = &[2][]string{}
		}
		side := 0
		if n > 0 {
			side = 1
		}
		for range max(n, -n) {
			changed[where][side] = append(changed[where][side], text)
		}
	}
	if len(changed) == 0 {
		to.Ignore(ReasonRows)
		return
	}
	for _, where := range sortedKeys(changed) {
		gone, come := changed[where][0], changed[where][1]
		slices.Sort(gone)
		slices.Sort(come)
		if len(gone) == 1 && len(come) == 1 {
			to.Change(where, gone[0], come[0])
			continue
		}
		for _, text := range gone {
			to.Remove(where, text)
		}
		for _, text := range come {
			to.Add(where, text)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func rowText(line []byte) string { return strings.TrimRight(string(line), "\r\n") }

// describeRow says which certificate a row is about, and what it says of it.
func describeRow(text string) (where, what string) {
	where, what = "row", text
	_ = openssl.ParseIndex(strings.NewReader(text+"\n"), func(r openssl.Row) error { // malformed ones are shown as they are
		where = "row[serial=" + r.Serial.String() + "]"
		what = fmt.Sprintf("%s %s expires %s", status(r), r.Subject, r.Expiry.UTC().Format("2006-01-02 15:04:05Z"))
		if !r.Revoked.IsZero() {
			what += strings.TrimRight(fmt.Sprintf(" revoked %s %s", r.Revoked.UTC().Format("2006-01-02 15:04:05Z"), r.Reason), " ")
		}
		return nil
	}, func(*openssl.RowError) error { return nil })
	return where, what
}

func status(r openssl.Row) string {
	switch r.Status {
	case 'V':
		return "valid"
	case 'R':
		return "revoked"
	case 'E':
		return "expired"
	}
	return fmt.Sprintf("status %q", string(r.Status))
}
