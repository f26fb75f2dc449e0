package ad

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitExtended(t *testing.T) {
	const guid = "31b2f340-016d-11d2-945f-00c04fb984f9"
	tests := []struct{ value, plain, guid string }{
		{"CN=x", "CN=x", ""},
		{"<GUID=" + guid + ">;CN=x", "CN=x", guid},
		{"<GUID=31B2F340-016d-11d2-945f-00c04fb984f9>;<SID=S-1-5-32-544>;CN=x", "CN=x", guid},
		{"<GUID=" + guid + ">;<SID=S-1>;<RMD_FLAGS=1>;CN=x>;y", "CN=x>;y", guid},
		{"<GUID=" + guid + ">;", "", guid},
		{"<GUID=nonsense>;CN=x", "<GUID=nonsense>;CN=x", ""},
		{"<GUID=" + guid, "<GUID=" + guid, ""},
		{"<GUID=" + guid + ">;<SID=S-1", "<GUID=" + guid + ">;<SID=S-1", ""},
		{"<SID=S-1-5-32-544>", "<SID=S-1-5-32-544>", ""},
		{"B:4:00ff:<GUID=" + guid + ">;CN=x", "B:4:00ff:CN=x", guid},
		{"S:5:a:b:c:<GUID=" + guid + ">;CN=x", "S:5:a:b:c:CN=x", guid},
		{"B:4:00ff:CN=x", "B:4:00ff:CN=x", ""},
		{"B:9:00ff:<GUID=" + guid + ">;CN=x", "B:9:00ff:<GUID=" + guid + ">;CN=x", ""},
		{"B::", "B::", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		plain, got := splitExtended([]byte(test.value))
		require.Equal(t, test.plain, string(plain), test.value)
		require.Equal(t, test.guid, got, test.value)
	}
}

func FuzzSplitExtended(f *testing.F) {
	f.Add([]byte("B:4:00ff:<GUID=31b2f340-016d-11d2-945f-00c04fb984f9>;<SID=S-1>;CN=x"))
	f.Fuzz(func(t *testing.T, value []byte) {
		plain, guid := splitExtended(value)
		if guid == "" && !bytes.Equal(plain, value) || len(plain) > len(value) {
			t.Fatalf("%q became %q with %q", value, plain, guid)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	f.Add("member;range=0-1499")
	f.Add("member;Range=0-*;binary")
	f.Fuzz(func(t *testing.T, attribute string) {
		name, r, err := parseRange(attribute)
		if err == nil && r == nil && name != attribute {
			t.Fatalf("%q became %q", attribute, name)
		}
		if r != nil && (r.low < 0 || !r.last && r.high < r.low) {
			t.Fatalf("%q became %+v", attribute, r)
		}
	})
}

func TestGPTVersion(t *testing.T) {
	for text, want := range map[string]string{
		"[General]\r\nVersion=65537\r\n": "65537", "\ufeff[general]\nversion = 2": "2", "": "0", "[Other]\nVersion=3": "0",
		"[General]\ndisplayName=x\n": "0", "[General]\nVersion=": "",
	} {
		require.Equal(t, want, gptVersion([]byte(text)), text)
	}
	require.True(t, sameVersion("-1", "4294967295"))
	require.True(t, sameVersion("", "0"))
	require.False(t, sameVersion("1", ""))
}

func TestDNSDomain(t *testing.T) {
	require.Equal(t, "local.azurestack.test", dnsDomain("DC=local,dc=azurestack,DC=test"))
	require.Equal(t, "", dnsDomain("CN=x,DC=test"))
	require.Equal(t, "", dnsDomain("="))
}
