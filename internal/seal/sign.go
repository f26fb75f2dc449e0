package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	maxSignature = 16 << 10
	maxSigners   = 256 << 10
)

// SigningKey signs backups: Ed25519 in the SSHSIG format, which ssh-keygen -Y verify
// checks.
type SigningKey struct{ signer ssh.Signer }

// GenerateSigningKey makes a key as an OpenSSH private key in PEM.
func GenerateSigningKey(random io.Reader) (secret.String, error) {
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return secret.String{}, fmt.Errorf("generate a signing key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "infrabackup signing key")
	if err != nil {
		return secret.String{}, fmt.Errorf("encode the signing key: %w", err)
	}
	return secret.New(string(pem.EncodeToMemory(block))), nil
}

// ParseSigningKey takes what [GenerateSigningKey] made.
func ParseSigningKey(text secret.String) (*SigningKey, error) {
	signer, err := ssh.ParsePrivateKey([]byte(text.Reveal()))
	if err != nil || signer.PublicKey().Type() != ssh.KeyAlgoED25519 {
		return nil, refused("the signing key is not an Ed25519 private key in OpenSSH's format") // the cause could show it
	}
	return &SigningKey{signer: signer}, nil
}

// String names the public half only.
func (k *SigningKey) String() string { return "signing key " + k.Fingerprint() }

// GoString is [SigningKey.String].
func (k *SigningKey) GoString() string { return k.String() }

// Public is the public half in the form of authorized_keys, without a comment.
func (k *SigningKey) Public() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())))
}

// Fingerprint is the public half's SSH fingerprint, SHA256:….
func (k *SigningKey) Fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

// Sign signs the message in the namespace of backups and returns the armored
// signature (OpenSSH PROTOCOL.sshsig, SHA-512).
func (k *SigningKey) Sign(message []byte) ([]byte, error) {
	signature, err := sshsig.Sign(bytes.NewReader(message), k.signer, sshsig.HashSHA512, backup.SignatureNamespace)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sshsig.Armor(signature), nil
}

// AllowedSignersLine is the line of allowed_signers for a public key in the form of
// [SigningKey.Public], with its line break.
func AllowedSignersLine(public string) string {
	return backup.SignerIdentity + ` namespaces="` + backup.SignatureNamespace + `" ` + strings.TrimSpace(public) + "\n"
}

// VerifySignature checks an armored signature of the message against allowed signers
// and returns the fingerprint of the key that made it. Everything that is not right
// is a BACKUP_FORGED fault.
func VerifySignature(message, armored, allowedSigners []byte) (string, error) {
	if len(armored) > maxSignature || len(allowedSigners) > maxSigners {
		return "", fault.Newf(fault.BackupForged, "the signature or the list of signers is too long")
	}
	signature, err := sshsig.Unarmor(armored)
	if err != nil {
		return "", fault.New(fault.BackupForged, "the signature is malformed", err)
	}
	keys, err := parseSigners(allowedSigners)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if !bytes.Equal(key.Marshal(), signature.PublicKey.Marshal()) {
			continue
		}
		if err := sshsig.Verify(bytes.NewReader(message), signature, key, signature.HashAlgorithm, backup.SignatureNamespace); err != nil {
			return "", fault.New(fault.BackupForged, "the signature does not belong to these sums", err)
		}
		// A re-encoded signature would verify too; only the one encoding that is
		// written is accepted, so that every changed bit is noticed.
		if !bytes.Equal(sshsig.Armor(signature), armored) {
			return "", fault.Newf(fault.BackupForged, "the signature's text was changed")
		}
		return ssh.FingerprintSHA256(key), nil
	}
	return "", fault.Newf(fault.BackupForged, "the signature was made with key %s, which is not an allowed signer", ssh.FingerprintSHA256(signature.PublicKey))
}

// parseSigners reads the lines that belong to this product.
func parseSigners(data []byte) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		principal, rest, _ := strings.Cut(line, " ")
		if principal != backup.SignerIdentity {
			continue
		}
		// Options and key have the same form as in authorized_keys.
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(rest))
		if err != nil {
			return nil, fault.New(fault.BackupForged, "the list of allowed signers is malformed", err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fault.Newf(fault.BackupForged, "the list of allowed signers names nobody")
	}
	return keys, nil
}
