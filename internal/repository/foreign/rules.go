package foreign

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"infrabackup/internal/backup"
	"infrabackup/internal/printable"
)

// Place is one of the folders of an instance.
type Place int

// The places.
const (
	Instance Place = iota // <instance>/
	Backups               // backups/
	Backup                // the folder of a backup
	Ledger                // ledger/
	Work                  // incoming/, staging/ and what is below: nothing there is a backup
)

var (
	idPattern    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timePattern  = regexp.MustCompile(`^\d{8}t\d{6}z`)
	entryPattern = regexp.MustCompile(`^\d{8}$|\.entry`)
)

// Suffixes that only files have which a backup is made of, or which are about to
// replace one of them.
var ownSuffixes = []string{".age", backup.NextSuffix}

// Resembles reports whether an entry that is not the product's could be taken for a
// part of what a backup is. Names are compared as those compare them who do not look
// closely: without regard to case, to blanks and dots at the ends, and to what nobody
// sees. Hidden names, which begin with a dot or "~", are never taken for one, unless
// they are folders with the name of a backup.
func (p Place) Resembles(name string, isDir bool) bool {
	for _, seen := range appearances(name) {
		hidden := seen == "" || seen[0] == '.' || seen[0] == '~'
		switch {
		case hidden && !(p == Backups && isDir):
		case p.resembles(seen):
			return true
		}
	}
	return false
}

func (p Place) resembles(seen string) bool {
	switch p {
	case Instance:
		return slices.Contains(instanceNames, strings.TrimSuffix(seen, backup.NextSuffix))
	case Backups:
		return idPattern.MatchString(seen) || timePattern.MatchString(seen)
	case Backup:
		own := func(suffix string) bool { return strings.HasSuffix(seen, suffix) }
		return slices.Contains(backupNames, seen) || slices.ContainsFunc(ownSuffixes, own)
	case Ledger:
		return entryPattern.MatchString(seen)
	}
	return false
}

// instanceNames and backupNames are what the product's files are called, in small
// letters.
var (
	instanceNames = lower(backup.BackupsDir, backup.IncomingDir, backup.StagingDir, backup.LedgerDir,
		backup.RecoveryFile, backup.AllowedSignersFile, backup.ControllerFile)
	backupNames = lower(backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile)
)

func lower(names ...string) []string {
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	return names
}

// appearances are what a name looks like: in small letters, without what is not seen,
// and, where it turns its letters round, as they stand then.
func appearances(name string) []string {
	seen := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !printable.Visible(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	seen = strings.TrimRight(strings.TrimLeft(seen, " "), " .")
	all := []string{seen}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }) {
		turned := []rune(seen)
		slices.Reverse(turned)
		all = append(all, string(turned))
	}
	return all
}

// litter are files that desktops write into every folder that somebody looks at, and
// that hold nothing which is worth keeping when the folder goes (Apple TN2096 and
// "Apple Double"; Microsoft, "Thumbs.db" and "Desktop.ini").
var litter = []string{".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory"}

// IsLitter reports whether a file may go with the folder that it was left in.
func IsLitter(name string) bool {
	return strings.HasPrefix(name, "._") || slices.Contains(litter, strings.ToLower(name))
}
