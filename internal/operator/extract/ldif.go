package extract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// Files of a directory as LDIF.
const (
	ldifObjects  = "ad-objects.ldif"  // creates objects again: ldapmodify -c and ldbadd take it
	ldifLinks    = "ad-links.ldif"    // then their links: ldapmodify -c takes it
	ldifVerbatim = "ad-verbatim.ldif" // everything that was captured, for reading and comparing
)

// extractLDIF writes the directory as LDIF, reading the part several times rather than
// keeping it in memory.
func (x *Extraction) extractLDIF(ctx context.Context) error {
	replaced, err := x.replaced(ctx)
	if err != nil {
		return err
	}
	records := func(fn func(*record.Record) error) error { return x.records(ctx, replaced, fn) }
	err = x.write(ldifVerbatim, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		err := records(func(r *record.Record) error { return record.WriteLDIF(out, r) })
		return errors.Join(err, out.Flush())
	})
	if err != nil {
		return err
	}
	err = x.write(ldifObjects, func(w io.Writer) error {
		return record.WriteImportLDIF(w, records, record.ImportOptions{OmitLinks: true})
	})
	if err != nil {
		return err
	}
	return x.write(ldifLinks, func(w io.Writer) error {
		return record.WriteImportLDIF(w, records, record.ImportOptions{OmitObjects: true})
	})
}

// replaced counts, for objects that were captured more than once, how many of their
// records a later one replaces. They are those that moved during the capture.
func (x *Extraction) replaced(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
		if e.Service == backup.AD && e.Kind == record.Kind && e.Supersedes {
			counts[e.ID]++
		}
		return nil
	})
	return counts, err
}

// records gives every directory object in its newest version.
func (x *Extraction) records(ctx context.Context, replaced map[string]int, fn func(*record.Record) error) error {
	old := map[string]int{}
	for id, n := range replaced {
		old[id] = n
	}
	part, err := x.backup.Part(ctx, backup.AD, x.key)
	if err != nil {
		return err
	}
	err = archive.Walk(part, archive.DefaultLimits(), func(e archive.Entry, body io.Reader) error {
		if !strings.HasPrefix(e.Path, record.Kind+"/") {
			return nil
		}
		return eachLine(body, func(document []byte) error {
			object, err := record.Decode(document)
			if err != nil {
				return fault.New(fault.BackupDamaged, "a directory object in "+e.Path+" cannot be read", err)
			}
			if old[object.GUID] > 0 {
				old[object.GUID]--
				return nil
			}
			return fn(object)
		})
	})
	return errors.Join(err, part.Close())
}

// eachLine gives the lines of JSON Lines; their length is bounded by the part's
// entries.
func eachLine(r io.Reader, fn func([]byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		document, err := in.ReadBytes('\n')
		if line := bytes.TrimSuffix(document, []byte("\n")); len(line) > 0 {
			if err := fn(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// extractItemLDIF writes LDIF that creates one object again, or a subtree, with its links
// and those of others to it.
func (x *Extraction) extractItemLDIF(ctx context.Context, name string, object *record.Record) error {
	replaced, err := x.replaced(ctx)
	if err != nil {
		return err
	}
	chosen := func(dn string) bool { return dn == object.DN }
	if x.request.Subtree {
		chosen = func(dn string) bool { return record.Below(dn, object.DN) }
	}
	options := record.ImportOptions{
		Select:  func(r *record.Record) bool { return r.GUID == object.GUID || chosen(r.DN) },
		LinksTo: func(dn string) bool { return strings.EqualFold(dn, object.DN) || chosen(dn) },
		Explain: true,
	}
	return x.write(name+".ldif", func(w io.Writer) error {
		return record.WriteImportLDIF(w, func(fn func(*record.Record) error) error { return x.records(ctx, replaced, fn) }, options)
	})
}
