package ca

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/printable"
	"infrabackup/internal/restore"
)

// change is one thing that a write does to the folder that is in use, to make the new one.
type change struct {
	path    string
	typ     string
	mode    uint32 // 0 keeps that of the file that is replaced
	content []byte
	target  string // of a link
}

// merging finds out what changes a target needs.
type merging struct {
	want    *wanted
	live    *tree
	changes []change
	refused *restore.Refusal
	raised  bool // a number was raised
}

// merge compares a CA of a backup with what is live. It is pure, and merging what it made
// again changes nothing.
func merge(w *wanted, live *tree) *merging {
	m := &merging{want: w, live: live}
	if len(live.entries) > 0 {
		m.sameCA()
		m.layouts()
		m.serials()
	}
	for _, e := range w.tree.entries {
		if m.refused != nil {
			return m
		}
		m.entry(e)
	}
	if m.refused == nil {
		m.database()
	}
	slices.SortFunc(m.changes, func(a, b change) int { return cmp.Compare(a.path, b.path) })
	return m
}

func (m *merging) refuse(code, format string, args ...any) {
	if m.refused == nil {
		m.refused = &restore.Refusal{Key: folderKey(), Code: code, Detail: printable.Line(fmt.Sprintf(format, args...), 500)}
	}
}

// sameCA makes sure that the folder holds the backup's CA: a certificate of it, or its key,
// or something that it issued.
func (m *merging) sameCA() {
	const another = "the folder holds another CA than the backup: %s; restore into an empty folder, or move this one away"
	b, l := m.want.tree, m.live
	shown := false
	for _, e := range l.entries {
		mine, there := b.file(string(e.Path))
		ca := string(e.Path) == b.layout.certificate || string(e.Path) == l.layout.certificate || pki.IsCAName(string(e.Path))
		if there && ca && len(e.Certificates) > 0 && len(mine.Certificates) > 0 && e.Certificates[0].Parsed && mine.Certificates[0].Parsed &&
			e.Certificates[0].Digest != mine.Certificates[0].Digest {
			m.refuse("CA_OTHER", another, string(e.Path)+" is another certificate")
		}
		for _, k := range e.Keys {
			fits := slices.ContainsFunc(slices.Concat(b.own, l.own), func(c certificate) bool { return c.Key == k.Public })
			switch {
			case k.Public == "":
			case fits:
				shown = shown || slices.ContainsFunc(b.own, func(c certificate) bool { return c.Key == k.Public })
			case l.layout.namesKey(string(e.Path)) || b.layout.namesKey(string(e.Path)):
				m.refuse("CA_OTHER", another, string(e.Path)+" is the key of another CA")
			}
		}
	}
	for _, c := range l.own {
		shown = shown || b.owns(c)
	}
	if !shown && len(l.own) > 0 {
		m.refuse("CA_OTHER", another, "its certificate is not in the backup")
	}
	if !shown {
		issued := map[string]bool{}
		b.issued(func(_ entry, c certificate) { issued[c.Digest] = true })
		for _, e := range l.entries {
			shown = shown || slices.ContainsFunc(e.Certificates, func(c certificate) bool { return issued[c.Digest] })
		}
	}
	if !shown && !m.sameHistory() {
		m.refuse("CA_UNKNOWN", "the folder is not empty, and nothing in it shows that it is the CA of the backup: neither its certificate, nor its key, nor anything that it issued, nor a row of its index; empty it, or restore into another folder")
	}
}

// sameHistory reports whether a folder without certificate and key has a row of the backup's
// index, or every file of the backup that is not written with each certificate.
func (m *merging) sameHistory() bool {
	b, l := m.want.tree, m.live
	mine, theirs := parseIndex(b.content(b.layout.database)), parseIndex(l.content(l.layout.database))
	for serial, i := range mine.bySerial {
		if j, ok := theirs.bySerial[serial]; ok && mine.rows[i].same(theirs.rows[j]) {
			return true
		}
	}
	for _, e := range b.entries {
		live, there := l.at(string(e.Path))
		if !there || live.Type != e.Type || !m.isState(string(e.Path)) && live.SHA256 != e.SHA256 {
			return false
		}
	}
	return true
}

// layouts makes sure that both keep their database in the same place.
func (m *merging) layouts() {
	b, l := m.want.tree.layout, m.live.layout
	for _, pair := range [][2]string{{b.database, l.database}, {b.serial, l.serial}, {b.crlNumber, l.crlNumber}} {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			m.refuse("CA_LAYOUT", "the backup has %s where the folder has %s: bring the folder into the form that it had", pair[0], pair[1])
		}
	}
	for _, name := range l.state() {
		if e, _ := m.live.at(name); e.Type != typeFile {
			m.refuse("CA_PLACE_TAKEN", "%s is a %s, and not a file", name, e.Type)
		}
	}
	for _, name := range []string{l.serial, l.crlNumber} {
		if _, _, err := m.live.number(name); err != nil {
			m.refuse("CA_NUMBER_MALFORMED", "%s: %v; put the right number there, or remove the file to have one made", name, err)
		}
	}
}

