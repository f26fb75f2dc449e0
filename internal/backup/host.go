package backup

import (
	"regexp"
	"sync"
)

var hostPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`) })

// IsHost reports whether a text can be the name of a worker's host: 1 to 253 small
// letters, digits, dots and hyphens, with a letter or digit at both ends.
func IsHost(text string) bool { return hostPattern().MatchString(text) }
