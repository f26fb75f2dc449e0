package seal

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"infrabackup/internal/fault"
)

// Sizes in an age file (age-encryption.org/v1, and C2SP's age-ssh and the hybrid type).
const (
	ageVersion     = "age-encryption.org/v1"
	stanzaColumns  = 64
	wrappedFileKey = 16 + 16   // file key and tag, of all types but ssh-rsa
	x25519Share    = 32        // of an X25519 stanza
	hybridShare    = 1088 + 32 // of a hybrid one: ML-KEM-768 ciphertext and X25519 share
	payloadNonce   = 16
	payloadTag     = 16
)

// stanza is one wrapping of an age file's key.
type stanza struct {
	kind string // as [Recipient].Kind
	tag  string // of an ssh-rsa key, which it names; empty for the others, which name nobody
}

// CheckKeyFile makes sure, without any private key, that a file can be a key.age that is
// wrapped to exactly these recipients: a well-formed age file of one backup key's size
// whose header has as many stanzas of each kind as there are recipients, and for RSA keys
// names these. KEY_INVALID otherwise. That it holds the backup's key, and that an X25519 or
// hybrid stanza is for the recipient that it is counted for, only a holder can tell.
func CheckKeyFile(keyAge []byte, recipients []Recipient) error {
	if len(keyAge) > MaxKeyFile {
		return fault.Newf(fault.KeyInvalid, "key.age has %d bytes, at most %d are possible", len(keyAge), MaxKeyFile)
	}
	stanzas, payload, err := parseHeader(keyAge)
	if err != nil {
		return invalid("this is no key.age", err)
	}
	if payload <= payloadNonce+payloadTag || payload > payloadNonce+payloadTag+maxBackupKey {
		return fault.Newf(fault.KeyInvalid, "key.age has %d bytes behind its header, which is not the size of a key", payload)
	}
	var found, wanted []string
	for _, s := range stanzas {
		found = append(found, s.kind+" "+s.tag)
	}
	for _, r := range recipients {
		tag, err := stanzaTag(r)
		if err != nil {
			return err
		}
		wanted = append(wanted, r.Kind+" "+tag)
	}
	slices.Sort(found)
	slices.Sort(wanted)
	if !slices.Equal(found, wanted) {
		return fault.Newf(fault.KeyInvalid, "key.age is wrapped to %q, not to the current recipients: %q", found, wanted)
	}
	return nil
}

// stanzaTag is what the stanza of an RSA key names it by.
func stanzaTag(r Recipient) (string, error) {
	if r.Kind != KindRSA {
		return "", nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Text))
	if err != nil {
		return "", invalid("the recipient is malformed", err)
	}
	if cryptoKey, ok := key.(ssh.CryptoPublicKey); !ok {
		return "", invalid("the key is not an RSA key", nil)
	} else if _, ok := cryptoKey.CryptoPublicKey().(*rsa.PublicKey); !ok {
		return "", invalid("the key is not an RSA key", nil)
	}
	sum := sha256.Sum256(key.Marshal())
	return base64.RawStdEncoding.EncodeToString(sum[:4]), nil
}

// parseHeader reads the header of an age file strictly, and returns the size of what comes
// behind it.
func parseHeader(file []byte) ([]stanza, int, error) {
	rest := file
	line, err := headerLine(&rest)
	if err != nil || line != ageVersion {
		return nil, 0, fmt.Errorf("it does not begin as age files of version 1 do")
	}
	var stanzas []stanza
	for {
		if line, err = headerLine(&rest); err != nil {
			return nil, 0, err
		}
		if mac, ok := strings.CutPrefix(line, "--- "); ok {
			if _, err := decoded(mac, sha256.Size); err != nil {
				return nil, 0, fmt.Errorf("its header ends without a MAC")
			}
			return stanzas, len(rest), nil
		}
		if len(stanzas) == maxRecipients {
			return nil, 0, fmt.Errorf("it has more than %d stanzas", maxRecipients)
		}
		s, err := parseStanza(line, &rest)
		if err != nil {
			return nil, 0, err
		}
		stanzas = append(stanzas, s)
	}
}

func parseStanza(line string, rest *[]byte) (stanza, error) {
	fields := strings.Split(line, " ")
	if len(fields) != 3 || fields[0] != "->" {
		return stanza{}, fmt.Errorf("its header has a line that is none")
	}
	s := stanza{}
	share, body := 0, wrappedFileKey
	switch fields[1] {
	case "X25519":
		s.kind, share = KindX25519, x25519Share
	case "mlkem768x25519":
		s.kind, share = KindHybrid, hybridShare
	case "ssh-rsa":
		s.kind, s.tag, share, body = KindRSA, fields[2], 4, -1
	default:
		return stanza{}, fmt.Errorf("it is wrapped with %.40q, which no recipient is", fields[1])
	}
	if _, err := decoded(fields[2], share); err != nil {
		return stanza{}, fmt.Errorf("a stanza %s has a malformed argument", fields[1])
	}
	var text strings.Builder
	for {
		l, err := headerLine(rest)
		if err != nil {
			return stanza{}, err
		}
		if len(l) > stanzaColumns {
			return stanza{}, fmt.Errorf("a stanza %s has a line of %d columns", fields[1], len(l))
		}
		text.WriteString(l)
		if len(l) < stanzaColumns {
			break
		}
	}
	data, err := decoded(text.String(), body)
	if err != nil || body < 0 && (len(data) < minRSABits/8 || len(data) > maxRSABits/8) {
		return stanza{}, fmt.Errorf("a stanza %s has a malformed body", fields[1])
	}
	return s, nil
}

// headerLine cuts the next line off.
func headerLine(rest *[]byte) (string, error) {
	i := bytes.IndexByte(*rest, '\n')
	if i < 0 {
		return "", fmt.Errorf("its header has no end")
	}
	line := string((*rest)[:i])
	*rest = (*rest)[i+1:]
	return line, nil
}

// decoded takes canonical unpadded base64 of so many bytes, any number when size is
// negative.
func decoded(text string, size int) ([]byte, error) {
	data, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err == nil && (strings.ContainsAny(text, "\r\n") || size >= 0 && len(data) != size) {
		err = fmt.Errorf("%d bytes", len(data))
	}
	return data, err
}
