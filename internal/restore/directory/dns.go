package directory

import (
	"slices"
	"strings"

	"infrabackup/internal/restore/directory/dnsrecord"
)

// Attributes of zones and nodes (MS-DNSP 2.3.2).
const (
	dnsRecord   = "dnsRecord"
	dnsProperty = "dNSProperty"
	tombstoned  = "dNSTombstoned"
)

// isController reports whether the backup has a domain controller of that name.
func (r *Restorer) isController(host string) bool {
	_, is := r.controllers.Load(host)
	return is
}

// outside says why an object has no place in the target.
func (r *Restorer) outside(b *body) *problem {
	if !slices.Contains(r.domain.contexts, strings.ToLower(b.Context)) {
		return &problem{refusedContext, "it belongs to " + b.Context + ", and the target is " + r.domain.name}
	}
	if node, zone, ok := dnsrecord.Place(b.DN); ok && zone == dnsrecord.Domain(r.domain.name) && slices.Contains(r.domain.controllers, node) {
		return &problem{refusedServers, "it is the address of one of the target's domain controllers, which writes it by itself"}
	}
	return nil
}

// records wants those of a node that no server writes by itself.
func (w *wanting) records(object *body, values [][]byte) {
	wanted, why := dnsrecord.Wanted(w.record.DN, w.record.NamingContext, values)
	for _, text := range why {
		w.lose(lossServersDNS, text)
	}
	if len(wanted) > 0 {
		object.Attributes = append(object.Attributes, attribute{Name: tombstoned, Values: [][]byte{[]byte("FALSE")}}, attribute{Name: dnsRecord, Values: sorted(wanted)})
	}
}
