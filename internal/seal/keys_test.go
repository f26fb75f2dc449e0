package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

var now = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// rsaKey is one key for all tests, since making one takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func certificate(t testing.TB, key crypto.Signer, from, to time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "backup"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return der
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// rsaForms are the ways in which an RSA private key is stored.
func rsaForms(t testing.TB) map[string][]byte {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	require.NoError(t, err)
	openssh, err := ssh.MarshalPrivateKey(rsaKey(), "comment")
	require.NoError(t, err)
	return map[string][]byte{
		"PKCS1":   pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())),
		"PKCS8":   pemOf("PRIVATE KEY", pkcs8),
		"OpenSSH": pem.EncodeToMemory(openssh),
	}
}

func sshLine(t testing.TB, public any) string {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func generate(t testing.TB, postQuantum bool) (string, Recipient) {
	t.Helper()
	text, r, err := GenerateIdentity(postQuantum, now)
	require.NoError(t, err)
	return text.Reveal(), r
}

func TestGeneratedIdentityIsAnAgeIdentityFile(t *testing.T) {
	for kind, postQuantum := range map[string]bool{KindX25519: false, KindHybrid: true} {
		text, r := generate(t, postQuantum)
		require.Equal(t, kind, r.Kind)
		require.Contains(t, text, "# created: 2026-11-22T08:30:00Z\n# public key: "+r.Text+"\nAGE-SECRET-KEY-")
		ids, err := ParseIdentities([]byte(text))
		require.NoError(t, err)
		require.Len(t, ids, 1)
		require.Equal(t, r.Text, ids[0].Public())
		require.Equal(t, r.Fingerprint, ids[0].Recipient().Fingerprint)
		again, err := ParseRecipient(" " + r.Text + "\n")
		require.NoError(t, err)
		require.Equal(t, r.Fingerprint, again.Fingerprint)
		require.Regexp(t, `^SHA256:[A-Za-z0-9+/]{43}$`, r.Fingerprint)
		back, err := ParseIdentities([]byte(ids[0].Text().Reveal()))
		require.NoError(t, err)
		require.Equal(t, r.Text, back[0].Public())
	}
}

func TestMakeWrappedKey(t *testing.T) {
	x25519, plain := generate(t, false)
	hybrid, quantum := generate(t, true)
	for name, test := range map[string]struct {
		recipient, identity string
	}{
		"X25519": {plain.Text, x25519},
		"hybrid": {quantum.Text, hybrid},
		"RSA":    {sshLine(t, rsaKey().Public()), string(rsaForms(t)["PKCS8"])},
	} {
		t.Run(name, func(t *testing.T) {
			recipient, keyAge, err := MakeWrappedKey([]string{test.recipient})
			require.NoError(t, err)
			ids, err := ParseIdentities([]byte(test.identity))
			require.NoError(t, err)
			id, err := OpenBackupKey(keyAge, ids)
			require.NoError(t, err)
			require.Equal(t, recipient, id.Public())
		})
	}
	for _, recipients := range [][]string{nil, {"age1x"}, {plain.Text, "age1x"}, {plain.Text, quantum.Text}} {
		_, _, err := MakeWrappedKey(recipients)
		require.ErrorIs(t, err, fault.KeyInvalid)
	}
}

func TestRSAKeysInEveryForm(t *testing.T) {
	want, err := ParseRecipient(sshLine(t, rsaKey().Public()) + " some comment")
	require.NoError(t, err)
	require.Equal(t, KindRSA, want.Kind)
	require.NotContains(t, want.Text, "comment")
	der := certificate(t, rsaKey(), now.Add(-time.Hour), now.Add(time.Hour))
	for name, data := range map[string][]byte{"DER": der, "PEM": pemOf("CERTIFICATE", der), "PEM with text": append([]byte("subject: backup\n"), pemOf("CERTIFICATE", der)...)} {
		r, err := LoadRecipient(data, now)
		require.NoError(t, err, name)
		require.Equal(t, want.Text, r.Text)
		require.Equal(t, want.Fingerprint, r.Fingerprint)
		require.Equal(t, now.Add(time.Hour), r.Expires)
	}
	for name, data := range rsaForms(t) {
		ids, err := ParseIdentities(append(pemOf("CERTIFICATE", der), data...))
		require.NoError(t, err, name)
		require.Equal(t, want.Text, ids[0].Public())
		require.True(t, ids[0].Text().IsZero())
	}
}

// TestDerivationsAreFixed holds the derivations to values that OpenSSL and an
// independent Bech32 gave, because backups depend on them for ever.
func TestDerivationsAreFixed(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	r, err := RecipientFromSymmetricKey(secret.New(key))
	require.NoError(t, err)
	require.Equal(t, symmetricVector, r.Text)
	ids, err := ParseIdentities([]byte("# our key\n" + key + "\n"))
	require.NoError(t, err)
	require.Equal(t, r.Text, ids[0].Public())

	id, text, err := DeriveIdentity([32]byte{1})
	require.NoError(t, err)
	require.Equal(t, workVector, text)
	require.Equal(t, text, id.Public())
	_, other, err := DeriveIdentity([32]byte{2})
	require.NoError(t, err)
	require.NotEqual(t, text, other)
}

const (
	symmetricVector = "age1t3x6fphaftxjztst0n0razpgp6mysez2vvnun6cv4mj57qxhuqsq9rqh38"
	workVector      = "age1xp7lm6hfr4tsvs3s8mt4c0hf82wur2vs2az87qyf4f5ukd5rr4uqs3gdtf"
)

func TestRecipientsAreRefusedWithReason(t *testing.T) {
	_, x := generate(t, false)
	private, _ := generate(t, false)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ed, _, err := ed25519Line(t)
	require.NoError(t, err)
	valid := certificate(t, rsaKey(), now.Add(-time.Hour), now.Add(time.Hour))
	for name, tc := range map[string]struct{ data, reason string }{
		"empty":           {"", "empty"},
		"comment only":    {"# nothing\n", "empty"},
		"bad checksum":    {x.Text[:len(x.Text)-1] + swapped(x.Text[len(x.Text)-1]), "malformed"},
		"cut":             {x.Text[:20], "malformed"},
		"mixed case":      {strings.Replace(x.Text, "age1", "age1Q", 1), "malformed"},
		"plugin":          {"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "malformed"},
		"private":         {private, "private key"},
		"two":             {x.Text + "\n" + x.Text, "more than one"},
		"words":           {"please use my key", "no recipient"},
		"small RSA":       {smallRSA, "1024 bits"},
		"ed25519":         {ed, "ssh-ed25519"},
		"ecdsa":           {sshLine(t, ec.Public()), "ecdsa-sha2-nistp256"},
		"broken ssh-rsa":  {"ssh-rsa AAAA", "malformed"},
		"EC certificate":  {string(certificate(t, ec, now.Add(-time.Hour), now.Add(time.Hour))), "ECDSA"},
		"expired":         {string(certificate(t, rsaKey(), now.Add(-2*time.Hour), now.Add(-time.Hour))), "expired at 2026-11-22T07:30:00Z"},
		"not yet valid":   {string(certificate(t, rsaKey(), now.Add(time.Hour), now.Add(2*time.Hour))), "not valid before"},
		"cut DER":         {string(valid[:len(valid)-9]), "malformed"},
		"two PEM":         {string(append(pemOf("CERTIFICATE", valid), pemOf("CERTIFICATE", valid)...)), "more than one"},
		"PEM private key": {string(rsaForms(t)["PKCS8"]), "private key"},
		"PEM of a CSR":    {string(pemOf("CERTIFICATE REQUEST", []byte("x"))), "not a certificate"},
		"cut PEM":         {string(pemOf("CERTIFICATE", valid)[:300]), "malformed"},
		"too large":       {strings.Repeat("x", maxKeyText+1), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadRecipient([]byte(tc.data), now)
			require.ErrorIs(t, err, fault.KeyInvalid)
			require.ErrorContains(t, err, tc.reason)
		})
	}
}

func swapped(c byte) string {
	if c == 'q' {
		return "p"
	}
	return "q"
}

func TestSymmetricKeysAreRefusedWithReason(t *testing.T) {
	for name, tc := range map[string]struct{ text, reason string }{
		"31 bytes": {base64.StdEncoding.EncodeToString(make([]byte, 31)), "fewer than 32"},
		"no key":   {"", "fewer than 32"},
		"no text":  {"!!!", "base64"},
		"long":     {strings.Repeat("A", 9000), "too long"},
	} {
		_, err := RecipientFromSymmetricKey(secret.New(tc.text))
		require.ErrorIs(t, err, fault.KeyInvalid, name)
		require.ErrorContains(t, err, tc.reason, name)
	}
}

func TestIdentitiesAreRefusedWithReasonAndWithoutTheKey(t *testing.T) {
	private, r := generate(t, false)
	key := private[strings.Index(private, "AGE-SECRET-KEY-"):]
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	require.NoError(t, err)
	ecSEC1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	//nolint:staticcheck // the old encryption of PEM is what is to be refused
	legacy := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("x")}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(rsaKey(), "", []byte("secret"))
	require.NoError(t, err)
	forms := rsaForms(t)
	for name, tc := range map[string]struct {
		data   []byte
		reason string
	}{
		"empty":           {nil, "empty"},
		"comments":        {[]byte("# x\n#y\n"), "no key"},
		"damaged":         {[]byte(strings.Replace(key, "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1)), "line 1"},
		"damaged hybrid":  {[]byte("# one\n\nAGE-SECRET-KEY-PQ-1XYZ"), "line 3"},
		"recipient":       {[]byte(r.Text), "recipient"},
		"plugin":          {[]byte("AGE-PLUGIN-YUBIKEY-1XXXX"), "plugin"},
		"encrypted age":   {[]byte("age-encryption.org/v1\n-> scrypt"), "itself encrypted"},
		"encrypted PKCS1": {pem.EncodeToMemory(legacy), "passphrase"},
		"encrypted PKCS8": {pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "passphrase"},
		"encrypted SSH":   {pem.EncodeToMemory(locked), "passphrase"},
		"EC":              {pemOf("PRIVATE KEY", ecDER), "not an RSA key"},
		"EC SEC1":         {pemOf("EC PRIVATE KEY", ecSEC1), "only RSA"},
		"damaged RSA":     {pemOf("RSA PRIVATE KEY", []byte("x")), "malformed"},
		"cut PEM":         {forms["PKCS1"][:200], "no private key"},
		"two PEM":         {append(bytes.Clone(forms["PKCS1"]), forms["PKCS8"]...), "more than one"},
		"certificate":     {pemOf("CERTIFICATE", []byte("x")), "no private key"},
		"PFX":             {[]byte{0x30, 0x82, 0x0a, 0xff, 2, 1, 3}, "PFX"},
		"too large":       {make([]byte, maxIdentityFile+1), "too large"},
		"too many":        {[]byte(strings.Repeat(key, maxIdentities+1)), "more than 64"},
		"31 bytes":        {[]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 31))), "fewer than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseIdentities(tc.data)
			require.ErrorIs(t, err, fault.KeyInvalid)
			require.ErrorContains(t, err, tc.reason)
			require.NotContains(t, err.Error(), key[20:40])
		})
	}
}

