package rp

import (
	"regexp"
	"strings"
)

// Longest path and most segments that are looked at. The longest of ours has 14 segments.
const (
	maxPath     = 2048
	maxSegments = 20
)

// Parameters of paths.
const (
	paramSubscription = "{subscription}"
	paramGroup        = "{group}"
	paramLocation     = "{location}"
	paramBackup       = "{backup}" // a GUID, or LOCATION/GUID as the names of backups are
	paramOperation    = "{operation}"
	paramToken        = "{token}"
)

// params are the parts of a path that callers choose, in their spelling.
type params struct {
	subscription, group, location, backup, operation, token string
}

func (p *params) set(name, value string) {
	switch name {
	case paramSubscription:
		p.subscription = value
	case paramGroup:
		p.group = value
	case paramLocation:
		p.location = value
	case paramBackup:
		p.backup = value
	case paramOperation:
		p.operation = value
	case paramToken:
		p.token = value
	}
}

// segments takes a decoded path apart. A slash more at either end is forgiven, as clients join
// base and path carelessly; an empty segment in between names nothing.
func segments(path string) ([]string, bool) {
	if len(path) > maxPath {
		return nil, false
	}
	path = strings.TrimSuffix(strings.TrimLeft(path, "/"), "/")
	all := strings.SplitN(path, "/", maxSegments+1)
	if len(all) > maxSegments {
		return nil, false
	}
	for _, s := range all {
		if s == "" || s == "." || s == ".." {
			return nil, false
		}
	}
	return all, true
}

// match holds a pattern's segments against those of a path. Fixed words match whatever their
// case. The escaped slash in the name of a backup has become a segment more.
func match(pattern, path []string) (params, bool) {
	var p params
	for len(pattern) > 0 {
		want := pattern[0]
		if len(path) == 0 {
			return params{}, false
		}
		taken := 1
		switch {
		case want == paramBackup && len(path) > 1 && isGUID(path[1]) && !isGUID(path[0]):
			taken = 2
			p.backup = path[0] + "/" + path[1]
		case strings.HasPrefix(want, "{"):
			p.set(want, path[0])
		case !strings.EqualFold(want, path[0]):
			return params{}, false
		}
		pattern, path = pattern[1:], path[taken:]
	}
	return p, len(path) == 0
}

var (
	guidPattern     = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)
	locationPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
)

func isGUID(text string) bool         { return guidPattern.MatchString(text) }
func isLocationName(text string) bool { return locationPattern.MatchString(text) }
