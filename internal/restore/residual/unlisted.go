package residual

import (
	"encoding/json"
	"slices"
	"strings"
)

// Unlisted lists what a document in the target's names has of subscriptions, tenants and
// regions that the site does not name as the target's: it cannot be told whether they are. A
// map that was cut is noticed by it.
func (s *Scanner) Unlisted(document []byte) (all []string) {
	if s == nil {
		return nil
	}
	var v any
	if json.Unmarshal(document, &v) != nil {
		return nil // Find looks through it
	}
	found := map[string]bool{}
	s.unlisted("", v, found, 0)
	for name := range found {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (s *Scanner) unlisted(member string, value any, found map[string]bool, depth int) {
	if depth > maxDepth || len(found) > maxFindings {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			s.unlisted(strings.ToLower(name), inner, found, depth+1)
		}
	case []any:
		for _, inner := range v {
			s.unlisted(member, inner, found, depth+1)
		}
	case string:
		low := strings.ToLower(v)
		switch region := strings.Join(strings.Fields(low), ""); {
		case member == "tenantid" && low != "" && !s.tenants[low]:
			found["tenant "+low] = true
		case (member == "principalid" || member == "objectid") && s.isStranger(low):
			found["principal "+strings.ToUpper(low)] = true
		case member == "location" && region != "" && region != "global" && !s.places[region]:
			found["region "+region] = true
		}
		for rest := low; ; {
			_, after, ok := strings.Cut(rest, "/subscriptions/")
			if !ok {
				return
			}
			id, _, _ := strings.Cut(after, "/")
			if isGUID(id) && !s.subscriptions[id] {
				found["subscription "+id] = true
			}
			rest = after
		}
	}
}

// isStranger reports whether a SID is of no domain that the site has, and not among its
// principals.
func (s *Scanner) isStranger(low string) bool {
	if !strings.HasPrefix(low, "s-1-5-21-") || s.principals[low] {
		return false
	}
	return !slices.ContainsFunc(s.domains, func(domain string) bool { return strings.HasPrefix(low, domain+"-") })
}

// isGUID reports whether a text in lower case is one.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (text[i] == '-') || !dash && !isHexDigit(text[i]) {
			return false
		}
	}
	return true
}
