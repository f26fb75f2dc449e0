package ca

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
)

// FuzzConfiguredPaths: whatever a configuration names is inside the folder or not used.
func FuzzConfiguredPaths(f *testing.F) {
	f.Add([]byte(labConfig))
	f.Add([]byte("[ca]\ndefault_ca=x\n[x]\ndir=$ENV::A::b${c::d}$\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := openssl.ParseConfig(data)
		if err == nil {
			l := layout{home: ".", settings: settings, config: "openssl.cnf"}
			for _, value := range []string{settings.Database, settings.Serial, settings.Certificate} {
				if name, ok := l.resolve(&folder{dir: "/ca"}, value); ok {
					require.True(t, filepath.IsLocal(name), name)
				}
			}
			_ = pki.PublicKeyURI(settings.PrivateKey)
		}
	})
}

// FuzzStoredPath: a file of any name gets a path that a part can hold.
func FuzzStoredPath(f *testing.F) {
	f.Add("newcerts/1000.pem")
	f.Add("odd\xff\n/a")
	f.Fuzz(func(t *testing.T, name string) {
		stored, renamed := storedPath(name)
		require.Equal(t, renamed, !strings.HasPrefix(stored, "ca/"))
		for element := range strings.SplitSeq(stored, "/") {
			require.LessOrEqual(t, len(element), 255)
		}
	})
}
