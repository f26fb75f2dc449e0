package ad

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

// TestWhatAPageListsIsReadOrTheCaptureFails: a controller lists a group with the beginning
// of its members, and then gives nobody the group itself.
func TestWhatAPageListsIsReadOrTheCaptureFails(t *testing.T) {
	d := newFakeDC(t)
	d.maxValues = 4
	var group string
	for _, o := range d.objects {
		if strings.HasPrefix(o.dn, "CN=All,") {
			group = fakeGUIDText(o.number)
		}
	}
	d.hidden = func(guid string) bool { return guid == group }
	_, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
	require.Equal(t, fault.SourceIncomplete, fault.CodeOf(err), "%v", err)
	d.hidden = nil
	_, err = d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
	require.NoError(t, err)
}

// TestTheEndOfValuesIsNotAllOfThem: values that begin in the middle are cut, though they
// go to the end.
func TestTheEndOfValuesIsNotAllOfThem(t *testing.T) {
	for name, cut := range map[string]bool{"member;range=0-*": false, "member;range=0-3": true, "member;range=5-*": true} {
		f := &found{}
		require.NoError(t, f.add(directory.Attribute{Name: name, Values: [][]byte{[]byte("CN=x")}}, nil), name)
		require.Equal(t, cut, len(f.cut) > 0, name)
	}
}

// TestEveryReferenceIsNamed: whatever a controller refers to, and however often, is said.
func TestEveryReferenceIsNamed(t *testing.T) {
	r := &reading{root: &rootDSE{contexts: []string{"DC=corp,DC=test"}}, elsewhere: map[string]bool{}}
	for _, url := range []string{"ldap://h/DC=CORP,DC=test", "ldap://h/DC=child,DC=corp,DC=test", "ldap://h", "%zz\x1b[2J", directory.LongReference} {
		require.NoError(t, r.refer(url))
	}
	require.Len(t, r.elsewhere, 4, "%v", r.elsewhere)
	for dn := range r.elsewhere {
		require.NotContains(t, dn, "\x1b")
	}
	for n := range maxContexts + 10 {
		require.NoError(t, r.refer(fmt.Sprintf("ldap://h/DC=%d", n)))
	}
	require.Len(t, r.elsewhere, maxContexts+1)
	require.True(t, r.elsewhere["further places"])
}
