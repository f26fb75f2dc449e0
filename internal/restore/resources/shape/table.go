package shape

import (
	"fmt"
	"strings"
	"sync"
)

// tables are the texts of all providers, by type in lower case.
var tables = []map[string]string{coreBodies, computeBodies, networkBodies, storageBodies, vaultBodies, accessBodies}

// shapes are the tables, read once.
var shapes = sync.OnceValue(func() map[string]*Shape {
	all := map[string]*Shape{}
	for _, table := range tables {
		for fullType, text := range table {
			s, err := parse(text)
			if err != nil { // a test reads them all
				panic(fmt.Sprintf("the shape of %s: %v", fullType, err))
			}
			all[fullType] = s
		}
	}
	return all
})

// Of is the shape of the documents of a full type, whatever the case of its letters; nil
// when nothing of the type can be put. Record sets of a DNS zone have one shape, that of
// Microsoft.Network/dnsZones/recordsets.
func Of(fullType string) *Shape { return shapes()[strings.ToLower(fullType)] }

// Types are all types that have a shape, in lower case.
func Types() []string {
	var all []string
	for fullType := range shapes() {
		all = append(all, fullType)
	}
	return all
}
