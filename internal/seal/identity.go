package seal

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/secret"
)

const (
	maxIdentityFile = 256 << 10
	maxIdentities   = 64
)

// Identity is a private key that opens backups. It prints as [secret.Redacted] and
// is not marshalled. The zero value is none.
type Identity struct {
	identity  age.Identity
	recipient Recipient
	text      secret.String
}

// Recipient is the public half.
func (i Identity) Recipient() Recipient { return i.recipient }

// Public is the public half's text, which [Encrypt] takes.
func (i Identity) Public() string { return i.recipient.Text }

// Text is the line of an age identity file that stands for this identity, which
// [ParseIdentities] takes. It is zero for RSA keys, which have no such line.
func (i Identity) Text() secret.String { return i.text }

// String implements [fmt.Stringer] without telling anything.
func (i Identity) String() string { return secret.Redacted }

// GoString implements [fmt.GoStringer].
func (i Identity) GoString() string { return secret.Redacted }

// Format implements [fmt.Formatter], so that no verb reaches the key.
func (i Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Redacted)) }

// LogValue implements [slog.LogValuer].
func (i Identity) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalJSON always fails: only [Identity.Text] leaves the process.
func (i Identity) MarshalJSON() ([]byte, error) {
	return nil, errors.New("seal: an identity is not marshalled")
}

// ParseIdentities reads an operator's key file: an age identity file (X25519 and
// hybrid keys, comments), an RSA private key in PEM (PKCS #1, PKCS #8 or OpenSSH,
// not encrypted), or one line with a base64 symmetric key of at least 32 bytes.
// KEY_INVALID with the reason otherwise; no error repeats any of data.
func ParseIdentities(data []byte) ([]Identity, error) {
	trimmed := bytes.TrimSpace(data)
	switch {
	case len(data) > maxIdentityFile:
		return nil, invalid("the key file is too large", nil)
	case len(trimmed) == 0:
		return nil, invalid("the key file is empty", nil)
	case bytes.HasPrefix(trimmed, []byte("age-encryption.org/")) || bytes.HasPrefix(trimmed, []byte("-----BEGIN AGE ENCRYPTED FILE")):
		return nil, invalid("the key file is itself encrypted; decrypt it first with age -d", nil)
	case bytes.Contains(trimmed, []byte("-----BEGIN ")):
		id, err := pemIdentity(trimmed)
		if err != nil {
			return nil, err
		}
		return []Identity{id}, nil
	case !utf8.Valid(trimmed):
		return nil, invalid("the key file is binary: a PFX or DER file has to be converted first, with openssl pkcs12 -nodes -nocerts -in FILE -out key.pem", nil)
	}
	return textIdentities(string(trimmed))
}

func textIdentities(text string) ([]Identity, error) {
	var ids []Identity
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(ids) == maxIdentities {
			return nil, fault.Newf(fault.KeyInvalid, "the key file holds more than %d keys", maxIdentities)
		}
		id, err := lineIdentity(line)
		if err != nil {
			return nil, invalid(fmt.Sprintf("line %d of the key file", n), err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, invalid("the key file holds no key", nil)
	}
	return ids, nil
}

// lineIdentity reads one key. Its errors are its own and fixed: those of the parsers
// below might repeat a part of the key.
func lineIdentity(line string) (Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		id, err := age.ParseHybridIdentity(line)
		if err != nil {
			return Identity{}, errors.New("malformed hybrid age key")
		}
		return hybridIdentity(id), nil
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return Identity{}, errors.New("malformed age key")
		}
		return x25519Identity(id), nil
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return Identity{}, errors.New("keys of age plugins are not taken; open key.age with age -d itself")
	case strings.HasPrefix(line, "age1"):
		return Identity{}, errors.New("this is a recipient, the public half; the private key is needed")
	}
	id, err := symmetricIdentity(secret.New(line))
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

