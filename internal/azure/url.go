package azure

import (
	"fmt"
	"net/url"
	"strings"
)

// sameHost reports whether two URLs lead to the same host and port, which may be said or
// be that of the scheme. A dot at the end of a name changes nothing.
func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(hostOf(a), hostOf(b)) && portOf(a) == portOf(b)
}

func hostOf(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" || u.Scheme != "https" {
		return strings.TrimLeft(port, "0")
	}
	return "443"
}

// plainHost is host and port without the port that https has anyway.
func plainHost(u *url.URL) string {
	host := hostOf(u)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := portOf(u); port != "443" {
		host += ":" + port
	}
	return host
}

// sendable is a query that can be sent: some servers leave blanks and other characters
// in links that no request can have.
func sendable(query string) string {
	clean := true
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '`' {
			clean = false
		}
	}
	if clean {
		return query
	}
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '`' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
