package inventory

import "fmt"

type zoneProperties struct {
	MaxNumberOfRecordSets int      `json:"maxNumberOfRecordSets"`
	NumberOfRecordSets    int      `json:"numberOfRecordSets"`
	NameServers           []string `json:"nameServers"`
}

// recordProperties is a record set; its kind says which of the records it has.
type recordProperties struct {
	Metadata    map[string]string `json:"metadata,omitempty"`
	TTL         int               `json:"TTL"`
	ARecords    []aRecord         `json:"ARecords,omitempty"`
	MXRecords   []mxRecord        `json:"MXRecords,omitempty"`
	NSRecords   []nsRecord        `json:"NSRecords,omitempty"`
	TXTRecords  []txtRecord       `json:"TXTRecords,omitempty"`
	CNAMERecord *cnameRecord      `json:"CNAMERecord,omitempty"`
	SOARecord   *soaRecord        `json:"SOARecord,omitempty"`
}

type aRecord struct {
	IPv4Address string `json:"ipv4Address"`
}

type mxRecord struct {
	Preference int    `json:"preference"`
	Exchange   string `json:"exchange"`
}

type nsRecord struct {
	NSDName string `json:"nsdname"`
}

type txtRecord struct {
	Value []string `json:"value"`
}

type cnameRecord struct {
	CNAME string `json:"cname"`
}

type soaRecord struct {
	Host         string `json:"host"`
	Email        string `json:"email"`
	SerialNumber int    `json:"serialNumber"`
	RefreshTime  int    `json:"refreshTime"`
	RetryTime    int    `json:"retryTime"`
	ExpireTime   int    `json:"expireTime"`
	MinimumTTL   int    `json:"minimumTTL"`
}

// dns makes a DNS zone with its record sets.
func (b *builder) dns(g *group) {
	name := b.plain("zone") + ".example"
	const kind = "Microsoft.Network/dnsZones"
	id := g.in(kind, name)
	servers := []string{"ns1." + b.o.Domain + ".", "ns2." + b.o.Domain + "."}
	sets := []struct {
		kind, name string
		p          recordProperties
	}{
		{"SOA", "@", recordProperties{TTL: 3600, SOARecord: &soaRecord{servers[0], "hostmaster." + b.o.Domain, 1, 3600, 300, 2419200, 300}}},
		{"NS", "@", recordProperties{TTL: 172800, NSRecords: []nsRecord{{servers[0]}, {servers[1]}}}},
	}
	for i := range b.between(0, 2) {
		sets = append(sets, struct {
			kind, name string
			p          recordProperties
		}{"A", fmt.Sprintf("host%d", i), recordProperties{TTL: 300, ARecords: []aRecord{{fmt.Sprintf("192.0.2.%d", 1+b.r.IntN(250))}}}})
	}
	extra := sets[:0:0]
	extra = append(extra, struct {
		kind, name string
		p          recordProperties
	}{"MX", "@", recordProperties{TTL: 300, MXRecords: []mxRecord{{10, "mail." + name}}}}, struct {
		kind, name string
		p          recordProperties
	}{"TXT", "_note", recordProperties{TTL: 60, TXTRecords: []txtRecord{{[]string{"v=1; k=\"a b\"", "zweite Hälfte"}}}, Metadata: map[string]string{"why": "naïve"}}}, struct {
		kind, name string
		p          recordProperties
	}{"CNAME", "www", recordProperties{TTL: 60, CNAMERecord: &cnameRecord{"host0." + name}}})
	sets = append(sets, pick(b, extra))
	b.add(kind, &resource{
		ID: id, Name: name, Type: "Microsoft.Network/dnszones", Location: "global", Tags: b.tags(), ETag: b.guid(),
		Properties: zoneProperties{5000, len(sets), servers},
	})
	for _, s := range sets {
		b.add(kind+"/"+s.kind, &resource{ID: id + "/" + s.kind + "/" + s.name, Name: s.name, Type: "Microsoft.Network/dnszones/" + s.kind, ETag: b.guid(), Properties: s.p})
	}
}
