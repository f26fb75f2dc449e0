package azure

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNormalID(t *testing.T) {
	for id, want := range map[string]string{
		"/subscriptions/A/x": "/subscriptions/A/x", "subscriptions/A/x/": "/subscriptions/A/x", "//a///b//": "/a/b", " /a/b\n": "/a/b", "": "", "/": "", "  ": "",
		"/a/b c": "/a/b c", "/a/b%20c": "/a/b c", "/a/%41%62": "/a/Ab", "/a/b%2Fc": "/a/b%2Fc", "/a/b%2fc": "/a/b%2Fc", "/a/100%": "/a/100%25", "/a/100%25": "/a/100%25",
		"/a/%2520": "/a/%2520", "/a/%zz": "/a/%25zz", "/a/%c3%bc": "/a/ü", "/a/ü": "/a/ü", "/a/%ff": "/a/%FF", "/a/\xff": "/a/%FF", "/a/%00": "/a/%00", "/a/%0a": "/a/%0A",
		"/a/b%20": "/a/b", "/a/%20/b": "/a/b", "/a/b?c#d": "/a/b?c#d", "/a/%3F": "/a/?", "/a/@:+(b)": "/a/@:+(b)", "%2Fa": "/%2Fa",
	} {
		require.Equal(t, want, NormalID(id), "%q", id)
	}
	for _, same := range [][2]string{{"/a/B%20c", "a/b C/"}, {"/A", "/a"}} {
		require.True(t, SameID(same[0], same[1]))
	}
	for _, other := range [][2]string{{"/a/b", "/a/c"}, {"/a/b%2Fc", "/a/b/c"}, {"/a/b", "/a/b/c"}, {"", "/a"}} {
		require.False(t, SameID(other[0], other[1]))
	}
}

// TestAddresses: what is written in several ways is asked for at one address.
func TestAddresses(t *testing.T) {
	c := &Client{base: &url.URL{Scheme: "https", Host: "h"}}
	for id, want := range map[string]string{
		"/a/b c": "https://h/a/b%20c?api-version=1", "/a/b%20c": "https://h/a/b%20c?api-version=1", "a/b%2fc": "https://h/a/b%2Fc?api-version=1",
		"/a/100%": "https://h/a/100%25?api-version=1", "/a/100%25": "https://h/a/100%25?api-version=1", "/a/b?c#d": "https://h/a/b%3Fc%23d?api-version=1", "/ü": "https://h/%C3%BC?api-version=1",
	} {
		require.Equal(t, want, c.at(id, "1", nil), id)
	}
}

func TestSameHost(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://h", "https://H:443/x"}: true, {"https://h.:443", "https://h"}: true, {"https://h:8443", "https://h:8443"}: true, {"https://[::1]", "https://[::1]:443"}: true, {"https://h:0443", "https://h"}: true,
		{"https://h", "https://h:444"}: false, {"https://h", "https://i"}: false, {"https://h:8443", "https://h"}: false, {"https://h", "https://h.evil"}: false,
	} {
		a, err := url.Parse(pair[0])
		require.NoError(t, err)
		b, err := url.Parse(pair[1])
		require.NoError(t, err)
		require.Equal(t, want, sameHost(a, b), pair)
		require.Equal(t, want, sameHost(b, a), pair)
	}
	for address, want := range map[string]string{
		"https://kv.v.x/secrets/a": "/secrets/a", "https://KV.v.x:443/secrets/a": "/secrets/a", "https://kv.v.x/secrets/%61": "/secrets/a",
		"https://kv.v.x:444/a": "", "http://kv.v.x/a": "", "https://u@kv.v.x/a": "", "https://kv.v.x/a%2fb": "", "https://kv.v.x/a?b": "", "https://kv.v.x/a?": "", "https://kv.v.x/a#b": "", "https://other/a": "",
	} {
		path, ok := PathAt(address, "kv.v.x")
		require.Equal(t, want, path, address)
		require.Equal(t, want != "", ok, address)
	}
}

// FuzzNormalID: normal forms stay, and are the path of an address that leads to them.
func FuzzNormalID(f *testing.F) {
	for _, id := range []string{"/a/b", "a%20b/", "%2f%25", "/\xff/ü", " / /", "/a%2", "/?#"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		normal := NormalID(id)
		require.Equal(t, normal, NormalID(normal), "%q", id)
		require.True(t, utf8.ValidString(normal))
		if normal == "" {
			return
		}
		require.True(t, strings.HasPrefix(normal, "/"))
		require.NotContains(t, normal, "//")
		require.True(t, strings.HasPrefix(normal, "/") && !strings.HasSuffix(normal, "/"))
		u, err := url.Parse("https://h" + escapedPath(id))
		require.NoError(t, err)
		require.Equal(t, normal, NormalID(u.EscapedPath()))
	})
}
