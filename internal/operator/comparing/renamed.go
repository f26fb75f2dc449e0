package comparing

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/seal"
)

// Across compares a backup, which keys have to open, with a cloud that it was restored into, in
// the names of that one. Site is nil when these are the same; learned are the identities that
// the restore got there.
func Across(ctx context.Context, a *repository.Backup, b diff.Source, keys []seal.Identity, site *mapping.Site, learned []mapping.Pair, o diff.Options) (*result.Report, error) {
	left, err := Open(ctx, a, keys)
	if err != nil {
		return nil, err
	}
	if site == nil {
		return diff.Compare(ctx, left, b, o)
	}
	names, err := mapping.NewNames(site)
	if err != nil {
		return nil, fault.New(fault.MapInvalid, "the map", err)
	}
	o.Identities = Identities(learned)
	return diff.Compare(ctx, Renamed(left, names), b, o)
}

// Identities are the pairs of a restore as a comparison takes them.
func Identities(learned []mapping.Pair) identity.Map {
	sids, guids := map[string]string{}, map[string]string{}
	for _, p := range learned {
		if strings.HasPrefix(strings.ToLower(p.Old), "s-1-") {
			sids[p.Old] = p.New
		} else {
			guids[p.Old] = p.New
		}
	}
	return identity.New(sids, guids)
}

// Renamed is a side of a comparison in the names of another cloud. Items of it are never equal
// by their digest: what they hold is not what was captured. The CA keeps its names.
func Renamed(s diff.Source, names *mapping.Names) diff.Source { return renamed{s, names} }

type renamed struct {
	diff.Source
	names *mapping.Names
}

// renames reports whether an item is read in other names.
func renames(service backup.Service, kind string) bool {
	return service != backup.CA && (service != backup.AD || kind == record.Kind)
}

// Catalog implements [diff.Source].
func (r renamed) Catalog(ctx context.Context, fn func(backup.CatalogEntry) error) error {
	return r.Source.Catalog(ctx, func(e backup.CatalogEntry) error {
		if renames(e.Service, e.Kind) {
			e.ID, e.Name, e.SHA256 = r.names.ID(e.ID), r.names.Text(e.Name), other(e.SHA256)
		}
		return fn(e)
	})
}

// Services implements [diff.Source].
func (r renamed) Services() (all []diff.Service) {
	for _, s := range r.Source.Services() {
		gaps := make([]backup.Gap, len(s.Gaps))
		for i, gap := range s.Gaps {
			gap.Object = r.names.ID(gap.Object)
			gaps[i] = gap
		}
		s.Gaps = gaps
		all = append(all, s)
	}
	return all
}

// other makes another digest of one, and of that the first one again.
func other(digest string) string {
	raw, err := hex.DecodeString(digest)
	if err != nil {
		return digest // the comparison refuses it
	}
	for i := range raw {
		raw[i] ^= 0xff
	}
	return hex.EncodeToString(raw)
}

// Open implements [diff.Source].
func (r renamed) Open(ctx context.Context, service backup.Service) (diff.Part, error) {
	part, err := r.Source.Open(ctx, service)
	if err != nil {
		return nil, err
	}
	return renamedPart{part, r.names}, nil
}

type renamedPart struct {
	diff.Part
	names *mapping.Names
}

// ReadItem implements [diff.Part].
func (p renamedPart) ReadItem(e backup.CatalogEntry, w io.Writer) error {
	if !renames(e.Service, e.Kind) {
		return p.Part.ReadItem(e, w)
	}
	e.SHA256 = other(e.SHA256)
	var b bytes.Buffer
	if err := p.Part.ReadItem(e, &b); err != nil {
		return err
	}
	data, err := p.content(e.Service, b.Bytes())
	if err != nil {
		return fault.New(fault.BackupDamaged, "the item "+e.ID+" is not what a collector wrote", err)
	}
	_, err = w.Write(data)
	return err
}

// content is an item's bytes in the other names.
func (p renamedPart) content(service backup.Service, data []byte) ([]byte, error) {
	if service == backup.AD {
		return object(p.names, data)
	}
	var e resource.Envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(e.Bytes()))
	d.UseNumber()
	var document any
	if d.Decode(&document) != nil {
		return data, nil // such as a backup blob of a vault, which is compared as it is
	}
	document = p.names.Document(document)
	var err error
	if e.Document, err = json.Marshal(document); err != nil {
		return nil, err
	}
	e.DocumentBase64 = nil
	return json.Marshal(e)
}

// object is a directory's object in the other names. Binary values are identities, which the
// comparison translates itself.
func object(names *mapping.Names, data []byte) ([]byte, error) {
	r, err := record.Decode(data)
	if err != nil {
		return nil, err
	}
	r.DN, r.NamingContext = names.Text(r.DN), names.Text(r.NamingContext)
	for i := range r.Attributes {
		for j, value := range r.Attributes[i].Values {
			if utf8.Valid(value) {
				r.Attributes[i].Values[j] = []byte(names.Text(string(value)))
			}
		}
	}
	return r.AppendJSON(nil), nil
}
