package activities

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

const site = `\\fs\backups\site one`

// TestOutside proposes shares on a server where the instances local and other have their
// folders in \\fs\backups\site one. Nobody may see \\fs\backups\closed itself.
func TestOutside(t *testing.T) {
	root := t.TempDir()
	local := func(unc string) string {
		return filepath.Join(root, filepath.FromSlash(strings.ReplaceAll(strings.TrimPrefix(unc, `\\fs\`), `\`, "/")))
	}
	open := func(_ context.Context, s settings.Settings) (share.Store, error) {
		if s.Share.Path == `\\fs\backups\closed` {
			return nil, fault.Newf(fault.ShareAccessDenied, "%s is closed", s.Share.Path)
		}
		return dir.Open(local(s.Share.Path))
	}
	a := New(Dependencies{OpenStore: open, Instance: backup.Instance{Name: "local"}})
	require.NoError(t, os.MkdirAll(local(site), 0o700))
	base, err := dir.Open(local(site))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, base.Close()) })
	for instance, controller := range map[string]string{"local": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "other": "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"} {
		repo := repository.New(base, instance)
		require.NoError(t, repo.Probe(t.Context(), "x"))
		require.NoError(t, repo.Claim(t.Context(), controller))
	}

	const none = ""
	for name, c := range map[string]struct{ next, now, names string }{
		"beside the instances":          {next: site, now: none},
		"in a folder beside them":       {next: site + `\beside\deep`, now: site},
		"above them":                    {next: `\\fs\backups`, now: site},
		"below a closed folder":         {next: `\\fs\backups\closed\mine`, now: site},
		"an instance's folder":          {next: site + `\local`, now: none, names: site + `\local is the folder`},
		"another instance's folder":     {next: site + `\other`, now: site, names: site + `\other is the folder`},
		"inside":                        {next: site + `\local\backups`, now: none, names: `lies in ` + site + `\local`},
		"deep inside":                   {next: site + `\other\incoming\a\b`, now: none, names: `lies in ` + site + `\other`},
		"inside by another name":        {next: site + `\local\backups`, now: `\\fs.example.com\backups\site one`, names: `lies in ` + site + `\local`},
		"inside, spelt another way":     {next: `//FS/Backups/Site One/LOCAL/backups`, now: site, names: `lies in ` + site + `\local`},
		"inside what cannot be seen":    {next: `\\fs\backups\closed\local\x`, now: `\\fs\backups\closed`, names: `lies in \\fs\backups\closed\local`},
		"with the current share inside": {next: site, now: site + `\local\backups`, names: site + `\local\backups, lies in ` + site + `\local,`},
		"with the folder as the one":    {next: site, now: site + `\Local`, names: site + `\Local, lies in ` + site + `\local,`},
		"a name that begins alike":      {next: site, now: site + `\local2\x`},
	} {
		t.Run(name, func(t *testing.T) {
			folder := local(c.next)
			if !strings.HasPrefix(c.next, "//") {
				require.NoError(t, os.MkdirAll(folder, 0o700))
			}
			store := share.Store(base) // where the path decides
			if opened, err := dir.Open(folder); err == nil {
				defer func() { require.NoError(t, opened.Close()) }()
				store = opened
			}
			var now settings.Share
			if c.now != none {
				now.Path = c.now
			}
			err := a.outside(t.Context(), store, settings.Settings{Share: settings.Share{Path: c.next}}, now)
			if c.names == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.SettingsInvalid)
			require.ErrorContains(t, err, c.names)
		})
	}
}

func TestOutsideNeedsAnAnswer(t *testing.T) {
	a := New(Dependencies{OpenStore: func(context.Context, settings.Settings) (share.Store, error) {
		return nil, fault.Newf(fault.ShareUnreachable, "gone")
	}})
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	require.NoError(t, a.outside(t.Context(), store, settings.Settings{Share: settings.Share{Path: `\\fs\s`}}, settings.Share{}), "there is nothing above")
	err = a.outside(t.Context(), store, settings.Settings{Share: settings.Share{Path: `\\fs\s\a`}}, settings.Share{})
	require.ErrorIs(t, err, fault.ShareUnreachable)
}