// serials makes sure that the two used no serial number for different certificates.
func (m *merging) serials() {
	known, bySerial := map[string]bool{}, map[string]string{}
	m.want.tree.issued(func(e entry, c certificate) {
		known[c.Digest] = true
		bySerial[c.Serial] = string(e.Path)
	})
	m.live.issued(func(e entry, c certificate) {
		if where, taken := bySerial[c.Serial]; taken && !known[c.Digest] && c.Serial != "" {
			m.refuse("CA_SERIAL_CLASH", "%s has serial number %s, and so has another certificate in the backup, %s: the CA was rolled back and went on; revoke one of them, and restore into an empty folder", e.Path, c.Serial, where)
		}
	})
}

// entry adds what the target lacks, and decides between two versions of a file.
func (m *merging) entry(e entry) {
	name := string(e.Path)
	live, there := m.live.at(name)
	if there && live.Type != e.Type {
		m.refuse("CA_PLACE_TAKEN", "%s is a %s in the folder, and a %s in the backup: move it away", name, live.Type, e.Type)
		return
	}
	if m.isState(name) {
		return
	}
	switch {
	case !there:
		m.changes = append(m.changes, change{path: name, typ: e.Type, mode: e.Mode, content: m.want.contents[name], target: string(e.Target)})
	case e.Type != typeFile, live.SHA256 == e.SHA256, !m.prefers(e, live):
	default:
		mode := uint32(0)
		if e.Kind == pki.KindKey {
			mode = e.Mode
		}
		m.changes = append(m.changes, change{path: name, typ: typeFile, mode: mode, content: m.want.contents[name]})
	}
}

// isState reports whether the database's own rules are for a file: those that are merged,
// and the index's attributes, which go with it.
func (m *merging) isState(name string) bool {
	l := m.want.tree.layout
	return name != "" && (name == l.database || name == l.serial || name == l.crlNumber)
}

// prefers reports whether the backup's version of a file comes back over the target's.
func (m *merging) prefers(e, live entry) bool {
	switch {
	case e.Kind == pki.KindFile, e.Kind == pki.KindConfig:
		return true
	case e.Kind == pki.KindDatabase:
		return false // what openssl keeps of the last change
	case live.Kind != e.Kind:
		return live.Kind == pki.KindFile || live.Kind == pki.KindBundle // damaged
	case e.Kind == pki.KindKey:
		return !slices.ContainsFunc(live.Keys, func(k key) bool { return k.Public != "" || k.Encrypted })
	case e.Kind == pki.KindCRL:
		return live.CRL == nil || e.CRL != nil && e.CRL.newer(live.CRL)
	case e.Kind == pki.KindCertificate:
		return len(e.Certificates) > 0 && len(live.Certificates) > 0 && e.Certificates[0].NotBefore.After(live.Certificates[0].NotBefore)
	}
	return false
}

// newer orders CRLs by number, else by time (RFC 5280 5.2.3).
func (c *crl) newer(than *crl) bool {
	a, errA := openssl.ParseSerial(c.Number)
	b, errB := openssl.ParseSerial(than.Number)
	if errA == nil && errB == nil && a != b {
		return a.Compare(b) > 0
	}
	return c.ThisUpdate.After(than.ThisUpdate)
}

// database merges index and numbers.
func (m *merging) database() {
	b, l := m.want.tree, m.live
	mine, theirs := parseIndex(b.content(b.layout.database)), parseIndex(l.content(l.layout.database))
	name := b.layout.database
	_, there := l.file(name)
	switch {
	case name == "":
	case !there:
		e, _ := b.file(name)
		m.put(name, e.Mode, m.want.contents[name])
	default:
		merged, changed, clash := theirs.merge(mine)
		if clash != "" {
			m.refuse("CA_SERIAL_CLASH", "serial number %s has another subject or expiry in the index than in the backup: the CA was rolled back and went on; revoke one of the two, and restore into an empty folder", clash)
			return
		}
		if changed {
			m.subjects(mine, theirs, parseIndex(merged))
			m.put(name, 0, merged)
		}
	}
	drawn := b.layout.settings.RandomSerial || l.layout.settings.RandomSerial
	m.number(b.layout.serial, l.layout.serial, path.Join(b.layout.home, "serial"), m.usedSerials(mine, theirs), drawn)
	used, numbered := m.usedCRLNumbers()
	m.number(b.layout.crlNumber, l.layout.crlNumber, path.Join(b.layout.home, "crlnumber"), used, !numbered)
}

