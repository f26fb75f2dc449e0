package share_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

func TestParseUNC(t *testing.T) {
	for text, want := range map[string]share.UNC{
		`\\fs\AzSBackups`:                      {Host: "fs", Share: "AzSBackups"},
		`\\fs.example.com\AzSBackups\`:         {Host: "fs.example.com", Share: "AzSBackups"},
		`\\fs.example.com\AzSBackups\one\two`:  {Host: "fs.example.com", Share: "AzSBackups", Path: `one\two`},
		`//fs.example.com/backups/one/two/`:    {Host: "fs.example.com", Share: "backups", Path: `one\two`},
		`\\192.0.2.7\d$`:                       {Host: "192.0.2.7", Share: "d$"},
		`\\2001:db8::7\backups`:                {Host: "2001:db8::7", Share: "backups"},
		`\\FS_01\Größe und mehr\Ordner mit Ä`:  {Host: "FS_01", Share: "Größe und mehr", Path: "Ordner mit Ä"},
		`\\core.file.example.com\share`:        {Host: "core.file.example.com", Share: "share"},
		`\\nas.file.corp.example.com\share`:    {Host: "nas.file.corp.example.com", Share: "share"},
		`\\storage.blob\share`:                 {Host: "storage.blob", Share: "share"},
		`\\fs\backups\..hidden\with.dot\a..b`:  {Host: "fs", Share: "backups", Path: `..hidden\with.dot\a..b`},
		`\\` + strings.Repeat("a", 63) + `\b`:  {Host: strings.Repeat("a", 63), Share: "b"},
		`\\fs\` + strings.Repeat("s", 80):      {Host: "fs", Share: strings.Repeat("s", 80)},
		`\\fs\s\` + strings.Repeat("p", 255):   {Host: "fs", Share: "s", Path: strings.Repeat("p", 255)},
		`\\xn--bcher-kva.example\b`:            {Host: "xn--bcher-kva.example", Share: "b"},
		`//fe80--1.ipv6-literal.net/backups/x`: {Host: "fe80--1.ipv6-literal.net", Share: "backups", Path: "x"},
	} {
		got, err := share.ParseUNC(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := share.ParseUNC(got.String())
		require.NoError(t, err, text)
		require.Equal(t, got, again, text)
	}
}

func TestParseUNCRefuses(t *testing.T) {
	for code, texts := range map[fault.Code][]string{
		fault.ShareInvalid: {
			"", `\`, `\\`, `\\\`, `\\fs`, `\\fs\`, `\\\share`, `\\fs\\path`, `\\fs\share\\path`, `\fs\share`, `fs\share`,
			`C:\backups`, `/mnt/backups`, `smb://fs/share`, `file://fs/share`, ` \\fs\share`, `\\fs\share `, `\\fs\share\path `,
			`\\fs:445\share`, `\\fs.example.com:4450\share`, `\\192.0.2.7:445\share`, `\\[2001:db8::1]\share`, `\\fe80::1%eth0\share`,
			`\\fs@SSL\DavWWWRoot`, `\\.\pipe`, `\\?\UNC\fs\share`, `\\..\share`, `\\fs\..`, `\\fs\.`, `\\fs\share\..`, `\\fs\share\.\x`,
			`\\fs\share\a\..\..\x`, `\\fs/share`, `//fs\share`, `\\fs\share/path`, `//fs/share\path`, `\\f s\share`, `\\-fs\share`, `\\fs-\share`,
			`\\fs.\share`, `\\.fs\share`, `\\f..s\share`, `\\300.1.2.3\share`, `\\1.2.3\share`, `\\0.0.0.0\share`, `\\224.0.0.1\share`, `\\::\share`,
			`\\fs\IPC$`, `\\fs\ipc$\x`, `\\fs\a:b`, `\\fs\share\a:b`, `\\fs\share\a*`, `\\fs\share\a?`, `\\fs\share\a|b`, `\\fs\share\a"b`, `\\fs\share\<a>`,
			`\\fs\share\NUL`, `\\fs\share\con.txt`, `\\fs\COM1`, `\\fs\share\end.`, "\\\\fs\\share\\a\x00b", "\\\\fs\\share\\a\nb", "\\\\fs\\sha\xffre",
			"\\\\fs\\share\\\u202Etxt", "\\\\f\u00fcs\\share", `\\` + strings.Repeat("a", 64) + `\share`, `\\` + strings.Repeat("a.", 127) + `b\share`,
			`\\fs\` + strings.Repeat("s", 81), `\\fs\s\` + strings.Repeat("p", 256), `\\fs\s\` + strings.Repeat(`p\`, 201) + "p", `\\fs\` + strings.Repeat("x", 2000),
		},
		fault.ShareUnsupported: {
			`\\account.file.core.windows.net\share`, `//account.file.core.windows.net/share`, `\\ACCOUNT.FILE.CORE.WINDOWS.NET\share`,
			`\\account.file.core.usgovcloudapi.net\s`, `\\account.file.core.chinacloudapi.cn\s`, `\\account.file.core.microsoft.scloud\s`,
			`\\account.privatelink.file.core.windows.net\s`, `\\account.file.core.windows.net.\s`, `\\account.file.core.windows.net:445\s`,
			`\\account.z07.file.storage.azure.net\s`, `\\account.file.local.azurestack.external\s`, `\\account.file.east.azurestack.contoso.com\s`,
			`\\account.blob.core.windows.net\container`, `https://account.blob.core.windows.net/container`, `http://fs/share`, `HTTPS://fs.example.com/share`,
			`account.blob.core.windows.net/container`, `\\account.blob.local.azurestack.external\c`, `\\account.dfs.core.windows.net\c`,
		},
	} {
		for _, text := range texts {
			got, err := share.ParseUNC(text)
			require.Equal(t, code, fault.CodeOf(err), "%q: %v", text, err)
			require.Zero(t, got, text)
		}
	}
}

func FuzzParseUNC(f *testing.F) {
	for _, seed := range []string{`\\fs\share\path`, `//fs/share`, `\\2001:db8::7\s`, `\\a.file.core.windows.net\s`, "\\\\fs\\a\x00", `\\fs\s\..\x`, `\\1.2.3.4\s\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		unc, err := share.ParseUNC(text)
		if err != nil {
			code := fault.CodeOf(err)
			require.Contains(t, []fault.Code{fault.ShareInvalid, fault.ShareUnsupported}, code)
			require.Less(t, len(err.Error()), 2000)
			return
		}
		again, err := share.ParseUNC(unc.String())
		require.NoError(t, err)
		require.Equal(t, unc, again)
		require.NotContains(t, unc.Host+unc.Share, `\`)
		require.NotContains(t, unc.Host+unc.Share+unc.Path, "/")
		for _, element := range strings.Split(unc.Path, `\`) {
			require.NotContains(t, []string{".", ".."}, element)
		}
	})
}

func TestCheckPath(t *testing.T) {
	for _, good := range []string{
		"a", "backups/20261122T083000Z_00000000-0000-4000-8000-000000000000/ad.tar.zst.age", "RECOVERY.txt", ".hidden/x", "..x", "a..b", "console/com10/lpt",
		strings.Repeat("n", share.MaxPath),
	} {
		require.NoError(t, share.CheckPath(good), good)
	}
	for _, bad := range []string{
		"/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", `a\b`, "a b", "a:b", "a*", "ä", "a\x00", "a.", "a/b./c", "con", "NUL.txt", "x/com1", "lpt9.log",
		strings.Repeat("n", share.MaxPath+1),
	} {
		require.ErrorIs(t, share.CheckPath(bad), fault.ShareInvalid, bad)
		require.ErrorIs(t, share.CheckFolder(bad), fault.ShareInvalid, bad)
	}
	require.ErrorIs(t, share.CheckPath(""), fault.ShareInvalid)
	require.NoError(t, share.CheckFolder(""))
}

func FuzzCheckPath(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", `a\b`, "con", "a.", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if err := share.CheckPath(path); err != nil {
			require.ErrorIs(t, err, fault.ShareInvalid)
			return
		}
		require.LessOrEqual(t, len(path), share.MaxPath)
		for _, element := range strings.Split(path, "/") {
			require.True(t, share.ValidName(element))
			require.NotContains(t, []string{"", ".", ".."}, element)
		}
	})
}

func TestParent(t *testing.T) {
	unc, err := share.ParseUNC(`\\fs\AzSBackups\a b\c`)
	require.NoError(t, err)
	var above []string
	for parent, ok := unc.Parent(); ok; parent, ok = parent.Parent() {
		above = append(above, parent.String())
	}
	require.Equal(t, []string{`\\fs\AzSBackups\a b`, `\\fs\AzSBackups`}, above)
}
