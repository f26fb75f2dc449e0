package ca

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// nobody is an account that owns nothing here.
const nobody = 65534

// TestCollectNamesWhatCannotBeRead reads as an account that lacks a permission.
func TestCollectNamesWhatCannotBeRead(t *testing.T) {
	for name, row := range map[string]struct {
		deny string
		mode os.FileMode
	}{
		"issued certificate": {"newcerts/1000.pem", 0o600}, "closed folder": {"newcerts", 0o700}, "folder that may not be entered": {"newcerts", 0o744},
		"index": {"index.txt", 0}, "serial": {"serial", 0}, "CRL number": {"crlnumber", 0}, "CA certificate": {"cacert.pem", 0}, "configuration": {"openssl.cnf", 0},
	} {
		t.Run(name, func(t *testing.T) {
			lab := openLabCA(t)
			lab.deny(row.deny, row.mode)
			err := collectError(t, lab.dir, &recorder{})
			require.ErrorIs(t, err, fault.SourceAccessDenied)
			require.Contains(t, err.Error(), row.deny)
			if row.deny != "newcerts/1000.pem" && row.mode != 0o744 {
				check := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Check(t.Context())
				require.ErrorIs(t, check, fault.SourceAccessDenied)
			}
		})
	}
}

// openLabCA makes a CA that everybody may read.
func openLabCA(t *testing.T) *labCA {
	t.Helper()
	lab := newLabCA(t, ecKey)
	lab.issue("www.example.com")
	// Above all, the folders that the test itself made must be open.
	require.NoError(t, os.Chmod(filepath.Dir(lab.dir), 0o755))
	require.NoError(t, filepath.WalkDir(lab.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(name, 0o755)
		}
		return os.Chmod(name, 0o644)
	}))
	return lab
}

// deny takes a permission away and the rights of root over files from this test.
func (c *labCA) deny(name string, mode os.FileMode) {
	c.t.Helper()
	require.NoError(c.t, os.Chmod(c.path(name), mode))
	if os.Geteuid() == 0 {
		become(c.t, nobody)
		return
	}
	require.NoError(c.t, os.Chmod(c.path(name), 0))
	c.t.Cleanup(func() { _ = os.Chmod(c.path(name), 0o700) })
}

// TestWhatIsNotTheCAsMayBeUnreadable: it is named, and everything else is captured. So
// is a key that is kept from the account on purpose.
func TestWhatIsNotTheCAsMayBeUnreadable(t *testing.T) {
	for name, row := range map[string]struct {
		make func(lab *labCA)
		deny string
		mode os.FileMode
		code string
	}{
		"lost+found":                        {func(lab *labCA) { lab.mkdir("lost+found") }, "lost+found", 0o700, NotReadable},
		"a file":                            {func(lab *labCA) { lab.write("notes.txt", "x") }, "notes.txt", 0o600, NotReadable},
		"a large file":                      {func(lab *labCA) { lab.write("image", strings.Repeat("x", 2<<20)) }, "image", 0o600, NotReadable},
		"a folder in a folder":              {func(lab *labCA) { lab.write("a/b/c", "x") }, "a/b", 0o700, NotReadable},
		"a folder that may not be entered":  {func(lab *labCA) { lab.write("a/c", "x") }, "a", 0o744, NotReadable},
		"a folder that may not be listed":   {func(lab *labCA) { lab.write("a/c", "x") }, "a", 0o711, NotReadable},
		"another CA's folder":               {func(lab *labCA) { lab.write("sub/index.txt", ""); lab.write("sub/serial", "01\n") }, "sub", 0o700, NotReadable},
		"another CA's database":             {func(lab *labCA) { lab.write("sub/index.txt", "") }, "sub/index.txt", 0o600, NotReadable},
		"easy-rsa's folder beside this one": {func(lab *labCA) { lab.mkdir("pki") }, "pki", 0o700, NotReadable},
		"a key of somebody else":            {func(lab *labCA) { lab.write("requests/www.key", "x") }, "requests/www.key", 0o600, KeyNotContained},
		"the CA's key":                      {func(*labCA) {}, "private/cakey.pem", 0o600, KeyNotContained},
		"the folder of the CA's key":        {func(*labCA) {}, "private", 0o700, KeyNotContained},
		"that folder, to be entered only":   {func(*labCA) {}, "private", 0o711, KeyNotContained},
		"that folder, to be listed only":    {func(*labCA) {}, "private", 0o744, KeyNotContained},
		"what a link leads to":              {func(lab *labCA) { lab.write("x/y", "x"); require.NoError(lab.t, os.Symlink("x/y", lab.path("link"))) }, "x", 0o700, NotReadable},
	} {
		t.Run(name, func(t *testing.T) {
			lab := openLabCA(t)
			row.make(lab)
			require.NoError(t, filepath.WalkDir(lab.dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.Type()&fs.ModeSymlink != 0 {
					return err
				}
				return os.Chmod(name, 0o755)
			}))
			lab.deny(row.deny, row.mode)
			sink := &recorder{}
			c := newTestCollector(t, Config{Dir: lab.dir}, time.Now())
			require.NoError(t, c.Check(t.Context()))
			_, err := c.Collect(t.Context(), sink)
			require.NoError(t, err)
			named := false
			for _, gap := range sink.gaps {
				if gap.Code != FileNotRecognised && gap.Code != DatabaseNotChecked {
					require.Equal(t, row.code, gap.Code, "%v", sink.gaps)
					named = named || strings.HasPrefix(gap.Object, row.deny)
				}
			}
			require.True(t, named, "%v", sink.gaps)
			stored := map[string]bool{}
			for _, c := range sink.calls {
				stored[c.Info.Path] = true
			}
			require.True(t, stored["ca/index.txt"] && stored["ca/newcerts/1000.pem"] && stored["ca/cacert.pem"])
		})
	}
}

// TestNoCAThatMayBeRead: a CA that may not be looked into is not one that is missing.
func TestNoCAThatMayBeRead(t *testing.T) {
	lab := openLabCA(t)
	outer := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(outer), 0o755))
	require.NoError(t, os.Chmod(outer, 0o755))
	require.NoError(t, os.Rename(lab.dir, filepath.Join(outer, "demoCA")))
	lab.dir = outer
	lab.deny("demoCA", 0o700)
	require.ErrorIs(t, collectError(t, outer, &recorder{}), fault.SourceAccessDenied)
}

func (c *labCA) mkdir(name string) {
	c.t.Helper()
	require.NoError(c.t, os.MkdirAll(c.path(name), 0o755))
}

// become makes this thread use files as another account, which also takes root's
// rights over files from it. The thread stays locked to the test's goroutine and
// ends with it.
func become(t *testing.T, uid int) {
	t.Helper()
	runtime.LockOSThread()
	require.NoError(t, syscall.Setfsgid(uid))
	require.NoError(t, syscall.Setfsuid(uid))
	t.Cleanup(func() {
		require.NoError(t, syscall.Setfsuid(0))
		require.NoError(t, syscall.Setfsgid(0))
	})
}
