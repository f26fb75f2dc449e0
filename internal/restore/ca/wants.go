package ca

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Kinds of items whose bytes are a record and no file, as package collect/ca makes them.
const (
	kindFolder  = "directory"
	kindLink    = "symlink"
	kindRenamed = "renamed"
	kindADCS    = "adcs-object"
)

// Folders of a part that hold a CA's files, by their own names and by others.
const (
	storedFolder  = "ca/"
	renamedFolder = "ca-renamed/"
)

// Key of the one want.
const (
	wantKind = "ca-folder"
	wantID   = "folder"
)

func folderKey() restore.Key { return restore.Key{Service: backup.CA, Kind: wantKind, ID: wantID} }

// Group implements [restore.Restorer]: the folder comes back as a whole. Objects of the
// directory stand by themselves, and are losses.
func (r *Restorer) Group(e backup.CatalogEntry) string {
	if e.Kind == kindADCS {
		return kindADCS + " " + e.ID
	}
	return wantID
}

// Wants implements [restore.Restorer].
func (r *Restorer) Wants(items []restore.Item, _ *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	b := &building{names: map[string]string{}, contents: map[string][]byte{}}
	var folder []restore.Item
	total := int64(0)
	for _, item := range items {
		if item.Kind == kindADCS {
			b.losses = append(b.losses, restore.Loss{Key: restore.Key{Service: backup.CA, Kind: item.Kind, ID: item.ID}, Code: "CA_ADCS_OBJECT",
				Detail: "lies in the directory, below Public Key Services, and not in the CA's folder: it comes back with the directory, or is published again with certutil -dspublish"})
			continue
		}
		folder = append(folder, item)
		total += item.Length
	}
	if len(folder) == 0 {
		return nil, b.losses, nil
	}
	if len(folder) > maxEntries || total > maxFolderBytes {
		b.lose("CA_TOO_LARGE", "the CA has %d entries with %d bytes, and at most %d with %d are brought back: extract its files from the backup", len(folder), total, maxEntries, maxFolderBytes)
		return nil, b.losses, nil
	}
	if err := b.read(folder); err != nil {
		return nil, nil, err
	}
	w := &wanted{Gap: r.options.Gap, Entries: b.entries, contents: b.contents}
	w.settle()
	w.Entries = w.tree.entries
	b.judge(w.tree, r)
	body, err := encodeWanted(w)
	if err != nil {
		return nil, nil, err
	}
	want := restore.Want{Key: folderKey(), Name: "CA folder", Stage: restore.StageCA, Body: body, Fields: fieldsOf(w.tree)}
	return []restore.Want{want}, b.losses, nil
}

// maxFields bounds the names of files in a plan.
const maxFields = 200

func fieldsOf(t *tree) []string {
	var names []string
	for _, e := range t.entries {
		if e.Type == typeFile {
			names = append(names, string(e.Path))
		}
	}
	return shorten(names)
}

// shorten makes names fit for a plan.
func shorten(names []string) []string {
	slices.Sort(names)
	more := len(names) - maxFields
	if more > 0 {
		names = append(names[:maxFields:maxFields], fmt.Sprintf("and %d more", more))
	}
	for i := range names {
		names[i] = printable.Line(names[i], 255)
	}
	return names
}

// building is a folder that is made of items.
type building struct {
	names    map[string]string // by path in the part, of those that are shortened there
	entries  []entry
	contents map[string][]byte
	losses   []restore.Loss
}

func (b *building) lose(code, format string, args ...any) {
	b.losses = append(b.losses, restore.Loss{Key: folderKey(), Code: code, Detail: fmt.Sprintf(format, args...)})
}

func damaged(item restore.Item, format string, args ...any) error {
	return fault.Newf(fault.BackupDamaged, "item %s of the CA: %s", printable.Line(item.ID, 200), fmt.Sprintf(format, args...))
}

