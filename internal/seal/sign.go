package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	maxSignature      = 8 << 10
	maxAllowedSigners = 256 << 10
)

// SigningKey signs the sums of backups: Ed25519 (RFC 8032). It prints without its
// private half.
type SigningKey struct {
	signer ssh.Signer
}

// GenerateSigningKey draws an Ed25519 key from random, which is crypto/rand.Reader
// outside tests, and returns it as PKCS #8 PEM.
func GenerateSigningKey(random io.Reader) (secret.String, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return secret.String{}, fault.New(fault.Internal, "draw a signing key", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed))
	clear(seed)
	if err != nil {
		return secret.String{}, fault.New(fault.Internal, "encode a signing key", err)
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), nil
}

// ParseSigningKey takes an unencrypted Ed25519 key in PEM, PKCS #8 or OpenSSH.
// KEY_INVALID otherwise; no error repeats any of the key.
func ParseSigningKey(text secret.String) (*SigningKey, error) {
	key, err := ssh.ParseRawPrivateKey([]byte(text.Reveal()))
	if err != nil {
		return nil, invalid("the signing key is malformed or encrypted", nil)
	}
	if p, ok := key.(*ed25519.PrivateKey); ok {
		key = *p
	}
	if _, ok := key.(ed25519.PrivateKey); !ok {
		return nil, invalid("the signing key is not an Ed25519 key", nil)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, invalid("the signing key cannot be used", nil)
	}
	return &SigningKey{signer: signer}, nil
}

// String names the key by its fingerprint.
func (k SigningKey) String() string { return k.Fingerprint() }

// Format implements [fmt.Formatter], so that no verb reaches the key.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Fingerprint()) }

// Public is the public half in the form of authorized_keys, without a comment:
// ssh-ed25519 AAAA…
func (k *SigningKey) Public() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())))
}

// Fingerprint is SHA256:… as ssh-keygen -l shows it.
func (k *SigningKey) Fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

// Sign returns an armored SSH signature (OpenSSH, PROTOCOL.sshsig) of message over
// its SHA-512, in the namespace [backup.SignatureNamespace]. The same message gives
// the same signature.
func (k *SigningKey) Sign(message []byte) ([]byte, error) {
	return k.sign(message, backup.SignatureNamespace)
}

// SignDrill is Sign in the namespace [backup.DrillNamespace].
func (k *SigningKey) SignDrill(message []byte) ([]byte, error) {
	return k.sign(message, backup.DrillNamespace)
}

func (k *SigningKey) sign(message []byte, namespace string) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), k.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fault.New(fault.Internal, "sign", err)
	}
	return sshsig.Armor(sig), nil
}

// AllowedSignersLine is the line of an allowed_signers file, newline included, that
// trusts the key for this program's namespace and nothing else (ssh-keygen(1),
// ALLOWED SIGNERS).
func AllowedSignersLine(public string) string {
	return signersLine(backup.SignerIdentity, backup.SignatureNamespace, public)
}

// DrillSignersLine is AllowedSignersLine for certificates of drills.
func DrillSignersLine(public string) string {
	return signersLine(backup.DrillNamespace, backup.DrillNamespace, public)
}

func signersLine(principal, namespace, public string) string {
	return fmt.Sprintf("%s namespaces=%q %s\n", principal, namespace, strings.TrimSpace(public))
}

// AllowedSigners renders an allowed_signers file that trusts the keys, in the order
// given: the newest one and those that signed what is still there.
func AllowedSigners(public ...string) []byte {
	var file strings.Builder
	for _, key := range public {
		file.WriteString(AllowedSignersLine(key))
	}
	return []byte(file.String())
}

