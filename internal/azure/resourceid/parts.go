package resourceid

import (
	"strings"
)

// Subscription is the subscription below which an ID lies, "" for none.
func Subscription(id string) string { return strings.ToLower(subscriptionOf(id)) }

// subscriptionOf is the same as the ID writes it. Letters in lower case may have more or
// fewer bytes, so only this one says where in an ID something stands.
func subscriptionOf(id string) string {
	rest, ok := CutPrefixFold(id, "/subscriptions/")
	if !ok {
		return ""
	}
	subscription, _, _ := strings.Cut(rest, "/")
	return subscription
}

// Group is the resource group below which an ID lies, as its path; "" for none.
func Group(id string) string {
	subscription := subscriptionOf(id)
	if subscription == "" {
		return ""
	}
	rest, ok := CutPrefixFold(id[len("/subscriptions/")+len(subscription):], "/resourcegroups/")
	if !ok {
		return ""
	}
	group, _, _ := strings.Cut(rest, "/")
	if group == "" {
		return ""
	}
	return id[:len("/subscriptions/")+len(subscription)+len("/resourcegroups/")+len(group)]
}

// lastIndexFold is where prefix begins for the last time, whatever the case of its
// letters; -1 for nowhere. Prefix has ASCII only, and so has what equals it in as many
// bytes.
func lastIndexFold(s, prefix string) int {
	for i := len(s) - len(prefix); i >= 0; i-- {
		if s[i] == prefix[0] && strings.EqualFold(s[i:i+len(prefix)], prefix) {
			return i
		}
	}
	return -1
}

// CutPrefixFold is [strings.CutPrefix] whatever the case of the letters. Prefix has ASCII only.
func CutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// Type is the full type that an ID says, "" when it says none.
func Type(id string) string {
	id = Normal(id)
	at := lastIndexFold(id, "/providers/")
	if at < 0 {
		return ""
	}
	segments := strings.Split(id[at+len("/providers/"):], "/")
	full := segments[0]
	for i := 1; i < len(segments); i += 2 {
		full += "/" + segments[i]
	}
	if full == segments[0] {
		return ""
	}
	return full
}

// Name is what an operator calls a resource: group and name, or the last parts.
func Name(id, original string) string {
	if original == "" || !strings.EqualFold(id, original) {
		original = id
	}
	parts := strings.Split(strings.Trim(original, "/"), "/")
	for i, part := range parts {
		if strings.EqualFold(part, "providers") && i+2 < len(parts) {
			var names []string
			if i >= 2 && strings.EqualFold(parts[i-2], "resourceGroups") {
				names = append(names, parts[i-1])
			}
			for j := i + 3; j < len(parts); j += 2 {
				names = append(names, parts[j])
			}
			if len(names) > 0 {
				return strings.Join(names, "/")
			}
		}
	}
	return parts[len(parts)-1]
}
