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

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

func extended(number int, dn string) string {
	return fmt.Sprintf("<GUID=%s>;<SID=S-1-5-21-1-2-3-%d>;%s", fakeGUIDText(number), number, dn)
}

func entry(dn string, attributes [][2]any) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(dn))
	list := ber.NewSequence("")
	for _, a := range attributes {
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a[1].([]string) {
			values.AppendChild(octets(v))
		}
		one := ber.NewSequence("")
		one.AppendChild(octets(a[0].(string)))
		one.AppendChild(values)
		list.AppendChild(one)
	}
	p.AppendChild(list)
	return p
}

func reference(url string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	p.AppendChild(octets(url))
	return p
}

func result(tag ber.Tag, code int) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets("told so"))
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func message(id int64, op *ber.Packet, controls ...ldap.Control) []byte {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c.Encode())
		}
		p.AppendChild(list)
	}
	return p.Bytes()
}

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
