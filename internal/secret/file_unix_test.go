//go:build unix

package secret

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const text = "the content"

// someoneElse is a user who is neither root nor runs tests.
const someoneElse = 54321

// places makes a folder with a file in it, which tests then change.
type place struct{ folder, file string }

func newPlace(t *testing.T) place {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	p := place{folder, filepath.Join(folder, "file")}
	require.NoError(t, os.WriteFile(p.file, []byte(text), 0o600))
	return p
}

// instead puts something else in the place of the file.
func (p place) instead(t *testing.T, put func(path string) error) {
	t.Helper()
	require.NoError(t, os.Remove(p.file))
	require.NoError(t, put(p.file))
}

func TestFileIsExaminedBeforeItIsRead(t *testing.T) {
	private := File{MaxBytes: 100, Private: true}
	believed := File{MaxBytes: 100}
	anyOwner := File{MaxBytes: 100, Private: true, AnyOwner: true}
	chmod := func(mode fs.FileMode) func(*testing.T, place) {
		return func(t *testing.T, p place) { require.NoError(t, os.Chmod(p.file, mode)) }
	}
	tests := map[string]struct {
		rules File
		edit  func(t *testing.T, p place)
		want  string // part of the refusal; empty when it is read
		root  bool   // only root can set it up
	}{
		"a private file":                            {private, chmod(0o600), "", false},
		"a private file, read-only":                 {private, chmod(0o400), "", false},
		"a secret that its group reads":             {private, chmod(0o640), "may be read by others (mode 0640); use chmod 600", false},
		"a secret that all read":                    {private, chmod(0o644), "may be read by others", false},
		"a secret that others may write":            {private, chmod(0o602), "may be read by others", false},
		"a configuration that all read":             {believed, chmod(0o644), "", false},
		"a configuration its group writes":          {believed, chmod(0o660), "may be written to by others (mode 0660)", false},
		"a configuration that all write":            {believed, chmod(0o646), "may be written to by others", false},
		"a folder that its group writes":            {private, func(t *testing.T, p place) { require.NoError(t, os.Chmod(p.folder, 0o770)) }, "others may write to the folder", false},
		"a folder that all write":                   {believed, func(t *testing.T, p place) { require.NoError(t, os.Chmod(p.folder, 0o777)) }, "others may write to the folder", false},
		"a folder further up that all write":        {private, func(t *testing.T, p place) { require.NoError(t, os.Chmod(filepath.Dir(p.folder), 0o777)) }, "others may write to the folder", false},
		"a folder further up that its group writes": {private, func(t *testing.T, p place) { require.NoError(t, os.Chmod(filepath.Dir(p.folder), 0o770)) }, "", false},
		"another user's folder further up":          {private, func(t *testing.T, p place) { require.NoError(t, os.Chown(filepath.Dir(p.folder), someoneElse, -1)) }, "", true},
		"a link in a folder that all write": {private, func(t *testing.T, p place) {
			open := filepath.Join(t.TempDir(), "open")
			require.NoError(t, os.Mkdir(open, 0o700))
			require.NoError(t, os.Rename(p.folder, filepath.Join(open, "real")))
			require.NoError(t, os.Symlink(filepath.Join(open, "real"), p.folder))
			require.NoError(t, os.Chmod(filepath.Dir(p.folder), 0o777))
		}, "others may write to the folder", false},
		"a folder with a sticky bit": {private, func(t *testing.T, p place) { require.NoError(t, os.Chmod(p.folder, 0o777|fs.ModeSticky)) }, "", false},
		"a folder": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error { return os.Mkdir(path, 0o700) })
		}, "is not a file", false},
		"a named pipe": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error { return syscall.Mkfifo(path, 0o600) })
		}, "is not a file", false},
		"a link to a named pipe": {private, func(t *testing.T, p place) {
			require.NoError(t, syscall.Mkfifo(p.file+".pipe", 0o600))
			p.instead(t, func(path string) error { return os.Symlink("file.pipe", path) })
		}, "is not a file", false},
		"a socket": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error {
				l, err := net.Listen("unix", path)
				if err == nil {
					t.Cleanup(func() { _ = l.Close() }) // the folder goes anyway
				}
				return err
			})
		}, "is not a file", false},
		"a device": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error { return os.Symlink("/dev/zero", path) })
		}, "is not a file", false},
		"nothing": {private, func(t *testing.T, p place) { require.NoError(t, os.Remove(p.file)) }, "no such file", false},
		"a link": {private, func(t *testing.T, p place) {
			require.NoError(t, os.Rename(p.file, p.file+".data"))
			require.NoError(t, os.Symlink("./../folder/file.data", p.file))
		}, "", false},
		"a link into a folder that all write": {private, func(t *testing.T, p place) {
			open := filepath.Join(t.TempDir(), "open")
			require.NoError(t, os.Mkdir(open, 0o700))
			require.NoError(t, os.Chmod(open, 0o777))
			require.NoError(t, os.Rename(p.file, filepath.Join(open, "data")))
			require.NoError(t, os.Symlink(filepath.Join(open, "data"), p.file))
		}, "others may write to the folder", false},
		"a link to itself": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error { return os.Symlink("file", path) })
		}, "too many levels", false},
		"a path through a file": {private, func(t *testing.T, p place) {
			p.instead(t, func(path string) error { return os.Symlink("/etc/passwd/x", path) })
		}, "not a directory", false},
		"too long": {private, func(t *testing.T, p place) {
			require.NoError(t, os.WriteFile(p.file, []byte(strings.Repeat("x", 101)), 0o600))
		}, "is larger than 100 bytes", false},
		"a huge hole": {private, func(t *testing.T, p place) { require.NoError(t, os.Truncate(p.file, 1<<40)) }, "is larger than 100 bytes", false},

		"another user's file": {private, func(t *testing.T, p place) { require.NoError(t, os.Chown(p.file, someoneElse, -1)) },
			"belongs to user 54321, and neither to root, who runs this", true},
		"another user's configuration": {believed, func(t *testing.T, p place) { require.NoError(t, os.Chown(p.file, someoneElse, -1)) }, "belongs to user 54321", true},
		"another user's folder": {believed, func(t *testing.T, p place) { require.NoError(t, os.Chown(p.folder, someoneElse, -1)) },
			"the folder", true},
		"another user's folder with a sticky bit": {believed, func(t *testing.T, p place) {
			require.NoError(t, os.Chown(p.folder, someoneElse, -1))
			require.NoError(t, os.Chmod(p.folder, 0o777|fs.ModeSticky))
		}, "the folder", true},
		"another user's link": {believed, func(t *testing.T, p place) {
			require.NoError(t, os.Rename(p.file, p.file+".data"))
			require.NoError(t, os.Symlink("file.data", p.file))
			require.NoError(t, os.Lchown(p.file, someoneElse, -1))
		}, "the link", true},
		"another user's file, which root keeps for him": {anyOwner, func(t *testing.T, p place) { require.NoError(t, os.Chown(p.file, someoneElse, -1)) }, "", true},
		"a third user's folder": {anyOwner, func(t *testing.T, p place) {
			require.NoError(t, os.Chown(p.file, someoneElse, -1))
			require.NoError(t, os.Chown(p.folder, someoneElse+1, -1))
		}, "the folder", true},
	}
	for name, test := range tests {
		if test.root && os.Geteuid() != 0 {
			continue // nobody else can give files away
		}
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			test.edit(t, p)
			data, err := test.rules.Read(t.Context(), p.file)
			examined := test.rules.Examine(p.file)
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, examined)
				require.Equal(t, text, string(data))
				return
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, examined, test.want)
			require.NotContains(t, err.Error(), text)
		})
	}
}

