package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
)

// TestCollectComparesWithOpenSSL captures CAs that openssl made and has openssl
// and sha256sum tell what should have been captured.
func TestCollectComparesWithOpenSSL(t *testing.T) {
	for name, key := range map[string][]string{"RSA": rsaKey, "EC": ecKey} {
		t.Run(name, func(t *testing.T) {
			lab := newLabCA(t, key)
			lab.fill()
			sink, result := collectNow(t, lab.dir)
			require.Empty(t, sink.gaps, "a sound CA has no findings")

			files, certificates := 0, 0
			require.NoError(t, filepath.WalkDir(lab.dir, func(name string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				if d.IsDir() {
					return nil
				}
				files++
				rel, err := filepath.Rel(lab.dir, name)
				require.NoError(t, err)
				got, ok := sink.byPath("ca/" + rel)
				require.True(t, ok, "%s was not captured", rel)
				out, err := exec.Command("sha256sum", name).Output()
				require.NoError(t, err)
				require.Equal(t, strings.Fields(string(out))[0], got.Digest, rel)

				info, err := d.Info()
				require.NoError(t, err)
				require.Equal(t, info.Mode().Perm(), got.Info.Mode)
				require.Equal(t, info.ModTime().Unix(), got.Info.ModTime.Unix())

				if strings.HasSuffix(rel, ".pem") && (strings.HasPrefix(rel, "newcerts") || rel == "cacert.pem") {
					certificates++
					der := lab.openssl("x509", "-in", name, "-outform", "DER")
					sum := sha256.Sum256([]byte(der))
					require.Equal(t, pki.KindCertificate, got.Item.Kind)
					require.Equal(t, hex.EncodeToString(sum[:]), got.Item.ID)
					require.Contains(t, got.Item.Name, "CN=")
				}
				return nil
			}))
			require.Equal(t, 6, certificates)
			require.Len(t, sink.kinds(pki.KindCertificate), certificates)
			require.Len(t, sink.paths, files)
			require.Len(t, sink.kinds(pki.KindKey), 1)
			require.Len(t, sink.kinds(pki.KindCRL), 1)
			require.Len(t, sink.kinds(pki.KindRequest), 5)
			require.Len(t, sink.kinds(kindDirectory), 3)

			require.Equal(t, "1005", result.Cursor["serial"])
			require.Equal(t, "02", result.Cursor["crlNumber"])
			require.Equal(t, "01", result.Cursor["newestCrl"])
			require.Equal(t, "5", result.Cursor["issued"])
			require.Equal(t, "2", result.Cursor["revoked"])
			require.Equal(t, "1", result.Cursor["expired"])
			require.Equal(t, "6", result.Cursor["certificates"])
			require.Equal(t, "sequential", result.Cursor["serialMode"])
			sum := sha256.Sum256([]byte(lab.readText("index.txt")))
			require.Equal(t, hex.EncodeToString(sum[:]), result.Cursor["indexSha256"])

			again, _ := collectNow(t, lab.dir)
			require.Equal(t, sink.calls, again.calls, "two captures of an unchanged CA are the same")
			require.NoError(t, newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Check(t.Context()))
		})
	}
}

func TestCollectRenewedCA(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.revoke(lab.issue("first.example.com"), "superseded")
	for _, rename := range [][2]string{{"cacert.pem", "cacert-2020.pem"}, {"private/cakey.pem", "private/cakey-2020.pem"}} {
		require.NoError(t, os.Rename(lab.path(rename[0]), lab.path(rename[1])))
	}
	lab.openssl(append(rsaKey, "-out", lab.path("private/cakey.pem"))...)
	lab.selfSign("private/cakey.pem", "cacert.pem", "/O=Lab/CN=Lab Root CA", 7300)
	lab.issue("second.example.com")
	lab.crl()

	sink, result := collectNow(t, lab.dir)
	require.Empty(t, sink.gaps)
	require.Len(t, sink.kinds(pki.KindCertificate), 4)
	require.Len(t, sink.kinds(pki.KindKey), 2)
	require.Equal(t, "2", result.Cursor["issued"])

	lab.remove("cacert-2020.pem")
	lab.remove("private/cakey-2020.pem")
	sink, _ = collectNow(t, lab.dir)
	require.Equal(t, []string{IssuedMissing, SignatureInvalid}, sink.codes(), "the earlier generation is needed")
}

