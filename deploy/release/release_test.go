package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestDebianVersions lets dpkg say which version is the newer one.
func TestDebianVersions(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed")
	}
	ascending := []string{"v0.9.0-12-gabc1234", "v1.0.0-rc.1", "v1.0.0", "v1.0.0-3-gabc1234", "v1.0.1-alpha", "v1.0.1-beta.2", "v1.0.1", "v1.10.0"}
	for i, earlier := range ascending {
		require.Regexp(t, versionForm, earlier)
		require.NotContains(t, debianVersion(earlier), "-")
		if i > 0 {
			require.NoError(t, exec.Command("dpkg", "--compare-versions", debianVersion(ascending[i-1]), "lt", debianVersion(earlier)).Run(), earlier)
		}
	}
	for _, bad := range []string{"", "1", "v1.2", "abc1234", "v1.2.3/x", "v1.2.3 ", "v1.2.3-$(id)"} {
		require.NotRegexp(t, versionForm, bad)
	}
}

// TestWhatIsRefused: nothing is left of a release that was refused.
func TestWhatIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, r := range map[string]release{
		"no version":           {version: "abc1234", arch: architectures},
		"unknown machine":      {version: "v1.2.3", arch: []string{"mips"}},
		"no key":               {version: "v1.2.3", arch: architectures, sign: filepath.Join(dir, "missing")},
		"no repository":        {version: "v1.2.3", arch: architectures, tree: dir},
		"the folder is in use": {version: "v1.2.3", arch: architectures, out: dir},
	} {
		if r.out == "" {
			r.out = filepath.Join(dir, "out")
		}
		require.Error(t, r.run(t.Context()), name)
		require.NoDirExists(t, filepath.Join(dir, "out"), name)
	}
}

// TestSame: one byte is enough.
func TestSame(t *testing.T) {
	one, two := &built{dir: t.TempDir()}, &built{dir: t.TempDir()}
	for _, b := range []*built{one, two} {
		require.NoError(t, os.WriteFile(b.program("", "x"), []byte("abc"), 0o755))
	}
	require.NoError(t, same(one, two))
	require.NoError(t, os.WriteFile(two.program("", "x"), []byte("abd"), 0o755))
	require.ErrorContains(t, same(one, two), "x is another one")
	require.NoError(t, os.Remove(two.program("", "x")))
	require.ErrorIs(t, same(one, two), fs.ErrNotExist)
}

// TestPackages packs what was built for the lab, and lets the tools of a Debian system
// and of an operator look at it.
func TestPackages(t *testing.T) {
	tier.NeedsServers(t)
	bin := os.Getenv("INFRABACKUP_BIN")
	if bin == "" {
		t.Skip("INFRABACKUP_BIN names no folder of programs: run this by make test")
	}
	b := &built{source: "../..", dir: t.TempDir(), commit: strings.Repeat("a", 40), modified: time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, runtime.GOARCH), 0o755))
	for name := range programs {
		data, err := os.ReadFile(filepath.Join(bin, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(b.program(runtime.GOARCH, name), data, 0o755))
	}
	key := filepath.Join(t.TempDir(), "release")
	require.NoError(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release@test", "-f", key).Run())
	r := &release{tree: ".", version: "v1.2.3-rc.1", out: t.TempDir(), arch: []string{runtime.GOARCH}, sign: key, compression: "gzip"}
	require.NoError(t, r.publish(t.Context(), b))
	checkPublished(t, r.out, key)
}

// TestPackedTwice: packing adds nothing that is another one the next time.
func TestPackedTwice(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	p := &bundle{source: "../..", modified: time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC),
		files: []file{{"usr/bin/x", 0o755, []byte("#!/bin/sh\n")}, {"usr/share/doc/x/a", 0o644, []byte("a")}}}
	pack := func() (sums []string) {
		dir := t.TempDir()
		archive, deb := filepath.Join(dir, "x.tar.gz"), filepath.Join(dir, "x.deb")
		require.NoError(t, p.archive(archive, "x"))
		require.NoError(t, p.debian(t.Context(), deb, "amd64", "1.0", "xz"))
		return []string{sha(t, archive), sha(t, deb)}
	}
	first := pack()
	for i := range p.files { // as they would lie in another clone
		p.files[i].data = bytes.Clone(p.files[i].data)
	}
	require.Equal(t, first, pack())
}

