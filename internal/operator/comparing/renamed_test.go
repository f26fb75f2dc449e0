package comparing_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// held is a side in memory.
type held struct {
	entries []backup.CatalogEntry
	data    [][]byte
}

func (h *held) add(service backup.Service, kind, id, name string, data []byte) {
	h.entries = append(h.entries, backup.CatalogEntry{Service: service, Item: backup.Item{Kind: kind, ID: id, Name: name}, SHA256: restore.Digest(data), Offset: int64(len(h.data)), Length: int64(len(data))})
	h.data = append(h.data, data)
}

func (h *held) Side() result.Side { return result.Side{Name: "held"} }
func (h *held) Services() []diff.Service {
	return []diff.Service{{Service: backup.AD}, {Service: backup.ARM}, {Service: backup.CA}}
}
func (h *held) Close() error                                            { return nil }
func (h *held) Open(context.Context, backup.Service) (diff.Part, error) { return h, nil }

func (h *held) Catalog(_ context.Context, fn func(backup.CatalogEntry) error) error {
	for _, e := range h.entries {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (h *held) ReadItem(e backup.CatalogEntry, w io.Writer) error {
	data := h.data[e.Offset]
	if restore.Digest(data) != e.SHA256 {
		return io.ErrUnexpectedEOF
	}
	_, err := io.Copy(w, bytes.NewReader(data))
	return err
}

func (h *held) object(dn, context, guid, sid string, rid byte, pairs ...string) {
	r := &record.Record{DN: dn, GUID: guid, NamingContext: context, Attributes: []record.Attribute{{Name: "description", Values: [][]byte{[]byte(pairs[0])}},
		{Name: "objectClass", Values: [][]byte{[]byte("user")}}, {Name: "objectSid", Values: [][]byte{[]byte(sid + string([]byte{rid, 16, 0, 0}))}}}}
	h.add(backup.AD, record.Kind, guid, dn, r.AppendJSON(nil))
}

// TestRenamed compares two clouds through a map: what is the same in other names is alike, and
// what still has the source's names, or another value, is a change.
func TestRenamed(t *testing.T) {
	const guidA, guidB, subA, subB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
	sidOf := func(n byte) string {
		return "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00" + string([]byte{n, 0, 0, 0, n, 0, 0, 0, n, 0, 0, 0})
	}
	document := func(sub, region, host string) []byte {
		return []byte(`{"endpoint":"tenant","type":"Microsoft.Resources/resourceGroups","apiVersion":"2019-10-01","document":{"id":"/subscriptions/` + sub + `/resourceGroups/g","name":"g","location":"` + region + `","tags":{"host":"` + host + `"}}}`)
	}
	site := &mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: "local.azs.test"}, Target: mapping.Cloud{FQDN: "south.cloud.example"}, Regions: map[string]string{"local": "south"},
		Subscriptions: map[string]string{subA: subB}, Domains: []mapping.Domain{{Source: mapping.DomainNames{SID: "S-1-5-21-1-1-1", DNS: "azs.test"}, Target: mapping.DomainNames{SID: "S-1-5-21-2-2-2", DNS: "corp.example"}}}}
	names, err := mapping.NewNames(site)
	require.NoError(t, err)
	learned := []mapping.Pair{{Old: guidA, New: guidB}, {Old: "S-1-5-21-1-1-1-4100", New: "S-1-5-21-2-2-2-4101"}}
	changes := func(host, said string) (n int) {
		a, b := &held{}, &held{}
		a.object("CN=x,DC=azs,DC=test", "DC=azs,DC=test", guidA, sidOf(1), 4, "see azs.test")
		b.object("CN=x,DC=corp,DC=example", "DC=corp,DC=example", guidB, sidOf(2), 5, said)
		a.add(backup.ARM, "resource-group", "/subscriptions/"+subA+"/resourcegroups/g", "g", document(subA, "local", "h.local.azs.test"))
		b.add(backup.ARM, "resource-group", "/subscriptions/"+subB+"/resourcegroups/g", "g", document(subB, "south", host))
		a.add(backup.CA, "file", "index.txt", "index.txt", []byte("azs.test"))
		b.add(backup.CA, "file", "index.txt", "index.txt", []byte("azs.test"))
		report, err := diff.Compare(t.Context(), comparing.Renamed(a, names), b, diff.Options{Identities: comparing.Identities(learned), Random: rand.Reader})
		require.NoError(t, err)
		for _, s := range report.Services {
			require.True(t, s.Compared)
			require.EqualValues(t, 1, s.ItemsA)
			n += len(s.Changes)
		}
		return n
	}
	require.Zero(t, changes("h.south.cloud.example", "see corp.example"))
	require.Equal(t, 1, changes("h.local.azs.test", "see corp.example"))
	require.Equal(t, 1, changes("h.south.cloud.example", "see azs.test"))
}