func TestCollectEasyRSALayout(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	root := &labCA{t: t, dir: t.TempDir()}
	easyRSA := root.path("pki")
	require.NoError(t, os.Mkdir(easyRSA, 0o700))
	require.NoError(t, os.CopyFS(easyRSA, os.DirFS(lab.dir)))
	// The same folder as easy-rsa lays it out: other names, each certificate twice.
	for from, to := range map[string]string{
		"pki/cacert.pem": "pki/ca.crt", "pki/private/cakey.pem": "pki/private/ca.key", "pki/requests": "pki/reqs",
		"pki/newcerts": "pki/certs_by_serial",
	} {
		require.NoError(t, os.Rename(root.path(from), root.path(to)))
	}
	root.remove("pki/openssl.cnf")
	root.remove("pki/crlnumber")
	root.write("pki/openssl-easyrsa.cnf", strings.ReplaceAll(strings.ReplaceAll(lab.readText("openssl.cnf"), "= .\n", "= $ENV::EASYRSA_PKI\n"), "crlnumber ", "#crlnumber "))
	root.write("pki/crlnumber", lab.readText("crlnumber"))
	root.write("pki/issued/www.example.com.crt", root.readText("pki/certs_by_serial/1000.pem"))
	root.write("vars", "set_var EASYRSA_ALGO ec\n")
	root.write("x509-types/server", "basicConstraints = CA:FALSE\n")

	sink, result := collectNow(t, root.dir)
	require.Empty(t, sink.gaps)
	require.Len(t, sink.kinds(pki.KindCertificate), 6)
	require.Len(t, sink.kinds(kindCopy), 1)
	require.Len(t, sink.kinds(pki.KindConfig), 3)
	require.Equal(t, "1005", result.Cursor["serial"])

	direct, _ := collectNow(t, easyRSA)
	require.Empty(t, direct.gaps, "the pki folder itself can be given as well")
}

func TestCollectLeavesIntermediateCAAlone(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	other := newLabCA(t, ecKey)
	other.fill()
	require.NoError(t, os.CopyFS(lab.path("intermediate"), os.DirFS(other.dir)))
	sink, _ := collectNow(t, lab.dir)
	require.Equal(t, []string{DatabaseNotChecked}, sink.codes())
	_, ok := sink.byPath("ca/intermediate/newcerts/1000.pem")
	require.True(t, ok)
}

