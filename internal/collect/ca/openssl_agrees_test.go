package ca

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ca/openssl"
)

// accepts reports whether the real openssl reads the CA's database.
func (c *labCA) accepts() bool {
	cmd := exec.Command("openssl", "ca", "-config", "openssl.cnf", "-gencrl", "-out", os.DevNull)
	cmd.Dir = c.configDir
	return cmd.Run() == nil
}

// TestIndexIsReadAsOpensslReadsIt gives rows in odd shapes to both.
func TestIndexIsReadAsOpensslReadsIt(t *testing.T) {
	const good = "V\t300101000000Z\t\t05\tunknown\t/CN=a\n"
	line := func(status, expiry, revoked, serial string) string {
		return strings.Join([]string{status, expiry, revoked, serial, "unknown", "/CN=a"}, "\t") + "\n"
	}
	rows := []string{"", good, "\n", "# comment\n" + good, strings.TrimSuffix(good, "\n") + "\r\n", "V\t300101000000Z\t\t05\tunknown\n", strings.TrimSuffix(good, "\n") + "\tx\n"}
	for _, serial := range []string{"05", "-05", "5", "-5", "-", "", "00", "-00", "000", "0a", "0g", " 05", "+05", "--05", strings.Repeat("AB", 20), strings.Repeat("AB", 21), "-" + strings.Repeat("FF", 21)} {
		rows = append(rows, line("V", "300101000000Z", "", serial))
	}
	for _, status := range []string{"V", "E", "R", "S", "X", "VX", "v", "", "Rx"} {
		rows = append(rows, line(status, "300101000000Z", "", "05"), line(status, "300101000000Z", "250101000000Z", "05"))
	}
	for _, expiry := range []string{
		"3001010000Z", "300101000000", "300101000000+0100", "300101000000-0130", "20300101000000Z", "20300101000000.5Z", "20300101000000.Z", "2030010100Z",
		"203001010000Z", "300132000000Z", "300229000000Z", "280229000000Z", "20300101000000+0100", "", "Z", "500101000000Z", "490101000000Z", "300101000060Z", "300101240000Z", "99991231235959Z",
	} {
		rows = append(rows, line("V", expiry, "", "05"))
	}
	for _, reason := range []string{
		"", ",", ",foo", ",keyCompromise", ",KEYCOMPROMISE", ",superseded,x", ",holdInstruction", ",holdInstruction,1.2.3", ",keyTime", ",keyTime,x",
		",keyTime,20250101000000Z", ",CAkeyTime,20250101000000Z", ",CACompromise", ",removeFromCRL", ",certificateHold", ",unspecified", ",AACompromise", ",privilegeWithdrawn",
	} {
		rows = append(rows, line("R", "300101000000Z", "250101000000Z"+reason, "05"))
	}
	lab := newLabCA(t, ecKey)
	for _, text := range rows {
		lab.write("index.txt", text)
		bad := false
		require.NoError(t, openssl.ParseIndex(strings.NewReader(text), func(openssl.Row) error { return nil }, func(*openssl.RowError) error { bad = true; return nil }))
		require.Equal(t, lab.accepts(), !bad, "%q", text)
	}
}

// TestNumberFilesAreReadAsOpensslReadsThem does the same with the CRL number.
func TestNumberFilesAreReadAsOpensslReadsThem(t *testing.T) {
	lab := newLabCA(t, ecKey)
	for _, text := range []string{
		"01\n", "01", "1\n", "", "\n", "\n01\n", "01\r\n", "01 x\n", "01xx", "FF\n", "ff\n", "0005\n", "-01\n", "zz\n", "01\n02\n", "01\\\n02\n", " 01\n", "+01\n",
		strings.Repeat("AB", 21) + "\n", strings.Repeat("FF", 20) + "\n",
	} {
		lab.write("crlnumber", text)
		n, err := openssl.ParseNumber([]byte(text))
		require.Equal(t, lab.accepts(), err == nil, "%q: %v", text, err)
		if err == nil {
			written, err := openssl.ParseNumber([]byte(lab.readText("crlnumber")))
			require.NoError(t, err)
			require.Equal(t, n.Next(), written, "%q", text)
		}
	}
}

// quiet are the notes that a CA has that is well.
func withoutNotes(gaps []backup.Gap) (bad []backup.Gap) {
	for _, g := range gaps {
		if g.Code != FileNotRecognised && g.Code != KeyNotContained {
			bad = append(bad, g)
		}
	}
	return bad
}

func (c *labCA) gaps(t *testing.T) []backup.Gap {
	t.Helper()
	sink := &recorder{}
	_, err := newTestCollector(t, Config{Dir: c.dir}, time.Now()).Collect(t.Context(), sink)
	require.NoError(t, err)
	return sink.gaps
}

