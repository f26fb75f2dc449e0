package ca

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ca/pki"
)

// TestFindings breaks one thing at a time in a sound CA: exactly the named codes
// come up, and everything in the folder is captured all the same.
func TestFindings(t *testing.T) {
	sound := newLabCA(t, ecKey)
	sound.fill() // serials: 1000 valid, 1001 and 1002 revoked, 1003 expired, 1004 valid
	foreign := newLabCA(t, ecKey)
	foreign.remove("cacert.pem")
	foreign.selfSign("private/cakey.pem", "cacert.pem", "/O=Other/CN=Other CA", 3650)
	foreign.issue("other.example.com")
	impostor := newLabCA(t, ecKey) // same subject, another key
	impostor.issue("forged.example.com")
	impostor.crl()

	replace := func(name, old, replacement string) func(*labCA) {
		return func(c *labCA) {
			text := c.readText(name)
			require.Contains(c.t, text, old)
			c.write(name, strings.Replace(text, old, replacement, 1))
		}
	}
	write := func(name, content string) func(*labCA) { return func(c *labCA) { c.write(name, content) } }
	remove := func(name string) func(*labCA) { return func(c *labCA) { c.remove(name) } }
	// renew replaces the CA certificate by one with the same key.
	renew := func(days int, more ...string) func(*labCA) {
		return func(c *labCA) {
			c.selfSign("private/cakey.pem", "cacert.pem", "/O=Lab/CN=Lab Root CA", days, more...)
		}
	}
	extensions := func(lines string) func(*labCA) {
		return func(c *labCA) {
			c.write("odd.cnf", "[req]\ndistinguished_name=dn\n[dn]\n[odd]\n"+lines)
			c.openssl("req", "-x509", "-new", "-config", c.path("odd.cnf"), "-extensions", "odd", "-key", c.path("private/cakey.pem"),
				"-out", c.path("cacert.pem"), "-subj", "/O=Lab/CN=Lab Root CA", "-days", "3650")
		}
	}
	line := func(c *labCA, serial string) string {
		for row := range strings.Lines(c.readText("index.txt")) {
			if strings.Contains(row, "\t"+serial+"\t") {
				return row
			}
		}
		c.t.Fatalf("no row %s", serial)
		return ""
	}

	for name, row := range map[string]struct {
		change func(*labCA)
		after  time.Duration // the clock is ahead by this
		want   []string
	}{
		"sound": {func(*labCA) {}, 0, nil},

		"key is missing":      {remove("private/cakey.pem"), 0, []string{KeyNotContained}},
		"key of someone else": {write("private/cakey.pem", foreign.readText("private/cakey.pem")), 0, []string{KeyMismatch, KeyNotContained}},
		"key damaged":         {write("private/cakey.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"), 0, []string{KeyUnreadable}},
		"key is no PEM":       {write("private/cakey.pem", "gone"), 0, []string{FileNotRecognised, KeyNotContained}},
		"key encrypted": {func(c *labCA) {
			c.write("pass", passphrase)
			c.openssl("pkcs8", "-topk8", "-in", c.path("private/cakey.pem"), "-out", c.path("private/enc.pem"), "-passout", "file:"+c.path("pass"))
			c.remove("pass")
			require.NoError(c.t, os.Rename(c.path("private/enc.pem"), c.path("private/cakey.pem")))
		}, 0, []string{KeyEncrypted}},
		"key encrypted the old way, under any name": {func(c *labCA) {
			c.write("pass", passphrase)
			c.openssl("ec", "-in", c.path("private/cakey.pem"), "-aes256", "-out", c.path("private/signing.pem"), "-passout", "file:"+c.path("pass"))
			c.remove("pass")
			c.remove("private/cakey.pem")
		}, 0, []string{KeyEncrypted}},
		"key under any name":           {func(c *labCA) { require.NoError(c.t, os.Rename(c.path("private/cakey.pem"), c.path("x.pem"))) }, 0, nil},
		"key reference instead of key": {write("private/cakey.pem", "pkcs11:token=ca;object=signer?pin-value=1234\n"), 0, []string{KeyNotContained}},
		"key elsewhere says the config": {func(c *labCA) {
			remove("private/cakey.pem")(c)
			replace("openssl.cnf", "$dir/private/cakey.pem", "/hsm/ca.key")(c)
		}, 0, []string{KeyNotContained}},

		"CA certificate is missing":    {remove("cacert.pem"), 0, []string{CertificateMissing, CRLMissing}},
		"CA certificate damaged":       {write("cacert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), 0, []string{IssuedUnreadable, CRLMissing}},
		"CA certificate expired":       {func(*labCA) {}, 3700 * 24 * time.Hour, []string{CertificateExpired, CRLExpired}},
		"CA certificate not yet valid": {func(*labCA) {}, -24 * time.Hour, []string{CertificateNotYetValid, CRLNotYetValid}},
		"CA certificate is no CA":      {extensions("basicConstraints=CA:FALSE\n"), 0, []string{CertificateNotCA}},
		"CA certificate may not sign":  {extensions("basicConstraints=CA:TRUE\nkeyUsage=digitalSignature,keyCertSign\n"), 0, []string{CertificateNotCA}},
		"CA certificate renewed":       {renew(7300), 0, nil},
		"CA certificate of same name":  {write("cacert.pem", impostor.readText("cacert.pem")), 0, []string{KeyMismatch, KeyNotContained, SignatureInvalid, IssuedMissing, CRLSignatureInvalid, CRLMissing}},
		"CA certificate's root missing": {func(c *labCA) {
			c.openssl("req", "-new", "-config", "openssl.cnf", "-key", c.path("private/cakey.pem"), "-out", c.path("sub.csr"), "-subj", "/O=Lab/CN=Lab Root CA")
			c.openssl("x509", "-req", "-in", c.path("sub.csr"), "-CA", foreign.path("cacert.pem"), "-CAkey", foreign.path("private/cakey.pem"),
				"-set_serial", "77", "-extfile", "openssl.cnf", "-extensions", "v3_ca", "-days", "99", "-out", c.path("cacert.pem"))
		}, 0, []string{ChainIncomplete}},
		"CA certificate's root is here": {func(c *labCA) {
			c.openssl("req", "-new", "-config", "openssl.cnf", "-key", c.path("private/cakey.pem"), "-out", c.path("sub.csr"), "-subj", "/O=Lab/CN=Lab Root CA")
			c.openssl("x509", "-req", "-in", c.path("sub.csr"), "-CA", foreign.path("cacert.pem"), "-CAkey", foreign.path("private/cakey.pem"),
				"-set_serial", "77", "-extfile", "openssl.cnf", "-extensions", "v3_ca", "-days", "99", "-out", c.path("cacert.pem"))
			c.write("chain.pem", foreign.readText("cacert.pem"))
		}, 0, nil},

		"database is missing":      {remove("index.txt"), 0, []string{DatabaseMissing}},
		"row is malformed":         {replace("index.txt", "\t1000\t", "\t100\t"), 0, []string{DatabaseMalformed, DatabaseNotChecked}},
		"row is cut off":           {func(c *labCA) { c.write("index.txt", strings.TrimSuffix(c.readText("index.txt"), "\n")) }, 0, []string{DatabaseMalformed, DatabaseNotChecked}},
		"row is missing":           {func(c *labCA) { replace("index.txt", line(c, "1000"), "")(c) }, 0, []string{IssuedNotInIndex}},
		"row is there twice":       {func(c *labCA) { c.write("index.txt", c.readText("index.txt")+line(c, "1000")) }, 0, []string{SerialDuplicate}},
		"row gives another expiry": {func(c *labCA) { replace("index.txt", line(c, "1004"), "V\t490101000000Z\t\t1004\tunknown\t/CN=x\n")(c) }, 0, []string{IssuedDiffers}},
		"issued file is missing":   {remove("newcerts/1000.pem"), 0, []string{IssuedMissing}},
		"issued file is damaged":   {replace("newcerts/1000.pem", "MII", "AAA"), 0, []string{IssuedMissing, IssuedUnreadable}},
		"issued file is junk":      {write("newcerts/1000.pem", "junk"), 0, []string{IssuedMissing, IssuedUnreadable}},
		"issued file is misnamed": {func(c *labCA) {
			require.NoError(c.t, os.Rename(c.path("newcerts/1000.pem"), c.path("newcerts/2000.pem")))
		}, 0, []string{IssuedMisnamed}},
		"issued file is foreign": {write("newcerts/other.pem", foreign.readText("newcerts/1000.pem")), 0, []string{IssuedForeign}},
		"issued file is forged":  {write("newcerts/1000.pem", impostor.readText("newcerts/1000.pem")), 0, []string{IssuedMissing, SignatureInvalid}},
		"serial number twice": {func(c *labCA) {
			c.write("serial", "1004\n")
			previous := c.readText("index.txt")
			c.write("index.txt", "")
			certificate := c.readText("newcerts/1004.pem")
			c.issue("second.example.com")
			c.write("zz.pem", certificate)
			c.write("index.txt", strings.Replace(previous, line2(previous, "1004"), c.readText("index.txt"), 1))
		}, 0, []string{SerialDuplicate}},

		"serial file is behind":     {write("serial", "1004\n"), 0, []string{SerialBehind}},
		"serial file is far behind": {write("serial", "01\n"), 0, []string{SerialBehind}},
		"serial file is ahead":      {write("serial", "2000\n"), 0, nil},
		"serial file is missing":    {remove("serial"), 0, []string{SerialMissing}},
		"serial file is malformed":  {write("serial", "xyz\n"), 0, []string{DatabaseMalformed}},
		"serial file is empty":      {write("serial", ""), 0, []string{DatabaseMalformed}},
		"serial numbers are random": {func(c *labCA) { c.openssl("version"); random(c) }, 0, nil},

		"CRL is missing":               {remove("crl.pem"), 0, []string{CRLMissing}},
		"CRL is damaged":               {replace("crl.pem", "MII", "AAA"), 0, []string{CRLMissing, CRLUnreadable}},
		"CRL is forged":                {write("crl.pem", impostor.readText("crl.pem")), 0, []string{CRLMissing, CRLSignatureInvalid}},
		"CRL has expired":              {func(*labCA) {}, 31 * 24 * time.Hour, []string{CRLExpired}},
		"CRL is older than revocation": {func(c *labCA) { c.revoke("1004", "CACompromise") }, 0, []string{RevokedNotOnCRL}},
		"CRL has what was taken back": {func(c *labCA) {
			row := line(c, "1001")
			replace("index.txt", row, "V"+row[1:strings.Index(row, "Z")+1]+"\t\t1001\tunknown\t/CN=x\n")(c)
		}, 0, []string{OnCRLNotRevoked}},
		"CRL number file is behind":    {write("crlnumber", "01\n"), 0, []string{CRLNumberBehind}},
		"CRL number file is ahead":     {write("crlnumber", "09\n"), 0, []string{CRLNewerElsewhere}},
		"CRL number file is missing":   {remove("crlnumber"), 0, []string{CRLNumberMissing}},
		"CRL number file is malformed": {write("crlnumber", "1\n"), 0, []string{DatabaseMalformed}},
		"CRLs of before are kept":      {func(c *labCA) { c.write("crl/01.pem", c.readText("crl.pem")); c.crl() }, 0, nil},
		"CRL of someone else":          {func(c *labCA) { foreign.crl(); c.write("other.crl", foreign.readText("crl.pem")) }, 0, nil},
		"CRL as DER": {func(c *labCA) {
			c.openssl("crl", "-in", "crl.pem", "-outform", "DER", "-out", "ca.crl")
			c.remove("crl.pem")
		}, 0, nil},
		"revoked ones expired meanwhile": {func(c *labCA) { c.revoke("1003", "superseded") }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			lab := sound.copyTo(t)
			row.change(lab)
			sink, _ := collectAt(t, lab.dir, time.Now().Add(row.after))
			want := slices.Clone(row.want)
			slices.Sort(want)
			require.Equal(t, append([]string{}, want...), sink.codes(), "%v", sink.gaps)
			text, err := json.Marshal(sink.gaps)
			require.NoError(t, err)
			for _, secret := range []string{"1234", passphrase, "PRIVATE KEY", "example.com"} {
				require.NotContains(t, string(text), secret, "findings stand in the clear")
			}
			files := 0
			for _, c := range sink.calls {
				if c.Info.Path != "" {
					files++
				}
			}
			entries, err := os.ReadDir(lab.path("newcerts"))
			require.NoError(t, err)
			require.Greater(t, files, len(entries))
		})
	}
}

func line2(text, serial string) string {
	for row := range strings.Lines(text) {
		if strings.Contains(row, "\t"+serial+"\t") {
			return row
		}
	}
	return ""
}

// random starts the CA again with random serial numbers and a serial file that
// means nothing.
func random(c *labCA) {
	for _, serial := range []string{"1000", "1001", "1002", "1003", "1004"} {
		c.remove("newcerts/" + serial + ".pem")
	}
	c.write("index.txt", "")
	for _, name := range []string{"a", "b", "c"} {
		c.issue(name+".example.com", "-rand_serial")
	}
	c.write("serial", "01\n")
	c.crl()
}

func TestKeyReferenceInConfiguration(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	lab.remove("private/cakey.pem")
	config := lab.readText("openssl.cnf")
	lab.write("openssl.cnf", strings.Replace(config, "$dir/private/cakey.pem", "pkcs11:token=HSM;object=ca;pin-value=9876?pin-source=file:/pin9876", 1))
	sink, _ := collectNow(t, lab.dir)
	require.Equal(t, []string{KeyNotContained}, sink.codes())
	require.Contains(t, sink.gaps[0].Reason, "pkcs11:token=HSM;object=ca:")
	require.NotContains(t, sink.gaps[0].Reason, "9876")
}

func TestFindingsAreBounded(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	for i := range 5 * maxNamed {
		lab.write("blobs/"+string(rune('a'+i%26))+strings.Repeat("x", i), "blob")
	}
	sink, _ := collectNow(t, lab.dir)
	require.Len(t, sink.gaps, maxNamed+1)
	require.EqualValues(t, 4*maxNamed, sink.gaps[maxNamed].Count)
}

// TestCollectOtherAlgorithms has CAs whose algorithms Go does not know: captured,
// and said not to be checked.
func TestCollectOtherAlgorithms(t *testing.T) {
	for name, row := range map[string]struct {
		key  []string
		want []string
	}{
		"Ed25519":   {[]string{"genpkey", "-algorithm", "ED25519"}, []string{}},
		"P-521":     {[]string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"}, []string{}},
		"Ed448":     {[]string{"genpkey", "-algorithm", "ED448"}, []string{SignatureNotChecked, KeyUnreadable}},
		"brainpool": {[]string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, []string{SignatureNotChecked, KeyUnreadable}},
	} {
		t.Run(name, func(t *testing.T) {
			lab := newLabCA(t, row.key)
			if strings.HasPrefix(name, "Ed") {
				lab.write("openssl.cnf", strings.Replace(lab.readText("openssl.cnf"), "= sha256", "= default", 1))
			}
			lab.issue("www.example.com")
			sink, _ := collectNow(t, lab.dir)
			slices.Sort(row.want)
			require.Equal(t, row.want, sink.codes(), "%v", sink.gaps)
		})
	}
}

// TestCollectSelfSignedInIndex has a CA certificate that the CA's own index
// lists, as CA.pl makes it.
func TestCollectSelfSignedInIndex(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.remove("cacert.pem")
	lab.openssl("req", "-new", "-config", "openssl.cnf", "-key", lab.path("private/cakey.pem"), "-out", lab.path("ca.csr"), "-subj", "/CN=Self")
	lab.openssl("ca", "-batch", "-config", "openssl.cnf", "-selfsign", "-extensions", "v3_ca", "-keyfile", lab.path("private/cakey.pem"),
		"-in", lab.path("ca.csr"), "-out", lab.path("cacert.pem"), "-days", "400")
	lab.issue("www.example.com")
	sink, result := collectNow(t, lab.dir)
	require.Empty(t, sink.gaps)
	require.Len(t, sink.kinds(kindCopy), 1)
	require.Equal(t, "2", result.Cursor["certificates"])
	lab.remove("newcerts/1000.pem")
	sink, _ = collectNow(t, lab.dir)
	require.Empty(t, sink.gaps, "the CA certificate itself is there")
}

func TestCollectProviderKey(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	lab.write("private/cakey.pem", "-----BEGIN PKCS#11 PROVIDER URI-----\n"+
		base64.StdEncoding.EncodeToString([]byte("0\x30\x1a\x07PKCS#11\x0c\x10pkcs11:object=ca?pin-value=1234"))+"\n-----END PKCS#11 PROVIDER URI-----\n")
	sink, _ := collectNow(t, lab.dir)
	require.Equal(t, []string{KeyNotContained}, sink.codes())
	require.Contains(t, sink.gaps[0].Reason, "pkcs11:object=ca:")
	require.Len(t, sink.kinds(pki.KindKeyReference), 1)
}
