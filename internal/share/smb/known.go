package smb

import (
	"maps"
	"strings"
	"sync"
	"time"
)

const (
	// knownFor is how long a folder that was looked at is believed to be one, and no link
	// to another place. Nothing keeps others from exchanging it right behind a look; what
	// the looking keeps out are links that were put there and stay.
	knownFor = time.Minute
	// maxKnown bounds how many are remembered.
	maxKnown = 1000
)

// known remembers folders that were looked at of late. Looking at each level of each path
// again, with every call, would be most of what a share far away is asked.
type known struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// add remembers a folder.
func (k *known) add(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen) >= maxKnown || k.seen == nil {
		k.seen = map[string]time.Time{}
	}
	k.seen[path] = time.Now()
}

// has reports whether a folder was looked at of late.
func (k *known) has(path string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.seen[path]
	return ok && time.Since(at) < knownFor
}

// drop forgets a path and all below it.
func (k *known) drop(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.seen, func(seen string, _ time.Time) bool {
		return path == "" || seen == path || strings.HasPrefix(seen, path+"/")
	})
}

// move goes along with a folder that gets another name: it is what it was when it was
// looked at.
func (k *known) move(from, to string) {
	k.mu.Lock()
	at, ok := k.seen[from]
	k.mu.Unlock()
	k.drop(from)
	k.drop(to)
	if ok {
		k.mu.Lock()
		k.seen[to] = at
		k.mu.Unlock()
	}
}