// TestOddCAsThatOpensslTakesHaveNoFindings lets the real openssl make CAs that package
// x509 refuses or that are rare.
func TestOddCAsThatOpensslTakesHaveNoFindings(t *testing.T) {
	for name, row := range map[string]struct {
		key  []string
		make func(lab *labCA)
		// notes are codes of what cannot be checked and is named.
		notes []string
	}{
		"21-byte serial numbers":   {ecKey, func(lab *labCA) { lab.write("serial", strings.Repeat("AB", 21)+"\n") }, nil},
		"20 bytes of FF":           {ecKey, func(lab *labCA) { lab.write("serial", strings.Repeat("FF", 20)+"\n") }, nil},
		"serial number 0":          {ecKey, func(lab *labCA) { lab.write("serial", "00\n") }, nil},
		"rand_serial = 1":          {ecKey, func(lab *labCA) { lab.setting("rand_serial", "1") }, nil},
		"rand_serial = no":         {ecKey, func(lab *labCA) { lab.setting("rand_serial", "no") }, nil},
		"rand_serial without file": {ecKey, func(lab *labCA) { lab.setting("rand_serial", "yes"); lab.remove("serial") }, nil},
		"a CRL of version 1":       {ecKey, func(lab *labCA) { lab.replaceConfig("crlnumber     = $dir/crlnumber\n", ""); lab.remove("crlnumber") }, nil},
		"negative serial number of the CA": {ecKey, func(lab *labCA) {
			lab.selfSign("private/cakey.pem", "cacert.pem", "/CN=negative", 3650, "-set_serial", "-5")
		}, nil},
		"a CA of version 1": {ecKey, func(lab *labCA) {
			lab.openssl("req", "-new", "-config", "openssl.cnf", "-key", lab.path("private/cakey.pem"), "-out", lab.path("requests/v1.csr"), "-subj", "/CN=v1")
			lab.openssl("x509", "-req", "-in", lab.path("requests/v1.csr"), "-signkey", lab.path("private/cakey.pem"), "-days", "3000", "-out", lab.path("cacert.pem"))
			lab.remove("requests/v1.csr")
		}, nil},
		"SHA-1": {rsaKey, func(lab *labCA) { lab.replaceConfig("default_md    = sha256", "default_md    = sha1") }, nil},
		"RSA-PSS": {rsaKey, func(lab *labCA) {
			lab.more = []string{"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"}
		}, nil},
		"explicit curve parameters": {
			[]string{"ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"}, func(*labCA) {}, []string{SignatureNotChecked, KeyUnreadable},
		},
		"Ed448": {[]string{"genpkey", "-algorithm", "ED448"}, func(lab *labCA) { lab.setting("default_md", "default") }, []string{SignatureNotChecked, KeyUnreadable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := newLabCA(t, row.key)
			row.make(lab)
			lab.issue("www.example.com", lab.more...)
			first := strings.Split(lab.readText("index.txt"), "\t")[3]
			lab.revoke(first, "superseded")
			lab.issue("other.example.com", lab.more...)
			lab.openssl(append([]string{"ca", "-config", "openssl.cnf", "-gencrl", "-out", lab.path("crl.pem")}, lab.more...)...)
			var other []backup.Gap
			for _, gap := range withoutNotes(lab.gaps(t)) {
				if !containsString(row.notes, gap.Code) {
					other = append(other, gap)
				}
			}
			require.Empty(t, other)
		})
	}
}

func containsString(list []string, s string) bool {
	return strings.Contains("\x00"+strings.Join(list, "\x00")+"\x00", "\x00"+s+"\x00")
}

func (c *labCA) replaceConfig(old, with string) {
	c.t.Helper()
	text := c.readText("openssl.cnf")
	require.Contains(c.t, text, old)
	c.write("openssl.cnf", strings.Replace(text, old, with, 1))
}

// setting puts a value into the CA's section.
func (c *labCA) setting(name, value string) {
	c.t.Helper()
	c.replaceConfig("unique_subject = no\n", fmt.Sprintf("unique_subject = no\n%s = %s\n", name, value))
}

// TestOneBadRowSwitchesNothingOff: what can be checked beside it is checked.
func TestOneBadRowSwitchesNothingOff(t *testing.T) {
	lab := newLabCA(t, ecKey)
	for _, name := range []string{"a", "b", "c"} {
		lab.issue(name)
	}
	rows := strings.SplitAfter(lab.readText("index.txt"), "\n")
	t.Run("whose number is known", func(t *testing.T) {
		lab := lab.copyTo(t)
		lab.write("index.txt", rows[0]+strings.Replace(rows[1], "Z\t\t", "\t\t", 1)) // no time zone; the third row is gone
		gaps := withoutNotes(lab.gaps(t))
		require.Len(t, gaps, 2, "%v", gaps)
		require.Equal(t, DatabaseMalformed, gaps[0].Code)
		require.Equal(t, IssuedNotInIndex, gaps[1].Code)
		require.Equal(t, "1002", gaps[1].Object)
	})
	t.Run("of which nothing is known", func(t *testing.T) {
		lab := lab.copyTo(t)
		lab.write("index.txt", rows[0]+"broken\n"+rows[2])
		gaps := withoutNotes(lab.gaps(t))
		require.Len(t, gaps, 2, "%v", gaps)
		require.Equal(t, DatabaseMalformed, gaps[0].Code)
		require.Equal(t, DatabaseNotChecked, gaps[1].Code)
	})
	t.Run("more certificates without a row than such rows", func(t *testing.T) {
		lab := lab.copyTo(t)
		lab.write("index.txt", rows[0]+"broken\n")
		gaps := withoutNotes(lab.gaps(t))
		require.Len(t, gaps, 3, "%v", gaps)
		require.Equal(t, IssuedNotInIndex, gaps[1].Code)
	})
}
