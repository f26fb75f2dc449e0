package operator

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// idPrefix is the beginning of an ID that is long enough to be meant as one.
var idPrefix = regexp.MustCompile(`^[0-9a-f][0-9a-f-]{3,34}$`)

// ParseName takes how an operator names a backup: its ID, the beginning of one, or its
// folder as lists and the share show it, with or without what is before the last slash.
// It returns the ID or its beginning, which [OnlyOne] makes whole. GUIDs are in lower
// case here, and in upper case in what other tools print.
func ParseName(text string) (string, error) {
	name := strings.TrimRight(strings.ReplaceAll(text, `\`, "/"), "/")
	if id, _, err := backup.ParseFolderName(path.Base(name)); err == nil {
		return string(id), nil
	}
	lower := strings.ToLower(text)
	if id, err := backup.ParseID(lower); err == nil {
		return string(id), nil
	}
	if idPrefix.MatchString(lower) {
		return lower, nil
	}
	return "", fault.Usagef("%s is not the ID of a backup or its beginning, not a backup's folder, nor %s; see `infrabackup backup list`", printable.Quote(text), backup.Latest)
}

// nth is how an operator names the backup that many before the newest.
var nth = regexp.MustCompile(`^latest~([0-9]{1,4})$`)

// ParseNth is [ParseName] for commands that also take latest and latest~N, the Nth before the
// newest: before is that N, and 0 for every other name.
func ParseNth(text string) (name string, before int, err error) {
	if text == backup.Latest {
		return backup.Latest, 0, nil
	}
	if found := nth.FindStringSubmatch(strings.ToLower(text)); found != nil {
		before, err := strconv.Atoi(found[1])
		return backup.Latest, before, err
	}
	name, err = ParseName(text)
	return name, 0, err
}

// IsWhole reports whether a name needs no list to be understood.
func IsWhole(name string) bool {
	_, err := backup.ParseID(name)
	return err == nil || name == backup.Latest
}

// OnlyOne returns the one backup whose ID begins that way.
func OnlyOne(prefix string, all []backup.Overview) (backup.ID, error) {
	var found []string
	for _, b := range all {
		if strings.HasPrefix(string(b.BackupID), prefix) {
			found = append(found, string(b.BackupID))
		}
	}
	switch len(found) {
	case 0:
		return "", fault.Newf(fault.BackupNotFound, "no backup has an ID that begins with %s", prefix)
	case 1:
		return backup.ID(found[0]), nil
	}
	return "", fault.Usagef("%d backups have an ID that begins with %s: %s", len(found), prefix, strings.Join(found[:min(len(found), 5)], ", "))
}
