package address

import (
	"regexp"
	"strings"
)

// Longest path and most segments that are looked at. The longest of ours has 14 segments.
const (
	maxPath     = 2048
	maxSegments = 20
)

// Parameters of patterns.
const (
	Subscription = "{subscription}"
	Group        = "{group}"
	Location     = "{location}"
	Backup       = "{backup}" // a GUID, or LOCATION/GUID as the names of backups are
	Operation    = "{operation}"
	Token        = "{token}"
	Plan         = "{plan}" // 64 hexadecimal digits
	Drill        = "{drill}"
	Diff         = "{diff}"
)

// Params are the parts of a path that callers choose, in their spelling.
type Params struct {
	Subscription, Group, Location, Backup, Operation, Token, Plan, Drill, Diff string
}

func (p *Params) set(name, value string) {
	switch name {
	case Subscription:
		p.Subscription = value
	case Group:
		p.Group = value
	case Location:
		p.Location = value
	case Backup:
		p.Backup = value
	case Operation:
		p.Operation = value
	case Token:
		p.Token = value
	case Plan:
		p.Plan = value
	case Drill:
		p.Drill = value
	case Diff:
		p.Diff = value
	}
}

// Segments takes a decoded path apart. A slash more at either end is forgiven, as clients join
// base and path carelessly; an empty segment in between names nothing.
func Segments(path string) ([]string, bool) {
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

// Match holds a pattern's segments against those of a path. Fixed words match whatever their
// case. The escaped slash in the name of a backup has become a segment more.
func Match(pattern, path []string) (Params, bool) {
	var p Params
	for len(pattern) > 0 {
		want := pattern[0]
		if len(path) == 0 {
			return Params{}, false
		}
		taken := 1
		switch {
		case want == Backup && len(path) > 1 && IsGUID(path[1]) && !IsGUID(path[0]):
			taken = 2
			p.Backup = path[0] + "/" + path[1]
		case strings.HasPrefix(want, "{"):
			p.set(want, path[0])
		case !strings.EqualFold(want, path[0]):
			return Params{}, false
		}
		pattern, path = pattern[1:], path[taken:]
	}
	return p, len(path) == 0
}

var (
	guidPattern     = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)
	locationPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
)

// IsGUID reports whether a text is one, in any case.
func IsGUID(text string) bool { return guidPattern.MatchString(text) }

// IsLocationName reports whether a text can be the name of a location.
func IsLocationName(text string) bool { return locationPattern.MatchString(text) }
