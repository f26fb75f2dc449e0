package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/mapping"
)

var _ restore.Renamer = (*Restorer)(nil)

// renamed is a record in the target's names. Its identities stay the source's: binary values
// are not changed.
func renamed(names *mapping.Names, r *record.Record) *record.Record {
	out := *r
	out.DN, out.NamingContext = names.Text(r.DN), names.Text(r.NamingContext)
	out.Attributes = slices.Clone(r.Attributes)
	for i, a := range out.Attributes {
		if strings.EqualFold(a.Name, dnsRecord) {
			out.Attributes[i].Values = dnsrecord.Renamed(a.Values, names.Text)
			continue
		}
		values := make([][]byte, len(a.Values))
		for j, value := range a.Values {
			if values[j] = value; utf8.Valid(value) {
				values[j] = []byte(names.Text(string(value)))
			}
		}
		out.Attributes[i].Values = values
	}
	return &out
}

// Sent implements [restore.Renamer]: names and values that a write would send. Links are
// written by the target's own GUIDs, but for those of which the backup has the name only. SIDs stand
// by themselves, as text.
func (r *Restorer) Sent(want restore.Want, m *mapping.Map) ([]byte, error) {
	if isFile(want) {
		return r.files.Sent(context.Background(), want) // the backup is read with the caller's context
	}
	b, err := decodeBody(want.Body)
	if err != nil {
		return nil, err
	}
	attributes := map[string][]any{}
	for _, a := range slices.Concat(b.Create, b.Attributes) {
		if a.Name == securityDescriptor {
			attributes[a.Name] = append(attributes[a.Name], conditionsOf(a.Values[0])...)
			continue
		}
		for _, value := range a.Values {
			switch {
			case a.Name == dnsRecord:
				attributes[a.Name] = append(attributes[a.Name], value)
				for _, text := range dnsrecord.Texts(value) {
					attributes[a.Name] = append(attributes[a.Name], text)
				}
			case a.Link && linkTarget(value) != "":
			case utf8.Valid(value):
				attributes[a.Name] = append(attributes[a.Name], string(value))
			default:
				attributes[a.Name] = append(attributes[a.Name], value) // base64 in JSON
			}
		}
	}
	sids := []string{}
	for _, sid := range b.Named {
		if p, ok := m.Find(sid); ok {
			sid = p.New
		}
		sids = append(sids, m.Names().Text(sid))
	}
	data, err := json.Marshal(map[string]any{"dn": b.DN, "attributes": attributes, "sids": sids})
	if err != nil {
		return nil, fmt.Errorf("encode what is sent of %s: %w", b.DN, err)
	}
	return data, nil
}