// TestReleaseIsTheSameTwice makes a whole release of what is committed, for both architectures.
func TestReleaseIsTheSameTwice(t *testing.T) {
	if !tier.Soak() {
		t.Skip("part of make soak")
	}
	key := filepath.Join(t.TempDir(), "release")
	require.NoError(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release@test", "-f", key).Run())
	r := &release{tree: "../..", version: "v1.2.3-rc.1", out: filepath.Join(t.TempDir(), "dist"), arch: architectures, sign: key, compression: "xz"}
	require.NoError(t, r.run(t.Context()))
	require.Len(t, readDir(t, r.out), 2*3+2)
	checkPublished(t, r.out, key)
}

func readDir(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return entries
}

func sha(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("sha256sum", path).Output()
	require.NoError(t, err)
	sum, _, _ := strings.Cut(string(out), " ")
	return sum
}

// TestUnitsAreConfined: systemd's own judgement, from 0 (nothing is exposed) to 10. That they
// work like this is shown where they are started, on a Debian system with its own systemd.
func TestUnitsAreConfined(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	units, err := filepath.Glob("../systemd/*.service")
	require.NoError(t, err)
	require.Len(t, units, 3)
	for _, unit := range units {
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=16", unit).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	open := filepath.Join(t.TempDir(), "open.service")
	require.NoError(t, os.WriteFile(open, []byte("[Service]\nExecStart=/bin/true\n"), 0o600))
	require.Error(t, exec.Command(analyze, "security", "--offline=true", "--threshold=16", open).Run(), "it takes anything")
}

// checkPublished looks at a release for this machine as those do who get it.
func checkPublished(t *testing.T, dir, key string) {
	t.Helper()
	sums := exec.Command("sha256sum", "--strict", "-c", sumsFile)
	sums.Dir = dir
	out, err := sums.CombinedOutput()
	require.NoError(t, err, "%s", out)

	public, err := os.ReadFile(key + ".pub")
	require.NoError(t, err)
	signers := filepath.Join(t.TempDir(), "signers")
	require.NoError(t, os.WriteFile(signers, append([]byte("release@test "), public...), 0o600))
	verify := func(namespace string) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "release@test", "-n", namespace, "-s", filepath.Join(dir, sumsFile+".sig"))
		text, err := os.Open(filepath.Join(dir, sumsFile))
		require.NoError(t, err)
		defer func() { require.NoError(t, text.Close()) }()
		cmd.Stdin = text
		return cmd.Run()
	}
	require.NoError(t, verify(namespace))
	require.Error(t, verify("infrabackup"), "it passes as the signature of a backup")

	deb := filepath.Join(dir, "infrabackup_1.2.3~rc.1_"+runtime.GOARCH+".deb")
	root, meta := t.TempDir(), t.TempDir()
	for _, args := range [][]string{{"-x", deb, root}, {"-e", deb, meta}} {
		out, err := exec.Command("dpkg-deb", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	checkInstalled(t, root, meta)
	checkArchive(t, filepath.Join(dir, "infrabackup_1.2.3-rc.1_linux_"+runtime.GOARCH+".tar.gz"), root)
	checkSBOM(t, filepath.Join(dir, "infrabackup_1.2.3-rc.1_linux_"+runtime.GOARCH+".cdx.json"), root)
}

// checkInstalled: what the files of the package name is in the package.
func checkInstalled(t *testing.T, root, meta string) {
	t.Helper()
	read := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	out, err := exec.Command(filepath.Join(root, "usr/bin/infrabackup"), "version").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "infrabackup ")
	require.NoError(t, exec.Command(filepath.Join(root, "usr/bin/infrabackup-worker"), "--version").Run())
	for _, name := range scripts {
		script := filepath.Join(meta, name)
		info, err := os.Stat(script)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o755), info.Mode())
		require.NoError(t, exec.Command("sh", "-n", script).Run(), name)
	}
	accounts := regexp.MustCompile(`(?m)^u (\S+) .*\s(/\S+)$`).FindAllStringSubmatch(read(filepath.Join(root, "usr/lib/sysusers.d/infrabackup.conf")), -1)
	require.Len(t, accounts, 2)
	units, err := filepath.Glob(filepath.Join(root, "usr/lib/systemd/system/*.service"))
	require.NoError(t, err)
	require.Len(t, units, 3)
	for _, unit := range units {
		text := read(unit)
		of := func(key string) string {
			m := regexp.MustCompile(`(?m)^` + key + `=(\S+)`).FindStringSubmatch(text)
			require.NotNil(t, m, "%s: %s", unit, key)
			return m[1]
		}
		require.FileExists(t, filepath.Join(root, of("ExecStart")))
		require.FileExists(t, filepath.Join(root, strings.TrimPrefix(of("Documentation"), "file:")))
		require.Contains(t, []string{accounts[0][1], accounts[1][1]}, of("User"))
		if strings.Contains(text, "\nStateDirectory=") {
			require.Contains(t, []string{accounts[0][2], accounts[1][2]}, "/var/lib/"+of("StateDirectory"))
			require.Contains(t, read(filepath.Join(meta, "postinst")), "/var/lib/"+of("StateDirectory"))
		}
	}
	for _, page := range []string{"man1/infrabackup.1.gz", "man1/infrabackup-backup-start.1.gz", "man8/infrabackup-worker.8.gz"} {
		require.NoError(t, exec.Command("gzip", "-t", filepath.Join(root, "usr/share/man", page)).Run(), page)
	}
	require.NoError(t, exec.Command("bash", "-n", filepath.Join(root, completions["bash"])).Run())
	sums := exec.Command("md5sum", "--strict", "--quiet", "-c", filepath.Join(meta, "md5sums"))
	sums.Dir = root
	require.NoError(t, sums.Run())
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o022, "%s may be written by others", path)
		return nil
	}))
}

