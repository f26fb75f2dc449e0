package directorytest

import (
	"encoding/binary"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Identifiers of BER elements (X.690, 8.1.2) that LDAP uses (RFC 4511).
const (
	TagInteger    = 0x02
	TagOctets     = 0x04
	TagEnumerated = 0x0a
	TagSequence   = 0x30
	TagSet        = 0x31
	TagBindAnswer = 0x61
	TagEntry      = 0x64
	TagSearchDone = 0x65
	TagReference  = 0x73
	TagExtended   = 0x78
	TagControls   = 0xa0
)

// Entry is a SearchResultEntry; each attribute is a name and a []string.
func Entry(dn string, attributes [][2]any) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(Octets(dn))
	list := ber.NewSequence("")
	for _, a := range attributes {
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a[1].([]string) {
			values.AppendChild(Octets(v))
		}
		one := ber.NewSequence("")
		one.AppendChild(Octets(a[0].(string)))
		one.AppendChild(values)
		list.AppendChild(one)
	}
	p.AppendChild(list)
	return p
}

// Reference is a SearchResultReference.
func Reference(url string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	p.AppendChild(Octets(url))
	return p
}

// Result is an LDAPResult under any identifier.
func Result(tag ber.Tag, code int) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(Octets(""))
	p.AppendChild(Octets("told so"))
	return p
}

// Octets is an OCTET STRING.
func Octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// Message is an LDAPMessage, as it is sent.
func Message(id int64, op *ber.Packet, controls ...ldap.Control) []byte {
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

// Wrap is a BER element around content, with a length of four bytes.
func Wrap(tag byte, content []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{tag, 0x84}, uint32(len(content)))
	return append(out, content...)
}

// Numbered is an LDAPMessage around an operation.
func Numbered(id int64, op []byte) []byte {
	return Wrap(TagSequence, append(append([]byte{TagInteger, 8}, binary.BigEndian.AppendUint64(nil, uint64(id))...), op...))
}

// Nested is levels of sequences around nothing, about four bytes each.
func Nested(levels int) []byte {
	size := 0
	heads := make([][]byte, 0, levels)
	for range levels {
		head := []byte{TagSequence, 0x83, byte(size >> 16), byte(size >> 8), byte(size)}
		heads = append(heads, head)
		size += len(head)
	}
	out := make([]byte, 0, size)
	for i := len(heads) - 1; i >= 0; i-- {
		out = append(out, heads[i]...)
	}
	return out
}
