package conformance

import (
	"regexp"
	"slices"
)

// standIns are api-versions without a definition in tests/spec and those with which
// their answers are compared. Virtual machines of the profile 2020-09-01-hybrid are at
// 2020-06-01, whose nearest definition at hand is 2019-07-01; the profile
// 2019-03-01-hybrid is older throughout, and its answers are subsets.
var standIns = []struct {
	path     *regexp.Regexp
	from, to string
}{
	{regexp.MustCompile(`(?i)/providers/Microsoft\.Compute/`), "2020-06-01", "2019-07-01"},
}

func standIn(path, version string) string {
	for _, s := range standIns {
		if s.from == version && s.path.MatchString(path) {
			return s.to
		}
	}
	return version
}

// Exception is a deviation from a definition that is meant, because the definition is
// known to be wrong about real stamps.
type Exception struct {
	Operation, Where, What *regexp.Regexp
	Why                    string
}

// Exceptions are all deviations that are meant.
var Exceptions = []Exception{
	{regexp.MustCompile(`^Get(Deleted)?(Key|Secret|Certificate)(s|Versions|Issuers)$`), regexp.MustCompile(`^/nextLink$`), regexp.MustCompile(`^got null`), "Key Vault says on the last page of a list that the next link is null"},
	{regexp.MustCompile(`^(Subscriptions|Tenants)_List$`), regexp.MustCompile(`^/$`), regexp.MustCompile(`^missing property 'nextLink'$`), "the definition requires a next link even where there is no next page"},
}

func excepted(p Problem) bool {
	return slices.ContainsFunc(Exceptions, func(e Exception) bool {
		return e.Operation.MatchString(p.Operation) && e.Where.MatchString(p.Where) && e.What.MatchString(p.What)
	})
}