func x25519Identity(id *age.X25519Identity) Identity {
	return Identity{
		identity: id, text: secret.New(id.String()),
		recipient: ageRecipient(KindX25519, id.Recipient().String(), id.Recipient()),
	}
}

func hybridIdentity(id *age.HybridIdentity) Identity {
	return Identity{
		identity: id, text: secret.New(id.String()),
		recipient: ageRecipient(KindHybrid, id.Recipient().String(), id.Recipient()),
	}
}

const encryptedPEM = "the private key is protected by a passphrase; remove it first, into a file that only you can read: "

// pemIdentity takes the only private key among the blocks of a PEM file.
func pemIdentity(data []byte) (Identity, error) {
	var found *rsa.PrivateKey
	for rest := data; ; {
		block, next := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = next
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue // certificates often stand beside their key
		}
		if found != nil {
			return Identity{}, invalid("the key file holds more than one private key", nil)
		}
		key, err := pemKey(block)
		if err != nil {
			return Identity{}, err
		}
		found = key
	}
	if found == nil {
		return Identity{}, invalid("the PEM file holds no private key, or is malformed", nil)
	}
	return rsaIdentity(found)
}

func rsaIdentity(key *rsa.PrivateKey) (Identity, error) {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return Identity{}, invalid("the RSA key cannot be used", nil)
	}
	recipient, err := rsaRecipient(signer.PublicKey())
	if err != nil {
		return Identity{}, err
	}
	id, err := agessh.NewRSAIdentity(key)
	if err != nil {
		return Identity{}, invalid("the RSA key cannot be used", nil)
	}
	return Identity{identity: id, recipient: recipient}, nil
}

func pemKey(block *pem.Block) (*rsa.PrivateKey, error) {
	var key any
	var err error
	switch block.Type {
	case "ENCRYPTED PRIVATE KEY":
		return nil, invalid(encryptedPEM+"openssl pkey -in FILE -out key.pem", nil)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" || block.Headers["Proc-Type"] != "" {
			return nil, invalid(encryptedPEM+"openssl pkey -in FILE -out key.pem", nil)
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "OPENSSH PRIVATE KEY":
		key, err = ssh.ParseRawPrivateKey(pem.EncodeToMemory(block))
		var missing *ssh.PassphraseMissingError
		if errors.As(err, &missing) {
			return nil, invalid(encryptedPEM+"ssh-keygen -p -f a copy of it", nil)
		}
	default:
		return nil, invalid("the key file holds a "+shown(block.Type)+"; only RSA keys can decrypt", nil)
	}
	if err != nil {
		return nil, invalid("the private key is malformed", nil) // the cause might quote it
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, invalid("the private key is not an RSA key; only RSA can decrypt", nil)
	}
	return private, nil
}

// shown is a name from a key file as a message repeats it.
func shown(s string) string { return strconv.Quote(printable.Clip(s, 40)) }

// GenerateIdentity makes a key for an operator to keep offline: the text of a
// standard age identity file, and its recipient. Hybrid keys withstand quantum
// computers, but age before 1.3 cannot read what is encrypted to them. Now is noted
// in a comment, as age-keygen does.
func GenerateIdentity(postQuantum bool, now time.Time) (text secret.String, r Recipient, err error) {
	id, err := newIdentity(postQuantum)
	if err != nil {
		return secret.String{}, Recipient{}, err
	}
	return secret.New("# Opens backups. Keep it offline, in more than one place.\n" +
		"# created: " + now.UTC().Format(time.RFC3339) + "\n" +
		"# public key: " + id.recipient.Text + "\n" + id.text.Reveal() + "\n"), id.recipient, nil
}

func newIdentity(postQuantum bool) (Identity, error) {
	if postQuantum {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return Identity{}, fault.New(fault.Internal, "generate a hybrid key", err)
		}
		return hybridIdentity(id), nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fault.New(fault.Internal, "generate a key", err)
	}
	return x25519Identity(id), nil
}

// decodeBase64 takes standard base64 with or without padding.
func decodeBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
}