// checkArchive: the archive has what the package has.
func checkArchive(t *testing.T, path, root string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	r := tar.NewReader(z)
	count := 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		_, name, found := strings.Cut(h.Name, "/")
		require.True(t, found)
		packed, err := io.ReadAll(r)
		require.NoError(t, err)
		installed, err := os.ReadFile(filepath.Join(root, "usr", name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(packed, installed), name)
		require.Zero(t, h.Uid+h.Gid)
		count++
	}
	require.Greater(t, count, 80)
}

// checkSBOM: it has the modules that the program says it is made of, and the program's own sum.
func checkSBOM(t *testing.T, path, root string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var bom struct {
		BOMFormat, SpecVersion string
		Metadata               struct {
			Timestamp string
			Component struct {
				Version    string
				Components []struct {
					Name   string
					Hashes []struct{ Content string }
				}
			}
		}
		Components []struct{ Name, Version, PURL string }
	}
	require.NoError(t, json.Unmarshal(data, &bom))
	require.Equal(t, "CycloneDX", bom.BOMFormat)
	require.Equal(t, "v1.2.3-rc.1", bom.Metadata.Component.Version)
	for _, c := range bom.Metadata.Component.Components {
		require.Equal(t, sha(t, filepath.Join(root, c.Name)), c.Hashes[0].Content)
	}
	listed := map[string]bool{}
	for _, c := range bom.Components {
		listed[c.Name+" "+c.Version] = true
		require.Contains(t, c.PURL, c.Version[min(2, len(c.Version)):])
	}
	for name := range programs {
		out, err := exec.Command("go", "version", "-m", filepath.Join(root, "usr/bin", name)).Output()
		require.NoError(t, err)
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
				require.True(t, listed[f[1]+" "+f[2]], line)
			}
		}
	}
}