// ParseAllowedSigners returns the keys of an allowed_signers file that
// [VerifySignature] would trust, in the form of authorized_keys and without comments.
// BACKUP_FORGED when it would refuse the file.
func ParseAllowedSigners(allowedSigners []byte) ([]string, error) {
	keys, err := purpose{backup.SignerIdentity, backup.SignatureNamespace, fault.BackupForged}.trustedKeys(allowedSigners)
	if err != nil {
		return nil, err
	}
	public := make([]string, 0, len(keys))
	for _, key := range keys {
		public = append(public, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	}
	return public, nil
}

// SignerFingerprint is SHA256:… of a public signing key in the form of authorized_keys,
// as ssh-keygen -l shows it and [VerifySignature] returns it. KEY_INVALID when it is none.
func SignerFingerprint(public string) (string, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil {
		return "", invalid("the signing key cannot be read", err)
	}
	return ssh.FingerprintSHA256(key), nil
}

// Trusts reports whether an allowed_signers file lists the key with a fingerprint.
func Trusts(allowedSigners []byte, fingerprint string) bool {
	keys, err := purpose{backup.SignerIdentity, backup.SignatureNamespace, fault.BackupForged}.trustedKeys(allowedSigners)
	return err == nil && slices.ContainsFunc(keys, func(key ssh.PublicKey) bool { return ssh.FingerprintSHA256(key) == fingerprint })
}

// VerifySignature checks an armored SSH signature of message against the keys of an
// allowed_signers file and returns the signer's fingerprint. BACKUP_FORGED for
// everything that is not a good Ed25519 signature over SHA-512, in the right
// namespace, by a listed key. Lines of other principals are passed over; a line of
// ours with an option other than our namespace is refused, since it might take
// trust away in a way that is not understood here.
func VerifySignature(message, armoredSig, allowedSigners []byte) (fingerprint string, err error) {
	return purpose{backup.SignerIdentity, backup.SignatureNamespace, fault.BackupForged}.verify(message, armoredSig, allowedSigners)
}

// VerifyDrill is VerifySignature for the certificate of a drill. CERTIFICATE_FORGED where that
// has BACKUP_FORGED.
func VerifyDrill(message, armoredSig, allowedSigners []byte) (fingerprint string, err error) {
	return purpose{backup.DrillNamespace, backup.DrillNamespace, fault.CertificateForged}.verify(message, armoredSig, allowedSigners)
}

// purpose is who may vouch for something, and the code for what nobody vouches for.
type purpose struct {
	principal, namespace string
	forged               fault.Code
}

func (v purpose) verify(message, armoredSig, allowedSigners []byte) (fingerprint string, err error) {
	sig, err := parseSignature(armoredSig)
	if err != nil {
		return "", fault.New(v.forged, "the signature cannot be read", err)
	}
	fingerprint = ssh.FingerprintSHA256(sig.PublicKey)
	keys, err := v.trustedKeys(allowedSigners)
	if err != nil {
		return "", err
	}
	wire := sig.PublicKey.Marshal()
	for _, key := range keys {
		if !bytes.Equal(key.Marshal(), wire) {
			continue
		}
		if err := sshsig.Verify(bytes.NewReader(message), sig, key, sshsig.HashSHA512, v.namespace); err != nil {
			return "", fault.New(v.forged, "the signature by "+fingerprint+" does not fit", err)
		}
		// The same signature can be written in other ways. Only the one way in which
		// Sign writes it is taken, so that every changed byte of the file is noticed.
		if !bytes.Equal(sshsig.Armor(sig), armoredSig) {
			return "", fault.Newf(v.forged, "the signature by %s is written in another form", fingerprint)
		}
		return fingerprint, nil
	}
	return "", fault.Newf(v.forged, "the signature is by %s, which is not an allowed signer", fingerprint)
}

func parseSignature(armored []byte) (*sshsig.Signature, error) {
	if len(armored) > maxSignature {
		return nil, errors.New("it is too large")
	}
	if !bytes.HasPrefix(armored, []byte("-----BEGIN "+sshsig.PEMType+"-----")) {
		return nil, errors.New("it does not begin like an SSH signature")
	}
	block, rest := pem.Decode(armored)
	switch {
	case block == nil || block.Type != sshsig.PEMType || len(block.Headers) != 0:
		return nil, errors.New("its armor is malformed")
	case len(rest) != 0:
		return nil, errors.New("something follows it")
	}
	sig, err := sshsig.ParseSignature(block.Bytes)
	switch {
	case err != nil:
		return nil, err
	case sig.PublicKey.Type() != ssh.KeyAlgoED25519 || sig.Signature.Format != ssh.KeyAlgoED25519:
		return nil, errors.New("it is not an Ed25519 signature")
	case sig.HashAlgorithm != sshsig.HashSHA512:
		return nil, errors.New("it is not over SHA-512")
	}
	return sig, nil
}

func (v purpose) trustedKeys(allowedSigners []byte) ([]ssh.PublicKey, error) {
	keys, err := v.parse(allowedSigners)
	if err != nil {
		return nil, fault.New(v.forged, "the list of allowed signers cannot be read", err)
	}
	return keys, nil
}

func (v purpose) parse(data []byte) ([]ssh.PublicKey, error) {
	if len(data) > maxAllowedSigners {
		return nil, errors.New("it is too large")
	}
	var keys []ssh.PublicKey
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		principal, rest, _ := strings.Cut(line, " ")
		if principal != v.principal {
			continue // empty, a comment, or somebody else's
		}
		rest = strings.TrimPrefix(rest, fmt.Sprintf("namespaces=%q ", v.namespace))
		if !strings.HasPrefix(rest, ssh.KeyAlgoED25519+" ") {
			return nil, fmt.Errorf("line %d is not of the form that allowed_signers has here", n)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(rest))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
