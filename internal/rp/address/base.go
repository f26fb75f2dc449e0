package address

import (
	"fmt"
	"net/url"
	"strings"
)

// Base wants an absolute address of a host and nothing more.
func Base(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("the base URL is malformed: %w", err)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the base URL %q is not of the form https://host or https://host:port", text)
	}
	return u.Scheme + "://" + u.Host, nil
}
