package ca

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// tree is a CA's folder: its entries, sorted by path, and what follows from them.
type tree struct {
	entries []entry
	byPath  map[string]int
	layout  layout
	own     []certificate // of the CA itself, the current one first
}

// newTree sorts entries and finds out where the CA keeps its things.
func newTree(entries []entry) *tree {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.Path, b.Path) })
	t := &tree{entries: entries, byPath: make(map[string]int, len(entries))}
	for i, e := range entries {
		t.byPath[string(e.Path)] = i
	}
	t.layout = t.findLayout()
	t.findOwn()
	return t
}

// at returns the entry at a path.
func (t *tree) at(name string) (entry, bool) {
	i, ok := t.byPath[name]
	if !ok {
		return entry{}, false
	}
	return t.entries[i], true
}

// file returns the regular file at a path.
func (t *tree) file(name string) (entry, bool) {
	e, ok := t.at(name)
	return e, ok && e.Type == typeFile
}

// layout says where a CA keeps its database, by the same rules as package collect/ca. Paths
// are relative; empty ones are not there.
type layout struct {
	home        string
	database    string
	attributes  string
	serial      string
	crlNumber   string
	newCerts    string
	certificate string // that the configuration, or else custom, names
	key         string
	settings    openssl.Settings
	config      string
}

// homes are the folders that can hold the database.
var homes = []string{".", "pki", "demoCA"}

func (t *tree) findLayout() layout {
	l := layout{home: "."}
	for _, e := range t.entries {
		ext := path.Ext(string(e.Path))
		if l.config != "" || e.Type != typeFile || ext != ".cnf" && ext != ".conf" || !slices.Contains(homes, path.Dir(string(e.Path))) {
			continue
		}
		if settings, err := openssl.ParseConfig(e.Content); err == nil && len(e.Content) <= openssl.MaxConfigBytes {
			l.settings, l.config = settings, string(e.Path)
		}
	}
	base := "index.txt"
	if l.settings.Database != "" {
		base = path.Base(l.settings.Database)
	}
	for _, home := range append(l.configuredHomes(), homes...) {
		for _, name := range []string{base, "index.txt"} {
			if _, ok := t.file(path.Join(home, name)); ok && l.database == "" {
				l.home, l.database = home, path.Join(home, name)
			}
		}
	}
	for _, want := range []struct {
		found             *string
		configured, usual string
	}{
		{&l.serial, l.settings.Serial, "serial"}, {&l.crlNumber, l.settings.CRLNumber, "crlnumber"},
		{&l.attributes, "", path.Base(cmp.Or(l.database, "index.txt")) + ".attr"},
		{&l.certificate, l.settings.Certificate, ""}, {&l.key, l.settings.PrivateKey, ""},
	} {
		var names []string
		if name, ok := l.resolve(want.configured); ok {
			names = append(names, name)
		}
		if want.usual != "" {
			names = append(names, path.Join(l.home, want.usual))
		}
		for _, name := range names {
			if _, ok := t.at(name); ok {
				*want.found = name
				break
			}
		}
	}
	l.newCerts = path.Join(l.home, "newcerts")
	if dir, ok := l.resolve(l.settings.NewCerts); ok {
		l.newCerts = dir
	}
	return l
}

// configuredHomes are the folders that the configuration may mean. The end of an absolute one
// is tried, since the folder may have been moved since.
func (l *layout) configuredHomes() (dirs []string) {
	dir := path.Clean(l.settings.Dir)
	switch {
	case l.settings.Dir == "":
	case filepath.IsAbs(dir):
		for rest := strings.TrimPrefix(dir, "/"); rest != "" && len(dirs) < 16; {
			dirs = append(dirs, rest)
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
		}
	default:
		if dir = path.Join(path.Dir(l.config), dir); filepath.IsLocal(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// resolve maps a path of the configuration into the folder. What lies below the
// configured dir is taken relative to where the database was found.
func (l *layout) resolve(configured string) (string, bool) {
	if configured == "" || pki.IsKeyURI(configured) {
		return "", false
	}
	if l.settings.Dir != "" {
		dir := strings.TrimSuffix(path.Clean(l.settings.Dir), "/") + "/"
		if rest, ok := strings.CutPrefix(path.Clean(configured), dir); ok {
			name := path.Join(l.home, rest)
			return name, filepath.IsLocal(name)
		}
	}
	if filepath.IsAbs(configured) {
		return "", false
	}
	name := path.Join(path.Dir(l.config), configured)
	return name, filepath.IsLocal(name)
}

// inIssued reports whether a file lies where the CA puts what it issues.
func (l *layout) inIssued(name string) bool {
	dir := path.Dir(name)
	switch path.Base(dir) {
	case "newcerts", "issued", "certs_by_serial":
		return true
	}
	return dir == l.newCerts
}

// state lists the files that openssl writes with every certificate and CRL.
func (l *layout) state() (names []string) {
	for _, name := range []string{l.database, l.attributes, l.serial, l.crlNumber} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// namesKey reports whether a file is by its name, or by the configuration, the CA's key.
func (l *layout) namesKey(name string) bool { return name == l.key || pki.IsCAName(name) }

// findOwn finds the CA's own certificates: by the configuration, by their names, and
// failing that those of CAs that signed themselves, and those of the same subject.
func (t *tree) findOwn() {
	subjects, seen := map[string]bool{}, map[string]bool{}
	var named, selfSigned, all []certificate
	for _, e := range t.entries {
		name := string(e.Path)
		for i, c := range e.Certificates {
			isNamed := i == 0 && (name == t.layout.certificate || pki.IsCAName(name))
			if !c.Parsed || !isNamed && (!c.CA || t.layout.inIssued(name)) {
				continue
			}
			switch {
			case isNamed && name == t.layout.certificate:
				named = append([]certificate{c}, named...)
			case isNamed:
				named = append(named, c)
			case c.Subject == c.Issuer:
				selfSigned = append(selfSigned, c)
			}
			all = append(all, c)
		}
	}
	first := 0
	if t.layout.certificate != "" && len(named) > 0 {
		first = 1 // what the configuration names is the current one, whatever the others say
	}
	newest := func(a, b certificate) int { return b.NotAfter.Compare(a.NotAfter) }
	slices.SortStableFunc(named[first:], newest)
	slices.SortStableFunc(selfSigned, newest)
	start := named
	if len(start) == 0 {
		start = selfSigned
	}
	for _, c := range start {
		subjects[c.Subject] = true
	}
	for _, c := range slices.Concat(start, all) {
		if subjects[c.Subject] && !seen[c.Digest] {
			seen[c.Digest] = true
			t.own = append(t.own, c)
		}
	}
}

// owns reports whether a certificate is one of the CA's own.
func (t *tree) owns(c certificate) bool {
	return slices.ContainsFunc(t.own, func(o certificate) bool { return o.Digest == c.Digest })
}

// issued calls fn for the certificates that the CA issued, by the name of their issuer, or by
// their place when the CA's own is not there.
func (t *tree) issued(fn func(entry, certificate)) {
	for _, e := range t.entries {
		for _, c := range e.Certificates {
			byName := slices.ContainsFunc(t.own, func(o certificate) bool { return o.Subject == c.Issuer })
			if c.Parsed && !t.owns(c) && (byName || len(t.own) == 0 && t.layout.inIssued(string(e.Path))) {
				fn(e, c)
			}
		}
	}
}
