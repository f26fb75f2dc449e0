package provider

import (
	"strings"
)

// zoneType is how zones and their records write their type.
const zoneType = "Microsoft.Network/dnszones"

// recordMembers are the member that holds the records of each type.
var recordMembers = map[string]string{
	"a": "ARecords", "aaaa": "AAAARecords", "cname": "CNAMERecord", "mx": "MXRecords", "ns": "NSRecords", "ptr": "PTRRecords", "soa": "SOARecord", "srv": "SRVRecords", "txt": "TXTRecords",
}

func (w *Write) nameServers() []any {
	return []any{"ns1." + w.Stamp.Domain() + ".", "ns2." + w.Stamp.Domain() + "."}
}

func putZone(w *Write) *Refusal {
	if !strings.Contains(w.Name(), ".") {
		return bad("BadRequest", "The zone name '%s' must have at least two labels.", w.Name())
	}
	w.Body["type"] = zoneType
	w.keep("properties.nameServers", func() any { return w.nameServers() })
	w.keep("properties.maxNumberOfRecordSets", func() any { return whole(5000) })
	w.keep("properties.numberOfRecordSets", func() any { return whole(2) })
	return nil
}

// afterZone makes the records that a zone has from its beginning.
func afterZone(w *Write) {
	if w.Body == nil || w.Old != nil {
		return
	}
	servers := w.nameServers()
	host, _ := servers[0].(string)
	records := []any{}
	for _, s := range servers {
		records = append(records, Object{"nsdname": s})
	}
	for typ, properties := range map[string]Object{
		"SOA": {"TTL": whole(3600), "SOARecord": Object{"host": host, "email": "hostmaster." + w.Stamp.Domain(), "serialNumber": whole(1), "refreshTime": whole(3600), "retryTime": whole(300), "expireTime": whole(2419200), "minimumTTL": whole(300)}},
		"NS":  {"TTL": whole(172800), "NSRecords": records},
	} {
		id := w.ID + "/" + typ + "/@"
		w.Put(id, w.Type+"/"+typ, Object{"id": id, "name": "@", "type": zoneType + "/" + typ, "etag": w.Stamp.NewGUID(), "properties": properties})
	}
}

// putRecords holds a record set to its type, and leaves to the zone what is the zone's.
func putRecords(w *Write) *Refusal {
	typ := w.Kind[strings.LastIndexByte(w.Kind, '/')+1:]
	properties, _ := w.Body["properties"].(Object)
	for other, member := range recordMembers {
		if other != typ && properties[member] != nil {
			return bad("BadRequest", "The record set '%s' of type %s has %s.", w.Name(), strings.ToUpper(typ), member)
		}
	}
	if properties["TTL"] == nil {
		return bad("BadRequest", "The record set '%s' has no TTL.", w.Name())
	}
	own := w.Name() == "@" && (typ == "soa" || typ == "ns")
	switch {
	case typ == "soa" && !own, typ == "cname" && w.Name() == "@":
		return bad("BadRequest", "A record set of type %s cannot be named '%s'.", strings.ToUpper(typ), w.Name())
	case properties[recordMembers[typ]] == nil && !own:
		fill(w.Body, "properties."+recordMembers[typ], []any{})
	}
	if own && w.Old != nil {
		if typ == "ns" {
			w.keep("properties.NSRecords", nil)
		} else {
			for _, member := range []string{"host", "serialNumber"} {
				w.keep("properties.SOARecord."+member, nil)
			}
		}
	}
	// An alias has no other records beside it.
	for _, other := range w.Below(w.Parent + "/") {
		if resourceName(other.ID) == strings.ToLower(w.Name()) && other.Type != w.Kind && (typ == "cname" || strings.HasSuffix(other.Type, "/cname")) {
			return conflict("Conflict", "The record set '%s' of type %s cannot be beside %s.", w.Name(), strings.ToUpper(typ), other.ID)
		}
	}
	w.Body["type"] = zoneType + "/" + w.Type[strings.LastIndexByte(w.Type, '/')+1:]
	return nil
}

func removeRecords(w *Write) *Refusal {
	typ := w.Kind[strings.LastIndexByte(w.Kind, '/')+1:]
	if w.Name() == "@" && (typ == "soa" || typ == "ns") {
		return bad("BadRequest", "The record set '@' of type %s cannot be deleted: the zone has made it.", strings.ToUpper(typ))
	}
	return nil
}

// afterRecords counts the record sets of the zone.
func afterRecords(w *Write) {
	n := 0
	for _, r := range w.Below(w.Parent + "/") {
		if strings.HasPrefix(r.Type, network+"dnszones/") {
			n++
		}
	}
	w.change(w.Parent, func(o Object) { set(o, "properties.numberOfRecordSets", whole(n)) })
}