// record is the document of a folder, a link, or a name.
type record struct {
	Path        string `json:"path"`
	Mode        string `json:"mode"`
	Target      string `json:"target"`
	TargetBytes []byte `json:"targetBytes"`
	NameBytes   []byte `json:"nameBytes"`
}

func (b *building) read(items []restore.Item) error {
	ctx := context.Background()
	records := map[int]record{}
	for i, item := range items {
		if item.Kind != kindFolder && item.Kind != kindLink && item.Kind != kindRenamed {
			continue
		}
		data, err := item.Read(ctx)
		if err != nil {
			return err
		}
		var rec record
		if err := json.Unmarshal(data, &rec); err != nil {
			return damaged(item, "the record cannot be read: %v", err)
		}
		records[i] = rec
		if item.Kind == kindRenamed {
			b.names[rec.Path] = string(rec.NameBytes)
		}
	}
	for i, item := range items {
		if err := b.add(ctx, item, records[i]); err != nil {
			return err
		}
	}
	return b.check(items[0])
}

func (b *building) add(ctx context.Context, item restore.Item, rec record) error {
	stored := item.Path
	switch item.Kind {
	case kindRenamed:
		return nil
	case kindFolder, kindLink:
		stored = rec.Path
	}
	name, ok := realPath(stored, b.names)
	if !ok {
		return damaged(item, "%s is no place in a CA's folder", printable.Line(stored, 200))
	}
	e := entry{Path: pathName(name)}
	switch item.Kind {
	case kindFolder:
		mode, err := strconv.ParseUint(rec.Mode, 8, 32)
		if err != nil || mode > 0o777 {
			return damaged(item, "%.20q is no mode", rec.Mode)
		}
		// Without its owner's rights nobody could fill the folder.
		e.Type, e.Mode = typeFolder, uint32(mode)|0o700
	case kindLink:
		target := rec.Target
		if rec.TargetBytes != nil {
			target = string(rec.TargetBytes)
		}
		if !staysInside(name, target) {
			b.lose("CA_LINK_OUTSIDE", "the link %s is left out: it may lead out of the folder, to %s; make it again where that is right", printable.Line(name, 200), printable.Line(target, 200))
			return nil
		}
		e.Type, e.Target = typeLink, pathName(target)
	default:
		data, err := item.Read(ctx)
		if err != nil {
			return err
		}
		e.inspect(data)
		e.Mode = modeOf(e.Kind)
		b.contents[name] = data
	}
	b.entries = append(b.entries, e)
	return nil
}

// modeOf is the mode of a new file: only what is public by nature is open to others.
func modeOf(kind string) uint32 {
	switch kind {
	case pki.KindCertificate, pki.KindBundle, pki.KindCRL, pki.KindPublicKey:
		return 0o644
	}
	return 0o600
}

// realPath is the place in the CA's folder of what stands at a path of the part. Names that
// are shortened there are given.
func realPath(stored string, names map[string]string) (string, bool) {
	name, plain := strings.CutPrefix(stored, storedFolder)
	if !plain {
		encoded, renamed := strings.CutPrefix(stored, renamedFolder)
		switch {
		case !renamed:
			return "", false
		case strings.Contains(encoded, "~"):
			name = names[stored]
		default:
			var ok bool
			if name, ok = percentDecoded(encoded); !ok {
				return "", false
			}
		}
	}
	ok := name != "." && filepath.IsLocal(name) && path.Clean(name) == name && !strings.ContainsRune(name, 0) &&
		len(name) <= 4095 && strings.Count(name, "/") < maxDepth
	for element := range strings.SplitSeq(name, "/") {
		ok = ok && len(element) <= 255
	}
	return name, ok
}

func percentDecoded(text string) (string, bool) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out = append(out, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out = append(out, byte(n))
		i += 2
	}
	return string(out), true
}

