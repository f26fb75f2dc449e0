package ca

import (
	"encoding/json"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// codesOf are the codes of gaps but those that are left out.
func codesOf(gaps []backup.Gap, but ...string) []string {
	var out []string
	for _, g := range gaps {
		if !containsString(but, g.Code) {
			out = append(out, g.Code)
		}
	}
	return out
}

// sparse makes a file that has a size and takes no room.
func (c *labCA) sparse(name string, size int64) {
	c.t.Helper()
	c.write(name, "")
	require.NoError(c.t, os.Truncate(c.path(name), size))
}

// TestSizesAreLookedAtBeforeAnythingIsRead uses sparse files that would be read for
// hours.
func TestSizesAreLookedAtBeforeAnythingIsRead(t *testing.T) {
	const tib = 1 << 40
	sound := newLabCA(t, ecKey)
	sound.issue("www.example.com")
	for name, row := range map[string]struct {
		make func(lab *labCA)
		want error    // nil for success
		gaps []string // then
	}{
		"a foreign file": {func(lab *labCA) { lab.sparse("disk.img", tib) }, nil, []string{TooLarge}},
		"8 EiB":          {func(lab *labCA) { lab.sparse("disk.img", 1<<43) }, nil, []string{TooLarge}},
		"in a folder":    {func(lab *labCA) { lab.sparse("a/b/disk.img", tib) }, nil, []string{TooLarge}},
		"many that fit one by one": {func(lab *labCA) {
			for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
				lab.sparse(n, 2_400_000_000)
			}
		}, nil, []string{TooLarge, TooLarge}},
		"in the folder of another CA": {func(lab *labCA) { lab.write("sub/index.txt", ""); lab.sparse("sub/disk.img", tib) }, nil, []string{DatabaseNotChecked, TooLarge}},
		"the index":                   {func(lab *labCA) { lab.sparse("index.txt", tib) }, fault.LimitExceeded, nil},
		"the serial file":             {func(lab *labCA) { lab.sparse("serial", tib) }, fault.LimitExceeded, nil},
		"the CRL number":              {func(lab *labCA) { lab.sparse("crlnumber", tib) }, fault.LimitExceeded, nil},
		"an issued certificate":       {func(lab *labCA) { lab.sparse("newcerts/1001.pem", tib) }, fault.LimitExceeded, nil},
		"an old index":                {func(lab *labCA) { lab.sparse("index.txt.old", tib) }, fault.LimitExceeded, nil},
		"a CRL": {func(lab *labCA) {
			lab.write("crl.crl", "\x30\x84")
			require.NoError(lab.t, os.Truncate(lab.path("crl.crl"), tib))
		}, fault.LimitExceeded, nil},
		"a configuration": {func(lab *labCA) { lab.sparse("other.cnf", tib) }, nil, []string{TooLarge}},
		"a key":           {func(lab *labCA) { lab.sparse("private/other.key", tib) }, nil, []string{TooLarge}},
	} {
		t.Run(name, func(t *testing.T) {
			lab := sound.copyTo(t)
			row.make(lab)
			sink := &countingSink{}
			c := newTestCollector(t, Config{Dir: lab.dir}, time.Now())
			began := time.Now()
			_, err := c.Collect(t.Context(), sink)
			require.Less(t, time.Since(began), 60*time.Second)
			if row.want != nil {
				require.ErrorIs(t, err, row.want)
				require.Zero(t, sink.files, "nothing was handed out")
				require.ErrorIs(t, c.Check(t.Context()), row.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.gaps, codesOf(sink.gaps, FileNotRecognised))
		})
	}
}

// TestThingsThatAreNoFiles are never opened, wherever they lie.
func TestThingsThatAreNoFiles(t *testing.T) {
	sound := newLabCA(t, ecKey)
	for name, create := range map[string]func(lab *labCA){
		"FIFO": func(lab *labCA) { require.NoError(t, syscall.Mkfifo(lab.path("fifo"), 0o600)) },
		"FIFO in place of the index": func(lab *labCA) {
			lab.remove("index.txt")
			require.NoError(t, syscall.Mkfifo(lab.path("index.txt"), 0o600))
		},
		"FIFO in place of the serial": func(lab *labCA) {
			lab.remove("serial")
			require.NoError(t, syscall.Mkfifo(lab.path("serial"), 0o600))
		},
		"FIFO in place of the configuration": func(lab *labCA) {
			lab.remove("openssl.cnf")
			require.NoError(t, syscall.Mkfifo(lab.path("openssl.cnf"), 0o600))
		},
		"a link to itself":   func(lab *labCA) { require.NoError(t, os.Symlink("self", lab.path("self"))) },
		"a link to the root": func(lab *labCA) { require.NoError(t, os.Symlink("/", lab.path("root"))) },
		"a link upwards":     func(lab *labCA) { require.NoError(t, os.Symlink("..", lab.path("up"))) },
		"a link to a device": func(lab *labCA) { require.NoError(t, os.Symlink("/dev/zero", lab.path("zero"))) },
		"index is /dev/zero": func(lab *labCA) {
			lab.remove("index.txt")
			require.NoError(t, os.Symlink("/dev/zero", lab.path("index.txt")))
		},
		"folders in a circle": func(lab *labCA) { lab.write("a/b/x", ""); require.NoError(t, os.Symlink("../..", lab.path("a/b/c"))) },
	} {
		t.Run(name, func(t *testing.T) {
			lab := sound.copyTo(t)
			create(lab)
			_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(t.Context(), &recorder{})
			require.NoError(t, err)
		})
	}
}

// countingSink counts files and does not read the large ones.
type countingSink struct {
	recorder
	files int
}

// File implements [collect.Sink].
func (c *countingSink) File(_ backup.Item, info collect.FileInfo, r io.Reader) error {
	c.files++
	if info.Size > 1<<20 {
		return nil
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// TestNamesOfAnyBytesAreCaptured: each byte that a name can have, names as long as they
// can be, and paths longer than a part can hold; and the name can be had back.
func TestNamesOfAnyBytesAreCaptured(t *testing.T) {
	lab := newLabCA(t, ecKey)
	names := map[string]bool{}
	put := func(name string) {
		if err := os.WriteFile(lab.path(name), []byte("x"), 0o600); err != nil {
			return // no name for this file system
		}
		names[name] = true
	}
	for c := 1; c < 256; c++ {
		if c != '/' {
			put(strings.Repeat(string([]byte{byte(c)}), 90) + ".csr")
			put(strings.Repeat(string([]byte{byte(c)}), 255))
			put(strings.Repeat(string([]byte{byte(c)}), 254) + "x")
		}
	}
	for _, piece := range []string{"é", "語", "😀", "\xe4\xc4", "%E4", "~0"} {
		put(strings.Repeat(piece, 255/len(piece)))
	}
	deep := ""
	for i := range 30 {
		deep += strings.Repeat(string([]byte{0xe4, byte('a' + i%26)}), 60) + "/"
	}
	require.NoError(t, os.MkdirAll(lab.path(deep), 0o700))
	put(deep + "file")
	require.True(t, names[deep+"file"])
	sink := &recorder{}
	_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(t.Context(), sink)
	require.NoError(t, err)
	back := map[string]string{}
	for _, c := range sink.calls {
		if c.Item.Kind == kindRenamed {
			var r renamedDocument
			require.NoError(t, json.Unmarshal([]byte(c.Document), &r))
			back[r.Path] = string(r.NameBytes)
		}
	}
	for _, c := range sink.calls {
		stored := c.Info.Path
		if stored == "" {
			continue
		}
		require.LessOrEqual(t, len(stored), 4095)
		for element := range strings.SplitSeq(stored, "/") {
			require.LessOrEqual(t, len(element), 255)
		}
		name, plain := strings.CutPrefix(stored, "ca/")
		if !plain {
			if name = back[stored]; name == "" {
				name, err = url.PathUnescape(strings.TrimPrefix(stored, "ca-renamed/"))
				require.NoError(t, err)
			}
		}
		delete(names, name)
	}
	require.Empty(t, names, "not captured, or the name is lost")
}
