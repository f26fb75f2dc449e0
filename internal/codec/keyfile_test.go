package codec

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/fault"
)

func keyFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "codec.keys")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func textOf(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func load(t testing.TB, path string) *Keyring {
	t.Helper()
	ring, err := LoadKeyring(path)
	require.NoError(t, err)
	return ring
}

// alone makes sure that nothing but the file is left in its folder.
func alone(t testing.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestKeyFileChanges(t *testing.T) {
	a, b := keyLine(t, "a"), keyLine(t, "b")
	path := keyFile(t, "# of the instance\r\n\n"+a+"  # older\n"+strings.TrimSuffix(b, "\n"))
	require.NoError(t, AddKey(path, "c", bytes.NewReader(make([]byte, keyBytes))))
	c := "c AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	require.Equal(t, "# of the instance\r\n\n"+a+"  # older\n"+b+c, textOf(t, path))
	require.Equal(t, []string{"a", "b", "c"}, load(t, path).IDs())
	require.Equal(t, "a", load(t, path).Active(), "a new key does not encrypt")
	alone(t, path)

	require.NoError(t, ActivateKey(path, "c"))
	require.Equal(t, "# of the instance\r\n\n"+c+a+"  # older\n"+b, textOf(t, path))
	require.Equal(t, "c", load(t, path).Active())
	require.NoError(t, ActivateKey(path, "c"), "a second time changes nothing")
	require.Equal(t, "# of the instance\r\n\n"+c+a+"  # older\n"+b, textOf(t, path))
	alone(t, path)

	require.NoError(t, RemoveKey(path, "a"))
	require.Equal(t, "# of the instance\r\n\n"+c+"  # older\n"+b, textOf(t, path))
	require.Equal(t, []string{"c", "b"}, load(t, path).IDs())
	alone(t, path)
}

func TestIDsAreACopy(t *testing.T) {
	ring := ringOf(t, keyLine(t, "a"))
	ring.IDs()[0] = "x"
	require.Equal(t, []string{"a"}, ring.IDs())
}

func TestKeyFileRefusals(t *testing.T) {
	two := keyLine(t, "a") + keyLine(t, "b")
	full := &strings.Builder{}
	for i := range maxKeys {
		full.WriteString(keyLine(t, fmt.Sprintf("k%d", i)))
	}
	for name, test := range map[string]struct {
		text   string
		change func(path string) error
		code   fault.Code
	}{
		"add one that is there":  {two, func(p string) error { return AddKey(p, "b", rand.Reader) }, fault.AlreadyExists},
		"add a malformed id":     {two, func(p string) error { return AddKey(p, "B C", rand.Reader) }, fault.Usage},
		"add without randomness": {two, func(p string) error { return AddKey(p, "c", strings.NewReader("x")) }, fault.Internal},
		"add one too many":       {full.String(), func(p string) error { return AddKey(p, "c", rand.Reader) }, fault.ConfigInvalid},
		"add to nonsense":        {"nonsense", func(p string) error { return AddKey(p, "c", rand.Reader) }, fault.ConfigInvalid},
		"activate a stranger":    {two, func(p string) error { return ActivateKey(p, "c") }, fault.Usage},
		"activate a comment":     {"# x\n" + two, func(p string) error { return ActivateKey(p, "#") }, fault.Usage},
		"remove a stranger":      {two, func(p string) error { return RemoveKey(p, "c") }, fault.Usage},
		"remove the active one":  {two, func(p string) error { return RemoveKey(p, "a") }, fault.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			path := keyFile(t, test.text)
			err := test.change(path)
			require.Equal(t, test.code, fault.CodeOf(err), err)
			for _, key := range strings.Fields(test.text)[1:] {
				if len(key) > keyBytes {
					require.NotContains(t, err.Error(), key)
				}
			}
			require.Equal(t, test.text, textOf(t, path))
			alone(t, path)
		})
	}
}

func TestKeyFilesOfOthersAreNotChanged(t *testing.T) {
	path := keyFile(t, keyLine(t, "a")+keyLine(t, "b"))
	changes := map[string]func(path string) error{
		"add":      func(p string) error { return AddKey(p, "c", rand.Reader) },
		"activate": func(p string) error { return ActivateKey(p, "b") },
		"remove":   func(p string) error { return RemoveKey(p, "b") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			before := textOf(t, path)
			require.NoError(t, os.Chmod(path, 0o640))
			require.ErrorIs(t, change(path), fault.ConfigInvalid)
			require.NoError(t, os.Chmod(path, 0o600))
			require.Equal(t, before, textOf(t, path))
			require.ErrorIs(t, change(filepath.Join(t.TempDir(), "none")), fault.ConfigInvalid)
		})
	}
}

