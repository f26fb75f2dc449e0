package sealtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/seal"
)

// made are files that OpenSSL made of one RSA key and its certificate: as PFX without and with
// a password, as an encrypted PKCS #8 key, and as PKCS #7.
//
//go:embed testdata
var made embed.FS

// PFXPassword opens the PFX that has a password.
const PFXPassword = "of-the-pfx"

// Material is key material of one kind.
type Material struct {
	Name string
	Data []byte
	// Recipient is the public key that the material stands for where public keys are taken,
	// as [seal.ParseRecipient] takes it. Empty when it is refused there.
	Recipient string
	// Certificate says that it is a certificate that is taken.
	Certificate bool
	// PFX says that it is a PFX file.
	PFX bool
	// Symmetric says that it is the base64 of a symmetric key.
	Symmetric bool
	// Secret is a part of it that must be repeated nowhere; empty when it is public.
	Secret string
}

// IsText reports whether people can paste it.
func (m Material) IsText() bool {
	return !bytes.ContainsFunc(m.Data, func(r rune) bool { return r == '\uFFFD' || r == 0 })
}

// Materials are all kinds. Certificates are valid at now.
func Materials(t testing.TB, now time.Time) []Material {
	t.Helper()
	file := func(name string) []byte {
		data, err := made.ReadFile("testdata/" + name)
		require.NoError(t, err)
		return data
	}
	text := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	openSSH, err := ssh.MarshalPrivateKey(key, "operator")
	require.NoError(t, err)
	public, err := ssh.NewPublicKey(key.Public())
	require.NoError(t, err)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(curve)
	require.NoError(t, err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "operator"}}, key)
	require.NoError(t, err)
	valid := certificate(t, key, now.Add(-time.Hour), now.AddDate(1, 0, 0))
	expired := certificate(t, key, now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
	ageFile, x25519, err := seal.GenerateIdentity(false, now)
	require.NoError(t, err)
	ageLine := ageFile.Reveal()[strings.Index(ageFile.Reveal(), "AGE-SECRET-KEY-"):]
	_, hybrid, err := seal.GenerateIdentity(true, now)
	require.NoError(t, err)
	symmetric := make([]byte, 32)
	_, err = rand.Read(symmetric)
	require.NoError(t, err)
	base64Key := base64.StdEncoding.EncodeToString(symmetric)
	locked := file("locked.pfx")
	// What programs write that do not know a length before its end (X.690, 8.1.3.6).
	endless := append(append([]byte{0x30, 0x80}, locked[4:]...), 0, 0)
	putty := "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: operator\nPublic-Lines: 1\n" + strings.Fields(line)[1] + "\nPrivate-Lines: 1\n" +
		base64.StdEncoding.EncodeToString(key.D.Bytes()) + "\nPrivate-MAC: 00\n"
	body := func(kind string, der []byte) string { return strings.Split(string(text(kind, der)), "\n")[5] }
	return []Material{
		{Name: "age recipient", Data: []byte(x25519.Text + "\n"), Recipient: x25519.Text},
		{Name: "age recipient, post-quantum", Data: []byte(hybrid.Text + "\n"), Recipient: hybrid.Text},
		{Name: "age recipient with a remark", Data: []byte("# of the safe\n" + x25519.Text + "\n"), Recipient: x25519.Text},
		{Name: "ssh-rsa line", Data: []byte(line + " operator\n"), Recipient: line},
		{Name: "RSA certificate in DER", Data: valid, Recipient: line, Certificate: true},
		{Name: "RSA certificate in PEM", Data: text("CERTIFICATE", valid), Recipient: line, Certificate: true},
		{Name: "RSA certificate in PEM with remarks", Data: append([]byte("Bag Attributes\n    friendlyName: operator\nsubject=CN = operator\n"), text("CERTIFICATE", valid)...), Recipient: line, Certificate: true},
		{Name: "expired certificate", Data: expired},
		{Name: "elliptic certificate", Data: certificate(t, curve, now.Add(-time.Hour), now.AddDate(1, 0, 0))},
		{Name: "two certificates", Data: append(text("CERTIFICATE", valid), text("CERTIFICATE", valid)...)},
		{Name: "certificate and recipient", Data: append(text("CERTIFICATE", valid), x25519.Text...)},
		{Name: "recipient and certificate", Data: append([]byte(x25519.Text+"\n"), text("CERTIFICATE", valid)...)},
		{Name: "certificate and damaged block", Data: append(text("CERTIFICATE", valid), text("CERTIFICATE", valid)[:300]...)},
		{Name: "certificate and private key", Data: append(text("CERTIFICATE", valid), text("PRIVATE KEY", pkcs8)...), Secret: body("PRIVATE KEY", pkcs8)},
		{Name: "certificate and age key", Data: append(text("CERTIFICATE", valid), ageLine...), Secret: ageLine[20:60]},
		{Name: "certificate request", Data: text("CERTIFICATE REQUEST", request)},
		{Name: "certificates in PKCS #7", Data: file("certificates.p7b")},
		{Name: "public key in DER", Data: spki},
		{Name: "public key in PEM", Data: text("PUBLIC KEY", spki)},
		{Name: "PFX without password", Data: file("open.pfx"), PFX: true},
		{Name: "PFX with password", Data: locked, PFX: true},
		{Name: "PFX without lengths", Data: endless},
		{Name: "private key in PKCS #1, DER", Data: pkcs1},
		{Name: "private key in PKCS #1, PEM", Data: text("RSA PRIVATE KEY", pkcs1), Secret: body("RSA PRIVATE KEY", pkcs1)},
		{Name: "private key in PKCS #8, DER", Data: pkcs8},
		{Name: "private key in PKCS #8, PEM", Data: text("PRIVATE KEY", pkcs8), Secret: body("PRIVATE KEY", pkcs8)},
		{Name: "private key in PKCS #8, body of PEM alone", Data: []byte(body("PRIVATE KEY", pkcs8) + "\n"), Secret: body("PRIVATE KEY", pkcs8)},
		{Name: "encrypted private key in DER", Data: file("encrypted.der")},
		{Name: "encrypted private key in PEM", Data: text("ENCRYPTED PRIVATE KEY", file("encrypted.der")), Secret: body("ENCRYPTED PRIVATE KEY", file("encrypted.der"))},
		{Name: "elliptic private key in DER", Data: sec1},
		{Name: "private key of OpenSSH", Data: pem.EncodeToMemory(openSSH), Secret: strings.Split(string(pem.EncodeToMemory(openSSH)), "\n")[5]},
		{Name: "private key of PuTTY", Data: []byte(putty), Secret: base64.StdEncoding.EncodeToString(key.D.Bytes())[:40]},
		{Name: "age key file", Data: []byte(ageFile.Reveal()), Secret: ageLine[20:60]},
		{Name: "age key", Data: []byte(ageLine), Secret: ageLine[20:60]},
		{Name: "age key in small letters", Data: []byte(strings.ToLower(ageLine)), Secret: strings.ToLower(ageLine[20:60])},
		{Name: "damaged recipient and age key", Data: []byte("age1damaged\n" + ageLine), Secret: ageLine[20:60]},
		{Name: "symmetric key", Data: []byte(base64Key), Symmetric: true, Secret: base64Key},
	}
}

func certificate(t testing.TB, key crypto.Signer, from, to time.Time) []byte {
	t.Helper()
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "operator"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	require.NoError(t, err)
	return der
}
