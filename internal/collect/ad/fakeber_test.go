package ad

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"infrabackup/internal/collect/ad/directorytest"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

func extended(number int, dn string) string {
	return fmt.Sprintf("<GUID=%s>;<SID=S-1-5-21-1-2-3-%d>;%s", fakeGUIDText(number), number, dn)
}

// What answers are made of.
var (
	entry, reference, result        = directorytest.Entry, directorytest.Reference, directorytest.Result
	message, wrap, numbered, nested = directorytest.Message, directorytest.Wrap, directorytest.Numbered, directorytest.Nested
)

// Identifiers of their elements.
const (
	tagInteger    = directorytest.TagInteger
	tagOctets     = directorytest.TagOctets
	tagEnumerated = directorytest.TagEnumerated
	tagSequence   = directorytest.TagSequence
	tagSet        = directorytest.TagSet
	tagBindAnswer = directorytest.TagBindAnswer
	tagEntry      = directorytest.TagEntry
	tagSearchDone = directorytest.TagSearchDone
	tagReference  = directorytest.TagReference
	tagExtended   = directorytest.TagExtended
	tagControls   = directorytest.TagControls
)

func send(w io.Writer, id int64, op *ber.Packet, controls ...ldap.Control) error {
	_, err := w.Write(message(id, op, controls...))
	return err
}

func fakeCertificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// members cuts the values like a controller: at most maxValues, from where asked.
func (d *fakeDC) members(q *fakeQuery, values []string) [][2]any {
	var links []string
	for _, v := range values {
		number, dn, _ := strings.Cut(v, "|")
		n, _ := strconv.Atoi(number)
		links = append(links, extended(n, dn))
	}
	if d.maxValues == 0 {
		return [][2]any{{"member", links}}
	}
	from := 0
	for _, a := range q.attributes {
		if _, r, err := parseRange(a); err == nil && r != nil {
			from = r.low
		}
	}
	to := min(from+d.maxValues, len(links))
	name := fmt.Sprintf("member;range=%d-%d", from, to-1)
	if to == len(links) {
		name = fmt.Sprintf("member;range=%d-*", from)
	}
	return [][2]any{{"member", []string{}}, {name, links[from:to]}}
}
