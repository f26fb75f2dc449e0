package campaign

import (
	"maps"
	"slices"
)

// The shares of a site: folders on one file server.
var folders = []string{"first", "second"}

// allKeys are the operators' keys of a site, by the names of their files.
var allKeys = []string{"a.key", "b.key", "c.key", "d.key"}

// services are those that a whole backup here has.
var services = []string{"ARM", "CA", "CRP", "KeyVault", "NRP", "RBAC", "SRP"}

// held is one backup on one share, as it has to be.
type held struct {
	id, folder string
	partial    bool              // a source was away when it was made
	authority  map[string]string // files of the CA by path with their digests, nil where the CA is not in it
	token      string            // the content of one file of the CA, another one for each backup
	keys       []string          // that open it, and no others do
	damaged    string            // the file that was changed or removed, empty for none
	heal       func() error      // puts that right
}

// shareModel is one share, as it has to be.
type shareModel struct {
	used    bool              // an instance's folder is there
	backups map[string]*held  // by ID
	foreign []string          // names of what others have put there
	ledger  []string          // digests of the entries that were seen
	unclean bool              // a run could not clean up, which the next one does
	left    map[string]string // all files with digests when it was left for the other one
}

// model is what has to be true.
type model struct {
	shares    []*shareModel
	current   int      // of the shares
	keys      []string // of new backups
	publicOf  map[string]string
	codecKeys int // how many were made
	passwords int // how many were given
	// restored is the plan whose restore stands in the target, and target what the target held
	// before it; the plan is empty for none. It lies on the share that was current then.
	restored   string
	restoredAt int
	target     map[string]string
}

func newModel() *model {
	return &model{shares: []*shareModel{{backups: map[string]*held{}}, {backups: map[string]*held{}}}, publicOf: map[string]string{}}
}

// here is the share that is the current one.
func (m *model) here() *shareModel { return m.shares[m.current] }

// all are the backups of a share in the order of their IDs.
func (s *shareModel) all() []*held {
	var out []*held
	for _, id := range slices.Sorted(maps.Keys(s.backups)) {
		out = append(out, s.backups[id])
	}
	return out
}

// whole are those that were not damaged.
func (s *shareModel) whole() []*held {
	return slices.DeleteFunc(s.all(), func(b *held) bool { return b.damaged != "" })
}

// damaged are the others.
func (s *shareModel) damaged() []*held {
	return slices.DeleteFunc(s.all(), func(b *held) bool { return b.damaged == "" })
}

// restorable are those that have the CA.
func (s *shareModel) restorable() []*held {
	return slices.DeleteFunc(s.whole(), func(b *held) bool { return b.authority == nil })
}