func (m *merging) put(name string, mode uint32, content []byte) {
	m.changes = append(m.changes, change{path: name, typ: typeFile, mode: mode, content: content})
}

// subjects refuses what openssl would not load.
func (m *merging) subjects(mine, theirs, merged *index) {
	attributes := m.live.content(m.live.layout.attributes)
	if attributes == nil {
		attributes = m.want.tree.content(m.want.tree.layout.attributes)
	}
	if !uniqueSubject(attributes) {
		return
	}
	before, other := theirs.valid(), mine.valid()
	for subject, n := range merged.valid() {
		if n > 1 && before[subject] < 2 && other[subject] < 2 {
			m.refuse("CA_SUBJECT_CLASH", "the index takes one valid certificate of a subject (unique_subject), and backup and folder each have one of %s: revoke one, or set unique_subject = no", subject)
		}
	}
}

// usedSerials is the highest serial number that backup or target show. Of a CA whose numbers
// do not follow each other only those count that are near what its number file had, if it
// has one: it may have drawn them once, and counts now.
func (m *merging) usedSerials(mine, theirs *index) *highest {
	var near []openssl.Serial
	for _, t := range []*tree{m.want.tree, m.live} {
		if n, ok, _ := t.number(t.layout.serial); ok {
			near = append(near, n)
		}
	}
	random := mine.random || theirs.random || len(near) > 0 && len(mine.bySerial) == 1 && near[0].FarFrom(mine.top.number)
	top := &highest{}
	see := func(n openssl.Serial) {
		if !random || slices.ContainsFunc(near, func(next openssl.Serial) bool { return !next.FarFrom(n) }) {
			top.see(n)
		}
	}
	seeText := func(text string) {
		if n, err := openssl.ParseSerial(text); err == nil {
			see(n)
		}
	}
	for _, x := range []*index{mine, theirs} {
		for n := range x.bySerial {
			see(n)
		}
		// Rows that make no sense may have a number all the same.
		for _, r := range x.rows {
			if r.ok {
				continue
			}
			if columns := strings.Split(r.text, "\t"); len(columns) > 3 {
				seeText(columns[3])
			}
		}
	}
	for _, t := range []*tree{m.want.tree, m.live} {
		t.issued(func(_ entry, c certificate) { seeText(c.Serial) })
		for _, e := range t.entries {
			if e.CRL != nil && t.issuedCRL(e.CRL) {
				seeText(e.CRL.Highest)
			}
		}
	}
	return top
}

// usedCRLNumbers is the highest number of a CRL, and whether CRLs are numbered.
func (m *merging) usedCRLNumbers() (*highest, bool) {
	top := &highest{}
	for _, t := range []*tree{m.want.tree, m.live} {
		for _, e := range t.entries {
			if e.CRL != nil && t.issuedCRL(e.CRL) {
				top.seeText(e.CRL.Number)
			}
		}
	}
	return top, top.any || m.want.tree.layout.crlNumber != "" || m.live.layout.crlNumber != ""
}

// issuedCRL reports whether a CRL names the CA as its issuer.
func (t *tree) issuedCRL(c *crl) bool {
	return len(t.own) == 0 || slices.ContainsFunc(t.own, func(o certificate) bool { return o.Subject == c.Issuer })
}

// number sets the file with the next number: that of the target while it is ahead of all
// that was used, else one that leaves a gap. A fixed file is not raised.
func (m *merging) number(mine, theirs, usual string, used *highest, fixed bool) {
	name := mine
	if name == "" {
		name = theirs
	}
	kept, there := m.want.contents[name]
	live, has, _ := m.live.number(theirs)
	inBackup, ok, _ := m.want.tree.number(mine)
	if fixed {
		if e, known := m.want.tree.file(name); known && theirs == "" && there {
			m.put(name, e.Mode, kept)
		}
		return
	}
	least := highest{}
	if used.any {
		least.see(used.number.Next())
	}
	if ok {
		least.see(inBackup)
	}
	switch {
	case !least.any && !there || has && (!least.any || live.Compare(least.number) >= 0):
		return
	case !least.any:
		m.put(name, 0o600, kept) // no number, and nothing to make one of
		return
	}
	if name == "" {
		name = usual
	}
	mode := uint32(0)
	if !has {
		mode = 0o600
	}
	m.raised = true
	m.put(name, mode, []byte(least.number.Plus(m.want.Gap).String()+"\n"))
}
