package archive

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// boundLinks keeps the references of an item that the catalog takes, in their order,
// and counts the others. What it cannot take depends on the source and is no reason to
// lose the item: too many of them, a target that is too long or no text. Anything else
// that is malformed is a collector's defect. The caller's lists are copied, since
// entries wait for their batch.
func boundLinks(item backup.Item) (backup.Item, error) {
	if len(item.Aliases) == 0 && len(item.References) == 0 && item.ReferencesLeftOut == 0 {
		return item, nil
	}
	item.Aliases = append([]string(nil), item.Aliases...)
	given := item.References
	item.References = nil
	left := backup.MaxReferenceBytes
	for _, r := range given {
		encoded, err := json.Marshal(r) // escapes more than the catalog does
		if err != nil {
			return item, fault.New(fault.Internal, "encode a reference", err)
		}
		if len(item.References) == backup.MaxReferences || len(encoded) >= left ||
			r.Target == "" || len(r.Target) > backup.MaxTargetBytes || !utf8.ValidString(r.Target) {
			item.ReferencesLeftOut++
			continue
		}
		left -= len(encoded) + 1 // and a comma
		item.References = append(item.References, r)
	}
	if err := item.CheckLinks(); err != nil {
		return item, fault.New(fault.Internal, fmt.Sprintf("cannot record what %s %.200q refers to", item.Kind, item.ID), err)
	}
	return item, nil
}
