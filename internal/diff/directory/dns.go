package directory

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// dnsHead is the size of a DNS record without its data (MS-DNSP 2.3.2.2).
const dnsHead = 24

// Types of DNS records that are shown (MS-DNSP 2.2.2.1.1).
const (
	dnsTombstone = 0
	dnsA         = 1
	dnsNS        = 2
	dnsCNAME     = 5
	dnsSOA       = 6
	dnsPTR       = 12
	dnsMX        = 15
	dnsTXT       = 16
	dnsAAAA      = 28
	dnsSRV       = 33
)

// dnsValues are DNS records, compared without their serial numbers and time stamps.
func dnsValues(a *record.Attribute) []value {
	if a == nil {
		return nil
	}
	all := make([]value, len(a.Values))
	for i, v := range a.Values {
		all[i] = dnsValue(v)
	}
	return all
}

func dnsValue(raw []byte) value {
	if len(raw) < dnsHead || int(binary.LittleEndian.Uint16(raw)) != len(raw)-dnsHead {
		return value{string(raw), shownBytes(raw)}
	}
	kind := binary.LittleEndian.Uint16(raw[2:])
	stripped := append([]byte{}, raw...)
	clear(stripped[8:12])  // serial number
	clear(stripped[20:24]) // time stamp
	data := stripped[dnsHead:]
	switch {
	case kind == dnsSOA && len(data) >= 4:
		clear(data[:4]) // serial number of the zone
	case kind == dnsTombstone:
		clear(data) // when it was removed
	}
	ttl := binary.BigEndian.Uint32(raw[12:])
	return value{string(stripped), fmt.Sprintf("%s ttl %d", dnsText(kind, data), ttl)}
}

// dnsText shows type and data of a record.
func dnsText(kind uint16, data []byte) string {
	text, ok := "", false
	switch kind {
	case dnsTombstone:
		return "removed"
	case dnsA, dnsAAAA:
		var address netip.Addr
		if address, ok = netip.AddrFromSlice(data); ok {
			text = map[uint16]string{dnsA: "A ", dnsAAAA: "AAAA "}[kind] + address.String()
		}
	case dnsNS, dnsCNAME, dnsPTR:
		if text, ok = dnsName(data); ok {
			text = map[uint16]string{dnsNS: "NS ", dnsCNAME: "CNAME ", dnsPTR: "PTR "}[kind] + text
		}
	case dnsMX:
		if len(data) > 2 {
			if text, ok = dnsName(data[2:]); ok {
				text = fmt.Sprintf("MX %d %s", binary.BigEndian.Uint16(data), text)
			}
		}
	case dnsSRV:
		if len(data) > 6 {
			if text, ok = dnsName(data[6:]); ok {
				text = fmt.Sprintf("SRV %d %d %d %s", binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]), binary.BigEndian.Uint16(data[4:]), text)
			}
		}
	case dnsTXT:
		if text, ok = dnsStrings(data); ok {
			text = "TXT " + text
		}
	}
	if !ok {
		return fmt.Sprintf("type %d %s", kind, hex.EncodeToString(data[:min(len(data), maxPlain)]))
	}
	return text
}

// dnsName reads a DNS_COUNT_NAME (MS-DNSP 2.2.2.2.2): its length, the number of labels, and
// the labels, each behind its length.
func dnsName(raw []byte) (string, bool) {
	if len(raw) < 2 {
		return "", false
	}
	var labels []string
	rest := raw[2:]
	for range raw[1] {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return "", false
		}
		labels = append(labels, string(rest[1:1+rest[0]]))
		rest = rest[1+rest[0]:]
	}
	return strings.Join(labels, ".") + ".", true
}

func dnsStrings(raw []byte) (string, bool) {
	var all []string
	for len(raw) > 0 {
		n := int(raw[0])
		if len(raw) < 1+n {
			return "", false
		}
		all = append(all, fmt.Sprintf("%q", raw[1:1+n]))
		raw = raw[1+n:]
	}
	return strings.Join(all, " "), true
}
