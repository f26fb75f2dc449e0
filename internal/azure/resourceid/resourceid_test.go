package resourceid

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNormal(t *testing.T) {
	for id, want := range map[string]string{
		"/subscriptions/A/x": "/subscriptions/A/x", "subscriptions/A/x/": "/subscriptions/A/x", "//a///b//": "/a/b", " /a/b\n": "/a/b", "": "", "/": "", "  ": "",
		"/a/b c": "/a/b c", "/a/b%20c": "/a/b c", "/a/%41%62": "/a/Ab", "/a/b%2Fc": "/a/b%2Fc", "/a/b%2fc": "/a/b%2Fc", "/a/100%": "/a/100%25", "/a/100%25": "/a/100%25",
		"/a/%2520": "/a/%2520", "/a/%zz": "/a/%25zz", "/a/%c3%bc": "/a/ü", "/a/ü": "/a/ü", "/a/%ff": "/a/%FF", "/a/\xff": "/a/%FF", "/a/%00": "/a/%00", "/a/%0a": "/a/%0A",
		"/a/b%20": "/a/b", "/a/%20/b": "/a/b", "/a/b?c#d": "/a/b?c#d", "/a/%3F": "/a/?", "/a/@:+(b)": "/a/@:+(b)", "%2Fa": "/%2Fa",
	} {
		require.Equal(t, want, Normal(id), "%q", id)
	}
	for _, same := range [][2]string{{"/a/B%20c", "a/b C/"}, {"/A", "/a"}} {
		require.True(t, Same(same[0], same[1]))
	}
	for _, other := range [][2]string{{"/a/b", "/a/c"}, {"/a/b%2Fc", "/a/b/c"}, {"/a/b", "/a/b/c"}, {"", "/a"}} {
		require.False(t, Same(other[0], other[1]))
	}
}

// FuzzNormal: normal forms stay, and are the path of an address that leads to them.
func FuzzNormal(f *testing.F) {
	for _, id := range []string{"/a/b", "a%20b/", "%2f%25", "/\xff/ü", " / /", "/a%2", "/?#"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		normal := Normal(id)
		require.Equal(t, normal, Normal(normal), "%q", id)
		require.True(t, utf8.ValidString(normal))
		if normal == "" {
			return
		}
		require.True(t, strings.HasPrefix(normal, "/"))
		require.NotContains(t, normal, "//")
		require.True(t, strings.HasPrefix(normal, "/") && !strings.HasSuffix(normal, "/"))
		u, err := url.Parse("https://h" + Escape(id))
		require.NoError(t, err)
		require.Equal(t, normal, Normal(u.EscapedPath()))
	})
}