func TestPathsAreFollowedAsTheSystemDoes(t *testing.T) {
	p := newPlace(t)
	other := filepath.Join(filepath.Dir(p.folder), "other")
	require.NoError(t, os.Mkdir(filepath.Join(p.folder, "sub"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(p.folder, "sub"), other))
	t.Chdir(p.folder)
	rules := File{MaxBytes: 100}
	for _, path := range []string{"file", "./file", "../folder/file", p.folder + "//file", "sub/../file", other + "/../file"} {
		data, err := rules.Read(t.Context(), path)
		require.NoError(t, err, path)
		require.Equal(t, text, string(data))
	}
	for _, path := range []string{"", "gone", "file/x", other + "/../../file"} {
		_, err := rules.Read(t.Context(), path)
		require.Error(t, err, path)
	}
}

// A pipe that the caller has opened is read, and not waited for once nobody cares.
func TestDescriptorsOfTheCaller(t *testing.T) {
	rules := File{MaxBytes: 100, Private: true, Descriptor: true}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	path := "/dev/fd/" + strconv.Itoa(int(r.Fd()))

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = rules.Read(ctx, path)
	require.ErrorIs(t, err, context.Canceled, "the writer writes nothing")

	_, err = w.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	data, err := File{MaxBytes: 100}.Read(t.Context(), path)
	require.ErrorContains(t, err, "is an open descriptor")
	require.Empty(t, data)

	p := newPlace(t)
	for mode, want := range map[fs.FileMode]string{0o600: "", 0o644: "may be read by others"} {
		require.NoError(t, os.Chmod(p.file, mode))
		file, err := os.Open(p.file)
		require.NoError(t, err)
		data, err := rules.Read(t.Context(), "/proc/self/fd/"+strconv.Itoa(int(file.Fd())))
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, text, string(data))
		} else {
			require.ErrorContains(t, err, want)
		}
		require.NoError(t, file.Close())
	}
}