// staysInside reports whether a link leads nowhere but into the folder, as far as its text
// tells: steps up come first, and are not too many.
func staysInside(name, target string) bool {
	if target == "" || len(target) > 4095 || filepath.IsAbs(target) || strings.ContainsRune(target, 0) {
		return false
	}
	down := false
	for element := range strings.SplitSeq(target, "/") {
		switch {
		case element == ".." && down:
			return false // through another link it would lead elsewhere
		case element != ".." && element != "." && element != "":
			down = true
		}
	}
	return filepath.IsLocal(path.Join(path.Dir(name), target))
}

// check makes sure that the entries are a tree, and adds folders that have no record.
func (b *building) check(first restore.Item) error {
	types := map[string]string{}
	for _, e := range b.entries {
		if _, twice := types[string(e.Path)]; twice {
			return damaged(first, "%s stands in the backup a second time", printable.Line(string(e.Path), 200))
		}
		types[string(e.Path)] = e.Type
	}
	missing := map[string]bool{}
	for name := range types {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			switch types[dir] {
			case "":
				missing[dir] = true
			case typeFolder:
			default:
				return damaged(first, "%s lies below something that is no folder", printable.Line(name, 200))
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(missing)) {
		b.entries = append(b.entries, entry{Path: pathName(dir), Type: typeFolder, Mode: 0o700})
	}
	return nil
}

// judge says what of a CA cannot come back, or has to be done behind it.
func (b *building) judge(t *tree, r *Restorer) {
	held, sealed, elsewhere := false, false, pki.IsKeyURI(t.layout.settings.PrivateKey)
	for _, e := range t.entries {
		for _, k := range e.Keys {
			held = held || slices.ContainsFunc(t.own, func(c certificate) bool { return k.Public != "" && c.Key == k.Public })
			sealed = sealed || k.Encrypted && t.layout.namesKey(string(e.Path))
		}
		elsewhere = elsewhere || e.Kind == pki.KindKeyReference
	}
	switch {
	case held:
	case sealed:
		b.lose("CA_KEY_PASSPHRASE", "the CA's key comes back encrypted, as it was; its passphrase is in no backup, the CA's operator has to know it")
	case elsewhere:
		b.lose("CA_KEY_ELSEWHERE", "the CA's key is in a hardware module or another store; it has to be restored there")
	default:
		b.lose("CA_KEY_NOT_CONTAINED", "the CA's private key is not in the backup; its operator has to bring it, the CA cannot sign without it")
	}
	if dir := t.layout.settings.Dir; filepath.IsAbs(dir) && path.Clean(dir) != path.Join(r.dir, t.layout.home) {
		b.lose("CA_CONFIG_PATH", "%s names the folder %s: change it where the CA lies elsewhere now", t.layout.config, printable.Line(dir, 200))
	}
	for _, line := range parseIndex(t.content(t.layout.database)).bad {
		b.lose("CA_ROW_NOT_UNDERSTOOD", "line %d of %s makes no sense: it comes into an empty folder as it is, and not into one that is in use", line, t.layout.database)
	}
	b.lose("CA_MODES", "the catalog keeps no modes, owners and times of files: keys and what is not public get the mode 0600, other files 0644")
	b.lose("CA_ISSUED_LATER", "what was issued or revoked after the backup is known only where the target still has it; where it has not, %d numbers are left out, and the operator has to look for certificates with those", r.options.Gap)
	b.lose("CA_CRL_DUE", "no CRL is signed by the restore: issue one at once (openssl ca -gencrl), and publish it")
}

// content is that of a file of the database, nil when there is none.
func (t *tree) content(name string) []byte {
	e, ok := t.file(name)
	if name == "" || !ok {
		return nil
	}
	return e.Content
}

// number reads a number file. Ok is false when there is none; an error is one of its content.
func (t *tree) number(name string) (n openssl.Serial, ok bool, err error) {
	e, ok := t.file(name)
	if name == "" || !ok {
		return n, false, nil
	}
	n, err = openssl.ParseNumber(e.Content)
	return n, err == nil, err
}