func TestKeyFileBehindALink(t *testing.T) {
	path := keyFile(t, keyLine(t, "a"))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, AddKey(link, "b", rand.Reader))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	require.Equal(t, []string{"a", "b"}, load(t, path).IDs())
}

// rotation is three hosts through a rotation: each step is made on one file and copied
// to a host before the next. What any of them writes, at any time, all can read.
func TestRotationWithoutDowntime(t *testing.T) {
	path := keyFile(t, keyLine(t, "k1"))
	hosts := []*Codec{New(load(t, path)), New(load(t, path)), New(load(t, path))}
	var sealed []*commonpb.Payload
	write := func() {
		for i, host := range hosts {
			p, err := host.Encode([]*commonpb.Payload{payload(fmt.Sprintf("canary %d", i))})
			require.NoError(t, err)
			sealed = append(sealed, p...)
		}
		for _, p := range sealed {
			raw, err := proto.Marshal(p)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "canary", "neither data nor metadata")
		}
		for _, host := range hosts {
			plain, err := host.Decode(sealed)
			require.NoError(t, err)
			for i, p := range plain {
				require.Equal(t, fmt.Sprintf("canary %d", i%len(hosts)), string(p.Data))
			}
		}
	}
	write()
	outsider := hosts[0]
	for _, step := range []func() error{
		func() error { return AddKey(path, "k2", rand.Reader) },
		func() error { return ActivateKey(path, "k2") },
	} {
		require.NoError(t, step())
		for i := range hosts { // one after the other
			hosts[i] = New(load(t, path))
			write()
		}
	}
	last := sealed[len(sealed)-1:]
	require.Equal(t, "k2", string(last[0].Metadata[metadataKeyID]))

	_, err := outsider.Decode(last)
	require.ErrorIs(t, err, fault.CodecKey, "a host that was forgotten says so")
	require.ErrorContains(t, err, `"k2" is not in the key file`)

	require.NoError(t, RemoveKey(path, "k1"))
	_, err = New(load(t, path)).Decode(last)
	require.NoError(t, err)
	_, err = New(load(t, path)).Decode(sealed[:1])
	require.ErrorIs(t, err, fault.CodecKey, "the old key was removed too early for this one")
}

// FuzzEdit changes key files as people may have written them: every key stays what it
// is, and none is lost.
func FuzzEdit(f *testing.F) {
	f.Add([]byte("# c\n\n" + keyLine(f, "a") + "\t # d\r\n" + strings.TrimSuffix(keyLine(f, "b"), "\n")))
	f.Add([]byte("a \r\nb"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := ParseKeyring(data)
		if err != nil || len(before.ids) == maxKeys || before.keys["new"] != [keyBytes]byte{} {
			return
		}
		path := keyFile(t, string(data))
		if AddKey(path, "new", rand.Reader) != nil {
			return // it has become too long
		}
		require.NoError(t, ActivateKey(path, "new"))
		for _, id := range before.ids {
			require.NoError(t, ActivateKey(path, id))
		}
		require.NoError(t, RemoveKey(path, "new"))
		after := load(t, path)
		require.Equal(t, before.keys, after.keys)
	})
}
