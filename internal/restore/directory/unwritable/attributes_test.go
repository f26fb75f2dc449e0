package unwritable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReasonOf(t *testing.T) {
	const dn = "CN=a,DC=b"
	for name, want := range map[string]Reason{
		"description": "", "gPLink": "", "dnsRecord": "", "member": "", "memberOf": BackLink, "cn": named, "CN": named, "ou": "", "objectSid": identity, "whenCreated": systemOnly,
		"tokenGroups": computed, "lastLogon": volatile, "userAccountControl": inState, "primaryGroupID": inState, "nTSecurityDescriptor": rights, "userCertificate;binary": "", "memberOf;range=0-1": BackLink,
	} {
		require.Equal(t, want, ReasonOf(name, dn), name)
	}
}

// TestList: each line has a name and one of the reasons that stand in the definitions.
func TestList(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		name, why, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, line)
		require.Contains(t, []Reason{systemOnly, BackLink, computed, ownCopy}, Reason(why), line)
		require.False(t, seen[strings.ToLower(name)], line)
		seen[strings.ToLower(name)] = true
	}
	require.Greater(t, len(seen), 200)
}
