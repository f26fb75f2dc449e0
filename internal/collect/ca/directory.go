package ca

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// maxDirectoryObjects bounds what a [DirectoryReader] may return. A large forest
// has some hundred.
const maxDirectoryObjects = 100_000

// DirectoryReader reads what AD Certificate Services keeps in the directory:
// everything below CN=Public Key Services,CN=Services of the Configuration naming
// context (MS-WCCE 2.2.2.11): enrolment services, templates, AIA, CDP, NTAuth.
type DirectoryReader interface {
	// ADCS calls fn once for each object, in an order that is the same as long as
	// the directory is, with the object's distinguished name and one JSON document
	// without line breaks. fn's error ends the reading and is returned. It returns
	// nil only after all objects; a directory without AD CS has none. Errors are
	// faults with SOURCE_… codes.
	ADCS(ctx context.Context, fn func(dn string, document []byte) error) error
}

// directory records the objects of the directory and counts them.
func (c *Collector) directory(ctx context.Context, sink collect.Sink) (int, error) {
	if c.config.Directory == nil {
		return 0, nil
	}
	seen := map[string]bool{}
	err := c.config.Directory.ADCS(ctx, func(dn string, document []byte) error {
		id := strings.ToLower(dn) // distinguished names compare without case
		switch {
		case dn == "" || seen[id]:
			return fault.Newf(fault.SourceInvalid, "AD CS object %q came without name or a second time", printable.Line(dn, maxObjectBytes))
		case bytes.ContainsAny(document, "\r\n") || !json.Valid(document):
			return fault.Newf(fault.SourceInvalid, "AD CS object %q is not one line of JSON", printable.Line(dn, maxObjectBytes))
		case len(seen) == maxDirectoryObjects:
			return fault.Newf(fault.LimitExceeded, "more than %d AD CS objects", maxDirectoryObjects)
		}
		seen[id] = true
		return sink.Record(backup.Item{Kind: kindADCS, ID: id, Name: dn}, document)
	})
	if err != nil {
		return 0, err
	}
	return len(seen), nil
}

func decimal(n int) string { return strconv.Itoa(n) }
