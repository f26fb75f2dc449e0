package restore

import (
	"path"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Selection says which items of a backup are restored. An empty one takes everything.
type Selection struct {
	// Services are those of which items are taken; all when empty.
	Services []backup.Service `json:"services,omitempty"`
	// Items are IDs, or aliases, of single items.
	Items []string `json:"items,omitempty"`
	// Patterns are compared with IDs and names, without case: * stands for any run of
	// characters but a slash, ? for one, as in [path.Match], and a pattern that ends with
	// /** takes everything below.
	Patterns []string `json:"patterns,omitempty"`
	// Changed, when not nil, says which of them changed; it stands for "what changed since".
	Changed func(backup.CatalogEntry) bool `json:"-"`
	// Since names the backup that Changed compares with.
	Since backup.ID `json:"since,omitempty"`
}

// Validate makes sure that every part can be understood.
func (s Selection) Validate() error {
	for _, service := range s.Services {
		if _, err := backup.ParseService(string(service)); err != nil {
			return fault.New(fault.Usage, "the selection", err)
		}
	}
	for _, pattern := range s.Patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return fault.New(fault.Usage, "the pattern "+pattern+" cannot be understood", err)
		}
	}
	return nil
}

// Takes reports whether an item was asked for.
func (s Selection) Takes(e backup.CatalogEntry) bool {
	if len(s.Services) > 0 && !slices.Contains(s.Services, e.Service) {
		return false
	}
	if s.Changed != nil && !s.Changed(e) {
		return false
	}
	if len(s.Items) == 0 && len(s.Patterns) == 0 {
		return true
	}
	for _, item := range s.Items {
		if strings.EqualFold(item, e.ID) || slices.ContainsFunc(e.Aliases, func(a string) bool { return strings.EqualFold(a, item) }) {
			return true
		}
	}
	for _, pattern := range s.Patterns {
		if matches(pattern, e.ID) || matches(pattern, e.Name) {
			return true
		}
	}
	return false
}

func matches(pattern, text string) bool {
	pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	if above, found := strings.CutSuffix(pattern, "/**"); found {
		n := strings.Count(above, "/") + 1
		parts := strings.Split(text, "/")
		if len(parts) < n {
			return false
		}
		pattern, text = above, strings.Join(parts[:n], "/")
	}
	ok, err := path.Match(pattern, text)
	return err == nil && ok
}