func TestPrivateKeysDoNotPrint(t *testing.T) {
	private, _ := generate(t, false)
	ids, err := ParseIdentities([]byte(private))
	require.NoError(t, err)
	id := ids[0]
	backupKey, err := NewBackupKey()
	require.NoError(t, err)
	pemText, err := GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	signing, err := ParseSigningKey(pemText)
	require.NoError(t, err)
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{id, &id, ids, backupKey, *backupKey, signing, *signing, pemText} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&log, verb, v)
		}
		logger.Info("x", "v", v)
	}
	_, err = json.Marshal(id)
	require.Error(t, err)
	for _, secretText := range []string{id.Text().Reveal(), backupKey.identity.text.Reveal(), pemText.Reveal()} {
		require.NotContains(t, log.String(), secretText[len(secretText)/3:len(secretText)/2])
	}
	require.NotContains(t, log.String(), "SECRET-KEY")
	seed := signing.signer.PublicKey().Marshal() // as numbers, it would stand beside the private half
	require.NotContains(t, log.String(), strings.Trim(fmt.Sprint(seed[20:26]), "[]"))
}

// smallRSA is a public key of 1024 bits, which Go does not make any more.
const smallRSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCrcKGQ66iaGP7bw6wtU1dca1/xW54nqUUpj/owoEBTt6/JNa670BwPDlTZ3lbr58FUp0CkjeiX7Fdce9DOb/Ofe4ArugZD9plYuS6xhUNsfALKl0fZZASVzRkEFMjq7jadXUuHg7cnvhLXMtMC/ZR5c/DlLibK3WQE/bNqaJ1vYw=="

func ed25519Line(t testing.TB) (string, *SigningKey, error) {
	t.Helper()
	text, err := GenerateSigningKey(rand.Reader)
	if err != nil {
		return "", nil, err
	}
	key, err := ParseSigningKey(text)
	if err != nil {
		return "", nil, err
	}
	return key.Public(), key, nil
}

func TestThumbprintOfACertificate(t *testing.T) {
	der := certificate(t, rsaKey(), now.Add(-time.Hour), now.Add(time.Hour))
	r, err := RecipientFromCertificate(der, now)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%X", sha1.Sum(der)), r.Thumbprint)
}
