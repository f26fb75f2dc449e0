package diff_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/authority"
)

// authorityOf makes certificates and revocation lists.
type authorityOf struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string) *authorityOf {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &authorityOf{t: t, key: key}
	block, _ := pem.Decode(c.certificate(name, 1))
	c.cert, err = x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func (c *authorityOf) certificate(name string, serial int64) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(1.7e9, 0), NotAfter: time.Unix(2e9, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte(name),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.key.Public(), c.key)
	require.NoError(c.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// crl makes a list; reasons are by serial number.
func (c *authorityOf) crl(number, day int64, reasons map[int64]int) []byte {
	at := time.Unix(1.75e9, 0).AddDate(0, 0, int(day))
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 1, 0)}
	for serial := range int64(100) {
		if reason, ok := reasons[serial]; ok {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Unix(1.7e9, 0), ReasonCode: reason})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, c.cert, c.key)
	require.NoError(c.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// digestOf is the ID of a file with one certificate.
func digestOf(t testing.TB, file []byte) string {
	block, _ := pem.Decode(file)
	require.NotNil(t, block)
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// row is a line of an index.txt.
func row(status, revoked string, serial int, subject string) string {
	return fmt.Sprintf("%s\t261122083000Z\t%s\t%04X\tunknown\t%s\n", status, revoked, serial, subject)
}

// seedAuthority puts every kind of change into the files of a CA, each into a file of its own,
// and returns what is to be found.
func seedAuthority(t *testing.T, a, b *world) (want []string, kinds int) {
	ca, other := newAuthority(t, "CA"), newAuthority(t, "Other")
	n := 0
	// file puts a file; nil is one that a side does not have. Its name has to tell its kind.
	file := func(kind, name string, before, after []byte, found string) {
		n++
		id := fmt.Sprintf("ca/%03d/%s", n, name)
		if before != nil {
			a.put(thing{service: backup.CA, kind: kind, id: id, name: id, data: before, file: true})
		}
		if after != nil {
			b.put(thing{service: backup.CA, kind: kind, id: id, name: id, data: after, file: true})
		}
		if found != "" {
			how, details, _ := strings.Cut(found, " ")
			want = append(want, fmt.Sprintf("%s %s %s %s", how, kind, id, details))
			kinds++
		}
	}
	record := func(kind string, before, after string, found string) {
		n++
		id := fmt.Sprintf("ca/%03d", n)
		for w, text := range map[*world]string{a: before, b: after} {
			if text != "" {
				w.put(thing{service: backup.CA, kind: kind, id: id, name: id, data: []byte(text)})
			}
		}
		if found != "" {
			how, details, _ := strings.Cut(found, " ")
			want = append(want, fmt.Sprintf("%s %s %s %s", how, kind, id, details))
			kinds++
		}
	}
	text := func(s string) []byte { return []byte(s) }

	// Certificates are told by their DER.
	one, two := ca.certificate("one", 0x1000), ca.certificate("two", 0x1001)
	certificate := func(w *world, id, path string, data []byte) {
		w.put(thing{service: backup.CA, kind: "certificate", id: id, name: path, data: data, file: true})
	}
	kept := ca.certificate("kept", 0x1002)
	w := digestOf(t, kept)
	a.put(thing{service: backup.CA, kind: "certificate", id: w, name: "kept", data: kept, file: true})
	b.put(thing{service: backup.CA, kind: "certificate", id: w, name: "kept", data: append(text("Certificate:\n"), kept...), file: true})
	certificate(a, digestOf(t, one), "one", one)
	want = append(want, "removed certificate "+digestOf(t, one)+" {}")
	certificate(b, digestOf(t, two), "two", two)
	want = append(want, "added certificate "+digestOf(t, two)+" {}")
	kinds += 2
	shown := func(data []byte, name, serial string) string {
		return "CN=" + name + ", serial number " + serial + ", SHA-256 " + digestOf(t, data)
	}
	file("certificate-copy", "a.pem", one, two, "changed {added certificate +"+shown(two, "two", "1001")+"; removed certificate -"+shown(one, "one", "1000")+"}")
	file("certificate-copy", "b.pem", one, append(text("x\n"), one...), "")
	file("certificate-bundle", "chain.pem", one, slices.Concat(one, two), "changed {added certificate +"+shown(two, "two", "1001")+"}")
	file("certificate-bundle", "chain.pem", slices.Concat(one, two), two, "changed {removed certificate -"+shown(one, "one", "1000")+"}")
	file("certificate-bundle", "chain.pem", slices.Concat(one, two), slices.Concat(two, one), "")
	file("certificate-copy", "c.pem", one, nil, "removed {}")

	// Keys are the same or not.
	file("private-key", "cakey.pem", text("canary 1"), text("canary 2"), "changed {changed content secret}")
	file("private-key", "new.pem", nil, text("canary 3"), "added {}")
	file("private-key", "old.pem", text("canary 4"), nil, "removed {}")
	file("private-key-reference", "hsm", text("pkcs11:pin-value=canary"), text("pkcs11:pin-value=canary2"), "changed {changed content secret}")
	file("pkcs12", "x.p12", text("canary 5"), text("canary 6"), "changed {changed content secret}")
	file("public-key", "x.pub", text("one"), text("other"), "changed {changed content -3 bytes +5 bytes}")
	file("key-parameters", "dh.pem", text("one"), text("two"), "changed {changed content -3 bytes +3 bytes}")
	file("certificate-request", "x.csr", text("one"), text("other"), "changed {changed content -3 bytes +5 bytes}")
	file("certificate-request", "y.csr", nil, text("a request"), "added {}")

	// The database.
	index := func(rows ...string) []byte { return text(strings.Join(rows, "")) }
	valid, another := row("V", "", 0x1000, "/CN=www"), row("V", "", 0x1001, "/CN=ftp")
	const shownWWW, shownFTP = "valid /CN=www expires 2026-11-22 08:30:00Z", "valid /CN=ftp expires 2026-11-22 08:30:00Z"
	file("ca-database", "index.txt", index(valid), index(valid, another), "changed {added row[serial=1001] +"+shownFTP+"}")
	file("ca-database", "index.txt", index(valid, another), index(another), "changed {removed row[serial=1000] -"+shownWWW+"}")
	file("ca-database", "index.txt", index(valid, another), index(another, valid), "")
	file("ca-database", "index.txt", index(valid), index(row("R", "251122083000Z,keyCompromise", 0x1000, "/CN=www")), "changed {changed row[serial=1000] -"+shownWWW+" +revoked /CN=www expires 2026-11-22 08:30:00Z revoked 2025-11-22 08:30:00Z keyCompromise}")
	file("ca-database", "index.txt", index(row("R", "251122083000Z", 0x1000, "/CN=www")), index(valid), "changed {changed row[serial=1000] -revoked /CN=www expires 2026-11-22 08:30:00Z revoked 2025-11-22 08:30:00Z +"+shownWWW+"}")
	file("ca-database", "index.txt", index(row("R", "251122083000Z", 0x1000, "/CN=www")), index(row("R", "251122083000Z,superseded", 0x1000, "/CN=www")), "changed {changed row[serial=1000] -revoked /CN=www expires 2026-11-22 08:30:00Z revoked 2025-11-22 08:30:00Z +revoked /CN=www expires 2026-11-22 08:30:00Z revoked 2025-11-22 08:30:00Z superseded}")
	file("ca-database", "index.txt", index(valid), index(row("E", "", 0x1000, "/CN=www")), "changed {changed row[serial=1000] -"+shownWWW+" +expired /CN=www expires 2026-11-22 08:30:00Z}")
	file("ca-database", "index.txt", index(valid), index(row("V", "", 0x1000, "/CN=evil")), "changed {changed row[serial=1000] -"+shownWWW+" +valid /CN=evil expires 2026-11-22 08:30:00Z}")
	file("ca-database", "index.txt", index(valid), index(valid, valid), "changed {added row[serial=1000] +"+shownWWW+"}")
	file("ca-database", "index.txt", index(valid), index(valid, "garbage\tx\n"), "changed {added row +garbage\tx}")
	file("ca-database", "index.txt", index(valid), text(""), "changed {removed row[serial=1000] -"+shownWWW+"}")
	file("ca-database", "index.txt.attr", text("unique_subject = no\n"), text("unique_subject = yes\n"), "changed {changed content -unique_subject = no\n +unique_subject = yes\n}")
	file("ca-database", "index.txt.old", index(valid), index(another), "")
	file("ca-database", "serial.old", text("1000\n"), text("1001\n"), "")
	file("ca-database", "serial", text("1000\n"), text("1001\n"), "")
	file("ca-database", "crlnumber", text("05\n"), text("06\n"), "")
	file("ca-database", "serial", text("1000\n"), nil, "removed {}")
	file("ca-database", "x.srl", nil, text("0A\n"), "added {}")

	// Revocation lists.
	const day = "2023-11-14 22:13:20Z"
	file("crl", "crl.pem", ca.crl(5, 0, map[int64]int{7: 1}), ca.crl(6, 7, map[int64]int{7: 1}), "")
	file("crl", "crl.pem", ca.crl(5, 0, nil), ca.crl(6, 1, map[int64]int{7: 1}), "changed {added revoked[07] +"+day+", reason 1}")
	file("crl", "crl.pem", ca.crl(5, 0, map[int64]int{7: 1}), ca.crl(6, 1, nil), "changed {removed revoked[07] -"+day+", reason 1}")
	file("crl", "crl.pem", ca.crl(5, 0, map[int64]int{7: 1}), ca.crl(6, 1, map[int64]int{7: 6}), "changed {changed revoked[07] -"+day+", reason 1 +"+day+", reason 6}")
	file("crl", "crl.pem", ca.crl(5, 0, nil), text("garbage garbage garbage"), "*")
	file("crl", "crl.pem", ca.crl(5, 0, nil), other.crl(5, 0, nil), "*")
	file("crl", "new.pem", nil, ca.crl(9, 0, nil), "added {}")
	file("crl", "old.pem", ca.crl(9, 1, nil), nil, "removed {}")

	// Other files.
	file("ca-configuration", "openssl.cnf", text("output_password = canary"), text("output_password = canary 2"), "changed {changed content -24 bytes +26 bytes}")
	file("ca-configuration", "vars", text("a config"), nil, "removed {}")
	file("file", "notes", text("canary"), text("canary!"), "changed {changed content -6 bytes +7 bytes}")
	file("file", "same size", text("aaa"), text("bbb"), "changed {changed content -3 bytes +3 bytes}")
	file("file", "emptied", text("once"), text(""), "changed {changed content -4 bytes +0 bytes}")
	file("file", "come", nil, text("something new"), "added {}")
	file("file", "empty", nil, text(""), "added {}")
	for _, moved := range [][3]string{{"renamed", "ca/x/a", "ca/x/b"}, {"moved", "ca/y/c", "ca/z/c"}} {
		data := text("the content of " + moved[1])
		a.put(thing{service: backup.CA, kind: "file", id: moved[1], name: moved[1], data: data, file: true})
		b.put(thing{service: backup.CA, kind: "file", id: moved[2], name: moved[2], data: data, file: true})
		want = append(want, fmt.Sprintf("%s file %s from %s from name %s {}", moved[0], moved[2], moved[1], moved[1]))
		kinds++
	}
	record("directory", `{"path":"ca/p","mode":"0700"}`, `{"path":"ca/p","mode":"0777"}`, "changed {changed mode -0700 +0777}")
	record("directory", "", `{"path":"ca/q","mode":"0700"}`, "added {}")
	record("directory", `{"path":"ca/r","mode":"0700"}`, "", "removed {}")
	record("symlink", `{"path":"ca/l","target":"a"}`, `{"path":"ca/l","target":"/etc/shadow"}`, "changed {changed target -a +/etc/shadow}")
	record("symlink", "", `{"path":"ca/m","target":"a"}`, "added {}")
	record("renamed", `{"path":"ca-renamed/x","nameBytes":"YQ=="}`, `{"path":"ca-renamed/x","nameBytes":"Yg=="}`, "changed {changed nameBytes -YQ== +Yg==}")

	// AD CS objects are directory objects.
	adcs := func(w *world, e entry) {
		one := e.thing()
		one.service, one.kind = backup.CA, "adcs-object"
		w.put(one)
	}
	template := entry{number: 900, dn: "CN=Web,CN=Templates," + domain, class: "pKICertificateTemplate", values: map[string][]string{"flags": {"1"}, "uSNChanged": {"1"}}}
	adcs(a, template)
	adcs(b, template.set("flags", "2").set("uSNChanged", "2"))
	want = append(want, "changed adcs-object "+guidOf(900)+" {changed flags -1 +2}")
	template.number, template.dn = 901, "CN=New,CN=Templates,"+domain
	adcs(b, template)
	want = append(want, "added adcs-object "+guidOf(901)+" {}")
	kinds += 2
	return want, kinds
}

// TestSeededAuthority: every kind of change of a CA's files is found, and no other.
func TestSeededAuthority(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	seeds, kinds := seedAuthority(t, a, b)
	require.GreaterOrEqual(t, kinds, 50)
	// Counters have a direction, so that the other side does not find the same.
	got := changes(run(t, build(t, a), build(t, b), diff.Options{}))
	var want []string
	for _, line := range seeds {
		id, open := strings.CutPrefix(line, "* ")
		if !open {
			want = append(want, line)
			continue
		}
		at := slices.IndexFunc(got, func(one string) bool { return strings.HasPrefix(one, "changed "+strings.TrimSpace(id)) })
		require.GreaterOrEqual(t, at, 0, line)
		got = slices.Delete(got, at, at+1)
	}
	requireExactly(t, want, got)

	back := run(t, build(t, b), build(t, a), diff.Options{})
	var counters int
	back = mirrored(back)
	for _, s := range back.Services {
		for _, c := range s.Changes {
			for _, d := range c.Details {
				if d.Path == authority.Back {
					counters++
				}
			}
		}
	}
	require.Equal(t, 2+4, counters, "two files and four lists have numbers that went on")
	require.Len(t, back.Warnings, counters)
	require.Contains(t, back.Warnings[0], "went back")
	require.Empty(t, changes(compare(t, b, b, diff.Options{})))
}
