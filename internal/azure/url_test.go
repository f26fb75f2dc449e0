package azure

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

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
