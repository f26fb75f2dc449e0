package ca

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// layout says where in the folder a CA keeps its things. Paths are relative;
// empty ones are not there.
type layout struct {
	home       string // folder of the database
	database   string
	attributes string
	serial     string
	crlNumber  string
	newCerts   string // where certificates are named by serial number
	settings   openssl.Settings
	config     string // openssl.cnf that settings come from
	namedCert  string // CA certificate that the configuration names
	namedKey   string // CA key that the configuration names
	// outsideKey is the configured key, when it is a file outside of the folder.
	outsideKey string
	// deniedKey is the configured key, when the account may not even see whether it is
	// there, and deniedHome a folder that may hold the database and cannot be looked into.
	deniedKey, deniedHome string
}

// homes are the folders that can hold the database: the folder itself, easy-rsa's
// and that of openssl's CA.pl.
var homes = []string{".", "pki", "demoCA"}

// findLayout looks for a configuration and for the CA's database.
func findLayout(ctx context.Context, f *folder) (layout, error) {
	var l layout
	if err := l.readConfig(ctx, f); err != nil {
		return l, err
	}
	candidates := homes
	if dir := l.settings.Dir; filepath.IsAbs(dir) {
		if inside, ok := below(dir, f.dir); ok {
			candidates = append([]string{inside}, homes...)
		}
	} else if dir != "" {
		if dir = path.Join(path.Dir(l.config), dir); filepath.IsLocal(dir) {
			candidates = append([]string{dir}, homes...)
		}
	}
	base := "index.txt"
	if l.settings.Database != "" {
		base = path.Base(l.settings.Database)
	}
	l.home = "."
	for _, home := range candidates {
		for _, name := range slices.Compact([]string{base, "index.txt"}) {
			_, ok, err := f.lookup(path.Join(home, name))
			if isDenied(err) && home != "." {
				l.deniedHome = home
				continue
			}
			if err != nil {
				return l, err
			}
			if ok && l.database == "" {
				l.home, l.database = home, path.Join(home, name)
			}
		}
	}
	return l, l.findFiles(f)
}

// readConfig takes the first *.cnf with a CA section.
func (l *layout) readConfig(ctx context.Context, f *folder) error {
	for _, dir := range homes {
		if info, err := f.root.Lstat(dir); err != nil || !info.IsDir() {
			continue // not there, or of no interest; the walk reports what it cannot read
		}
		names, err := f.names(ctx, dir)
		if isDenied(err) && dir != "." {
			l.deniedHome = dir
			continue
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasSuffix(name, ".cnf") && !strings.HasSuffix(name, ".conf") {
				continue
			}
			e, ok, err := f.lookup(path.Join(dir, name))
			if isDenied(err) && dir != "." {
				l.deniedHome = dir
				break
			}
			if err != nil {
				return err
			}
			if !ok || e.info.Size() > openssl.MaxConfigBytes {
				continue
			}
			data, err := f.read(ctx, e)
			if isDenied(err) {
				continue // the walk comes to it, and judges by its name
			}
			if err != nil {
				return err
			}
			settings, err := openssl.ParseConfig(data)
			if err != nil {
				continue // some other configuration; captured like every file
			}
			l.settings, l.config = settings, e.path
			return nil
		}
	}
	return nil
}

func (l *layout) findFiles(f *folder) error {
	for _, want := range []struct {
		target     *string
		configured string
		usual      string
	}{
		{&l.serial, l.settings.Serial, "serial"},
		{&l.crlNumber, l.settings.CRLNumber, "crlnumber"},
		{&l.attributes, "", path.Base(l.database) + ".attr"},
		{&l.namedCert, l.settings.Certificate, ""},
		{&l.namedKey, l.settings.PrivateKey, ""},
	} {
		var names []string
		if configured, ok := l.resolve(f, want.configured); ok {
			names = append(names, configured)
		}
		if want.usual != "" {
			names = append(names, path.Join(l.home, want.usual))
		}
		for _, name := range names {
			_, ok, err := f.lookup(name)
			if isDenied(err) && want.target == &l.namedKey {
				l.deniedKey, ok, err = name, true, nil
			}
			if err != nil {
				return err
			}
			if ok {
				*want.target = name
				break
			}
		}
	}
	l.newCerts = path.Join(l.home, "newcerts")
	if dir, ok := l.resolve(f, l.settings.NewCerts); ok {
		l.newCerts = dir
	}
	if key := l.settings.PrivateKey; l.namedKey == "" && filepath.IsAbs(key) && !pki.IsKeyURI(key) {
		if _, inside := l.resolve(f, key); !inside {
			l.outsideKey = key
		}
	}
	return nil
}

// resolve maps a path of the configuration into the folder. A path below the
// configured dir is taken relative to where the database was found: the folder
// may have been moved, or be mounted elsewhere, since the file was written.
func (l *layout) resolve(f *folder, configured string) (string, bool) {
	if configured == "" || pki.IsKeyURI(configured) {
		return "", false
	}
	if dir := l.settings.Dir; dir != "" {
		if rest, below := below(configured, dir); below {
			return path.Join(l.home, rest), filepath.IsLocal(path.Join(l.home, rest))
		}
	}
	if filepath.IsAbs(configured) {
		return below(configured, f.dir)
	}
	name := path.Join(path.Dir(l.config), configured)
	return name, filepath.IsLocal(name)
}

// below returns what of name lies under dir.
func below(name, dir string) (string, bool) {
	rest, ok := strings.CutPrefix(path.Clean(name), strings.TrimSuffix(path.Clean(dir), "/")+"/")
	return rest, ok
}

// state lists the files that openssl writes with every certificate and CRL: they
// tell whether the CA works at the moment.
func (l *layout) state() []string {
	var out []string
	for _, name := range []string{l.database, l.attributes, l.serial, l.crlNumber} {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// inIssued reports whether a file lies where the CA puts what it issues: the
// configured folder, openssl's newcerts, easy-rsa's issued and certs_by_serial.
func (l *layout) inIssued(name string) bool {
	dir := path.Dir(name)
	if dir == l.newCerts {
		return true
	}
	switch path.Base(dir) {
	case "newcerts", "issued", "certs_by_serial":
		return true
	}
	return false
}
