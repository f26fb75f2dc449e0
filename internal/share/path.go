package share

import (
	"strings"

	"infrabackup/internal/fault"
)

// CheckPath accepts the path of a file or folder within a Store and refuses any
// other with a SHARE_INVALID fault. A path has one to MaxPath bytes, and its
// elements, separated by single slashes, hold only a-z A-Z 0-9 . _ -, do not end
// with a dot and are not the name of a Windows device, so that every file server
// keeps them apart and as they are.
func CheckPath(path string) error {
	if path == "" {
		return fault.Newf(fault.ShareInvalid, "a path within the share is missing")
	}
	return CheckFolder(path)
}

// CheckFolder is [CheckPath] for operations on folders: the empty path, which is
// the Store's own folder, is accepted too.
func CheckFolder(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > MaxPath {
		return fault.Newf(fault.ShareInvalid, "the path %s is longer than %d bytes", shown(path), MaxPath)
	}
	for element := range strings.SplitSeq(path, "/") {
		if !ValidName(element) {
			return fault.Newf(fault.ShareInvalid, "the path %s has the element %s, which is not portable", shown(path), shown(element))
		}
	}
	return nil
}

// ValidName reports whether name can be an element of a Store's path. List
// leaves entries with other names out: no Store wrote them, and no Store could
// open them.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxPath || name[len(name)-1] == '.' || isDevice(name) {
		return false
	}
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isDevice recognises the names that Windows keeps for devices, with or without
// an extension (Microsoft, "Naming Files, Paths, and Namespaces").
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	switch stem = strings.ToUpper(strings.TrimRight(stem, " ")); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && '0' <= stem[3] && stem[3] <= '9'
}