func TestCollectOddFiles(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	outside := filepath.Join(t.TempDir(), "outside.txt")
	require.NoError(t, os.WriteFile(outside, []byte("outside"), 0o600))
	lab.write("notes.bin", "\x00\x01 nobody knows")
	lab.write("empty", "")
	lab.write("bad\xffname", "odd")
	require.NoError(t, os.Mkdir(lab.path("hollow"), 0o750))
	require.NoError(t, syscall.Mkfifo(lab.path("pipe"), 0o600))
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "unix", lab.path("sock"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	for link, target := range map[string]string{
		"link-inside": "newcerts/1000.pem", "link-absolute": lab.path("crl.pem"), "link-outside": outside,
		"link-up": "../../../etc/passwd", "link-dead": "nowhere", "link-loop": "link-loop", "link-dir": ".",
	} {
		require.NoError(t, os.Symlink(target, lab.path(link)))
	}

	sink, _ := collectNow(t, lab.dir)
	require.Equal(t, []string{FileNotRecognised, FileRenamed, SpecialFile, SymlinkOutside}, sink.codes())
	count := map[string]int{}
	for _, gap := range sink.gaps {
		count[gap.Code]++
	}
	require.Equal(t, map[string]int{FileNotRecognised: 3, FileRenamed: 1, SpecialFile: 2, SymlinkOutside: 4}, count)
	require.Len(t, sink.kinds(kindSymlink), 7)
	for _, name := range []string{"ca/notes.bin", "ca/empty", "ca-renamed/bad%FFname"} {
		got, ok := sink.byPath(name)
		require.True(t, ok, name)
		require.Equal(t, pki.KindFile, got.Item.Kind)
	}
	found := false
	for _, link := range sink.kinds(kindSymlink) {
		if link.Item.ID == "link-inside" {
			require.JSONEq(t, `{"path":"ca/link-inside","target":"newcerts/1000.pem"}`, link.Document)
			found = true
		}
	}
	require.True(t, found)
}

func TestCollectRefusesWhatIsNoCA(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, dir := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "nowhere"), "empty": t.TempDir(), "a file": file, "other folder": filepath.Dir(file),
	} {
		t.Run(name, func(t *testing.T) {
			sink := &recorder{}
			require.ErrorIs(t, collectError(t, dir, sink), fault.SourceInvalid)
			require.Empty(t, sink.calls)
			require.ErrorIs(t, newTestCollector(t, Config{Dir: dir}, time.Now()).Check(t.Context()), fault.SourceInvalid)
		})
	}
	_, err := New(Config{}, time.Now)
	require.ErrorIs(t, err, fault.ConfigInvalid)
	_, err = New(Config{Dir: "x"}, nil)
	require.ErrorIs(t, err, fault.ConfigInvalid)
}

func TestCollectPassesOnErrorsOfSinkAndContext(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	sink := &recorder{before: func(collect.FileInfo) error { return errRefused }}
	require.Equal(t, errRefused, collectError(t, lab.dir, sink))

	ctx, cancel := context.WithCancel(t.Context())
	sink = &recorder{before: func(collect.FileInfo) error { cancel(); return nil }}
	_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(ctx, sink)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, fault.Cancelled)
	require.Len(t, sink.calls, 1)
}

// reader is a directory with the given objects.
type reader struct {
	objects [][2]string
	err     error
}

func (r reader) ADCS(_ context.Context, fn func(string, []byte) error) error {
	for _, object := range r.objects {
		if err := fn(object[0], []byte(object[1])); err != nil {
			return err
		}
	}
	return r.err
}

func TestCollectADCS(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	const pks = "CN=Public Key Services,CN=Services,CN=Configuration,DC=example,DC=com"
	collectWith := func(r reader) (*recorder, collect.Capture, error) {
		sink := &recorder{}
		result, err := newTestCollector(t, Config{Dir: lab.dir, Directory: r}, time.Now()).Collect(t.Context(), sink)
		return sink, result, err
	}
	sink, result, err := collectWith(reader{objects: [][2]string{{pks, `{"a":1}`}, {"CN=AIA," + pks, `{"b":2}`}}})
	require.NoError(t, err)
	require.Equal(t, "2", result.Cursor["adcsObjects"])
	objects := sink.kinds(kindADCS)
	require.Len(t, objects, 2)
	require.Equal(t, call{Item: backup.Item{Kind: kindADCS, ID: strings.ToLower(pks), Name: pks}, Document: `{"a":1}`}, objects[0])

	refused := errors.New("connection lost")
	for name, row := range map[string]struct {
		reader reader
		want   error
	}{
		"broken off":   {reader{objects: [][2]string{{pks, `{}`}}, err: refused}, refused},
		"twice":        {reader{objects: [][2]string{{pks, `{}`}, {strings.ToUpper(pks), `{}`}}}, fault.SourceInvalid},
		"two lines":    {reader{objects: [][2]string{{pks, "{\n}"}}}, fault.SourceInvalid},
		"not JSON":     {reader{objects: [][2]string{{pks, "dn: x"}}}, fault.SourceInvalid},
		"without a DN": {reader{objects: [][2]string{{"", "{}"}}}, fault.SourceInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := collectWith(row.reader)
			require.ErrorIs(t, err, row.want)
		})
	}
}
