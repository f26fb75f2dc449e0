package smb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/share/smb"
)

// refused opens the share and returns the fault.
func refused(t *testing.T, config smb.Config, code fault.Code) error {
	store, err := smb.Open(t.Context(), config)
	require.ErrorIs(t, err, code)
	require.Nil(t, store)
	require.NotContains(t, err.Error(), password)
	return err
}

// Servers that must not be used are refused before they see a credential.
func TestRefusedBeforeLogin(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		code  fault.Code
		text  string
	}{
		{"SMB 2 only", []string{"server min protocol = SMB2_02", "server max protocol = SMB2_10", "smb encrypt = off"}, fault.ShareDialect, "SMB 2.1"},
		{"no encryption", []string{"smb encrypt = off"}, fault.ShareNotEncrypted, "AES-128-GCM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startSamba(t, "", c.lines...)
			require.ErrorContains(t, refused(t, server.config(), c.code), c.text)
			require.Zero(t, server.Logins())
		})
	}
}

// A server that could encrypt but does not ask for it gets no file data.
func TestRefusedPlainText(t *testing.T) {
	server := startSamba(t, "", "smb encrypt = if_required")
	require.ErrorContains(t, refused(t, server.config(), fault.ShareNotEncrypted), "plain text")
	require.Equal(t, 1, server.Logins())
}

// A login that ends up as guest is none, also when it is only signed.
func TestRefusedGuest(t *testing.T) {
	for _, transport := range []smb.Transport{smb.Encrypted, smb.Signed} {
		server := startSamba(t, "", "map to guest = Bad User", "smb encrypt = if_required", "[share]", "guest ok = yes")
		config := server.config()
		config.Username, config.Transport = `FS\nobody-there`, transport
		refused(t, config, fault.ShareGuest)
		server.Kill()
	}
}

func TestRefusedLogin(t *testing.T) {
	server := startSamba(t, "")
	config := server.config()
	config.Password = secret.New("wrong")
	refused(t, config, fault.ShareAuthFailed)
	require.Equal(t, 1, server.Logins(), "a wrong password is tried once")

	config = server.config()
	config.Username = "nobody-there@lab.example"
	refused(t, config, fault.ShareAuthFailed)
	require.Equal(t, 2, server.Logins())

	for _, username := range []string{account, `.\` + account, account + "@FS"} {
		config = server.config()
		config.Username = username
		openStore(t, config)
	}

	server.smbpasswd("-d", account)
	refused(t, server.config(), fault.ShareAccountInvalid)
}

// A password that is changed under a running backup is tried once more, with the
// next connection, and never again.
func TestLoginIsNotRepeated(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	require.Equal(t, 1, server.Logins())
	server.smbpasswd("-s", account, "another one\nanother one\n")
	for range 3 {
		err := store.Upload(t.Context(), "file", pattern{}, 0, 2<<20, nil)
		require.ErrorIs(t, err, fault.ShareAuthFailed)
	}
	require.Equal(t, 2, server.Logins())
}

// Calls that need new connections at the same time try a changed password once between
// them, so that the account is not locked.
func TestLoginIsNotRepeatedAtOnce(t *testing.T) {
	for name, restart := range map[string]bool{"first more connections": false, "all connections lost": true} {
		t.Run(name, func(t *testing.T) {
			server := startSamba(t, "")
			store := server.open()
			server.smbpasswd("-s", account, "another one\nanother one\n")
			if restart {
				server.Kill()
				server.Start()
			}
			before := server.Logins()
			var all sync.WaitGroup
			for range 32 {
				all.Go(func() {
					if _, err := store.Stat(t.Context(), ""); err != nil && !errors.Is(err, fault.ShareAuthFailed) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.LessOrEqual(t, server.Logins()-before, 1)
		})
	}
}

func (s *samba) smbpasswd(option, user string, input ...string) {
	command := exec.Command("smbpasswd", "-c", s.conf(), option, user)
	command.Stdin = strings.NewReader(strings.Join(input, ""))
	out, err := command.CombinedOutput()
	require.NoError(s.t, err, string(out))
}

func TestRefusedShare(t *testing.T) {
	server := startSamba(t, "", "[share]", "read only = yes")
	config := server.config()
	config.UNC.Share = "others"
	refused(t, config, fault.ShareNotFound)

	config = server.config()
	config.UNC.Path = `no\such`
	refused(t, config, fault.SharePathNotFound)

	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "file"), []byte("x"), 0o600))
	config.UNC.Path = "file"
	refused(t, config, fault.SharePathNotFound)

	store := server.open()
	ctx := t.Context()
	require.ErrorIs(t, store.Upload(ctx, "file", bytes.NewReader(nil), 0, 0, nil), fault.ShareAccessDenied)
	require.ErrorIs(t, store.MkdirAll(ctx, "folder"), fault.ShareAccessDenied)
	var got bytes.Buffer
	_, err := store.Download(ctx, "file", 0, &got)
	require.NoError(t, err)
	require.Equal(t, "x", got.String())
}

// TestRefusedFile: a file that the account may not read is told from a folder that it may
// not list.
func TestRefusedFile(t *testing.T) {
	server := startSamba(t, "", "[share]", "force user = nobody")
	require.NoError(t, os.Chmod(filepath.Dir(server.Folder), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(server.Folder, "folder"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "folder/file"), []byte("x"), 0o600))
	store, ctx := server.open(), t.Context()
	_, err := store.Download(ctx, "folder/file", 0, io.Discard)
	require.ErrorIs(t, err, fault.ShareAccessDenied)
	_, err = store.Open(ctx, "folder/file")
	require.ErrorIs(t, err, fault.ShareAccessDenied)
	info, err := store.Stat(ctx, "folder/file")
	require.NoError(t, err)
	require.EqualValues(t, 1, info.Size)
	list, err := store.List(ctx, "folder")
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestRefusedAddress(t *testing.T) {
	config := (&samba{}).config()
	config.UNC.Host = "no-such-host.invalid"
	refused(t, config, fault.ShareNameUnresolved)

	config.UNC.Host = "127.0.0.39" // nothing listens there
	refused(t, config, fault.ShareUnreachable)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err := smb.Open(ended, config)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRefusedConfig(t *testing.T) {
	for code, change := range map[fault.Code]func(*smb.Config){
		fault.ShareUnsupported: func(c *smb.Config) { c.UNC.Host = "account.file.core.windows.net" },
		fault.ShareInvalid:     func(c *smb.Config) { c.UNC.Path = `..\x` },
		fault.ShareAuthFailed:  func(c *smb.Config) { c.Username = `LAB\` },
		fault.ConfigInvalid:    func(c *smb.Config) { c.Transport = "plain" },
	} {
		config := (&samba{}).config()
		change(&config)
		refused(t, config, code)
	}
	config := (&samba{}).config()
	config.DataConnections = 9
	refused(t, config, fault.ConfigInvalid)
	config = (&samba{}).config()
	config.Password = secret.String{}
	refused(t, config, fault.ShareAuthFailed)
}
