package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/hirochachacha/go-smb2"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb/guard"
)

func TestStatuses(t *testing.T) {
	for status, code := range statuses {
		f := statusFault("doing", status)
		require.Equal(t, code, f.Code, "%#x", status)
		require.True(t, code.Known(), "%#x", status)
		require.Contains(t, f.Error(), fmt.Sprintf("%#08x", status))
		require.Equal(t, code == fault.SharePathNotFound, errors.Is(f, fs.ErrNotExist), "%#x", status)
		require.Equal(t, code == fault.ShareExists, errors.Is(f, fs.ErrExist), "%#x", status)
		require.GreaterOrEqual(t, status, uint32(0xC0000000), "an error")
	}
	gone := 0
	for status, code := range statuses {
		if guard.SessionGone(status) {
			gone++
			require.Equal(t, fault.ShareUnreachable, code, "%#x", status)
		}
	}
	require.Equal(t, 3, gone, "the guard and the codes know the same")
	for code := range loginRefused {
		require.False(t, code.Retryable(), code)
	}
}

func TestClassify(t *testing.T) {
	path := func(err error) error { return &os.PathError{Op: "write", Path: "x", Err: err} }
	for _, c := range []struct {
		err    error
		code   fault.Code
		broken bool // the connection must not be used again
	}{
		{path(&smb2.ResponseError{Code: 0xC000007F}), fault.ShareFull, false},
		{path(&smb2.ResponseError{Code: 0xC0000044}), fault.ShareFull, false},
		{path(&smb2.ResponseError{Code: 0xC0000904}), fault.ShareFileTooLarge, false},
		{path(&smb2.ResponseError{Code: 0xC00000A2}), fault.ShareReadOnly, false},
		{path(&smb2.ResponseError{Code: 0xC0000043}), fault.ShareBusy, false},
		{path(&smb2.ResponseError{Code: 0xC0000203}), fault.ShareUnreachable, true},
		{path(&smb2.ResponseError{Code: 0xC0000185}), fault.ShareIO, false},
		{path(&smb2.ResponseError{Code: 0xC0000257}), fault.ShareUnsupported, false},
		{&smb2.ResponseError{Code: 0xC00000CC}, fault.ShareNotFound, false},
		{path(os.ErrNotExist), fault.SharePathNotFound, false},
		{&os.LinkError{Op: "rename", Err: os.ErrExist}, fault.ShareExists, false},
		{path(os.ErrPermission), fault.ShareAccessDenied, false},
		{&smb2.TransportError{Err: io.EOF}, fault.ShareUnreachable, true},
		{path(&smb2.TransportError{Err: io.EOF}), fault.ShareUnreachable, true},
		{path(&smb2.ContextError{Err: context.Canceled}), fault.ShareUnreachable, true},
		{path(&smb2.InvalidResponseError{Message: "signing required"}), fault.ShareProtocol, true},
		{&smb2.InternalError{Message: "x"}, fault.ShareIO, true},
		{errors.New("x"), fault.ShareIO, true},
	} {
		f := classify("doing", c.err)
		require.Equal(t, c.code, f.Code, "%v", c.err)
		require.Equal(t, c.broken, isConnectionBroken(c.err), "%v", c.err)
	}
}

func TestSplitUser(t *testing.T) {
	for username, want := range map[string][2]string{
		`CORP\backup`: {"backup", "CORP"}, "backup@corp.example.com": {"backup", "corp.example.com"}, "backup": {"backup", ""},
		`.\backup`: {"backup", ""}, `CORP\a@b`: {"a@b", "CORP"}, "a@b@corp": {"a@b", "corp"}, "": {"", ""}, `CORP\`: {"", "CORP"},
	} {
		user, domain := splitUser(username)
		require.Equal(t, want, [2]string{user, domain}, username)
	}
}
