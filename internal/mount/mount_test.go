package mount

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		want smb.Config
		code fault.Code
	}{
		"a share": {
			`\\fs.example.test\backups\site1`,
			smb.Config{
				UNC: share.UNC{Host: "fs.example.test", Share: "backups", Path: "site1"}, Username: `CORP\backup`, Password: secret.New("pw"),
				Transport: share.Signed,
			}, "",
		},
		"no share": {"https://acct.blob.core.windows.net/x", smb.Config{}, fault.ShareUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Config(settings.Settings{
				Share:      settings.Share{Path: c.path, Transport: share.Signed},
				Credential: settings.Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("pw"))},
			})
			require.Equal(t, c.code, fault.CodeOf(err))
			require.Equal(t, c.want, got)
		})
	}
}
