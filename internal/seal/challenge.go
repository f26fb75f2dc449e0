package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	maxChallenge      = 64 << 10 // room for the armor of the largest RSA key, and for what mail adds
	maxChallengePlain = 4 << 10
	maxAnswerText     = 64 << 10
	answerPrefix      = "infrabackup-proof-"
	answerBytes       = 20
)

var (
	answerEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	answerPattern  = regexp.MustCompile(`^` + answerPrefix + `[a-z2-7]{32}$`)
)

// NewChallenge makes a riddle that only the holder of r's private half can solve:
// an armored age file, as text that can be mailed, whose last line is the answer.
// The answer is drawn from random, which is crypto/rand.Reader outside tests.
// KEY_INVALID when r is none; instance must satisfy [backup.ValidateInstanceName].
func NewChallenge(r Recipient, instance string, random io.Reader) (challenge []byte, answer secret.String, err error) {
	if r.recipient == nil {
		return nil, secret.String{}, invalid("a recipient cannot be challenged", errNoRecipient)
	}
	if err := backup.ValidateInstanceName(instance); err != nil {
		return nil, secret.String{}, fault.New(fault.Internal, "create a challenge", err)
	}
	drawn := make([]byte, answerBytes)
	if _, err := io.ReadFull(random, drawn); err != nil {
		return nil, secret.String{}, fault.New(fault.Internal, "draw the answer of a challenge", err)
	}
	answer = secret.New(answerPrefix + answerEncoding.EncodeToString(drawn))
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, r.recipient)
	if err != nil {
		return nil, secret.String{}, invalid("the recipient cannot be challenged", err)
	}
	_, err = fmt.Fprintf(w, "Answer of %s for key %s:\n%s\n", instance, r.Fingerprint, answer.Reveal())
	if err = errors.Join(err, w.Close(), text.Close()); err != nil {
		return nil, secret.String{}, fault.New(fault.Internal, "create a challenge", err)
	}
	return out.Bytes(), answer, nil
}

// Challenge is something that only the holder of a key can answer.
type Challenge struct {
	Fingerprint string `json:"fingerprint"`
	Kind        string `json:"kind"`
	Text        string `json:"challenge"` // an armored age file
}

// AnswerChallenge solves a challenge with the first of ids that fits. It takes the
// armored text and the binary file. KEY_DOES_NOT_FIT when no identity fits,
// KEY_INVALID when it is no challenge: nothing else that the identities open is
// given away.
func AnswerChallenge(challenge []byte, ids []Identity) (secret.String, error) {
	if len(challenge) > maxChallenge {
		return secret.String{}, invalid("the challenge is too large", nil)
	}
	challenge = bytes.TrimLeft(challenge, " \t\r\n")
	var file io.Reader = bytes.NewReader(challenge)
	if bytes.HasPrefix(challenge, []byte(armor.Header)) {
		file = armor.NewReader(file)
	}
	plain, err := decrypt(file, ids)
	if err != nil {
		if err := openError("the challenge", err); fault.CodeOf(err) == fault.KeyDoesNotFit {
			return secret.String{}, err
		}
		return secret.String{}, invalid("this is no challenge, or it was changed", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxChallengePlain+1))
	if err != nil {
		return secret.String{}, invalid("the challenge was changed or cut short", err)
	}
	defer clear(text)
	if len(text) > maxChallengePlain {
		return secret.String{}, invalid("this is no challenge: it holds too much", nil)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	answer := lines[len(lines)-1]
	if !answerPattern.MatchString(answer) {
		return secret.String{}, invalid("this is no challenge: its last line is no answer", nil)
	}
	return secret.New(answer), nil
}

// ParseAnswer finds the answer in what a person typed or pasted: the answer alone,
// or the whole text that age shows, with space around it and letters in any case.
// PROOF_REFUSED when there is none, or more than one; no error repeats any of text.
func ParseAnswer(text string) (secret.String, error) {
	if len(text) > maxAnswerText {
		return secret.String{}, fault.Newf(fault.ProofRefused, "the text is too long for an answer")
	}
	found := ""
	for word := range strings.FieldsSeq(text) {
		word = strings.ToLower(word)
		if !answerPattern.MatchString(word) || word == found {
			continue
		}
		if found != "" {
			return secret.String{}, fault.Newf(fault.ProofRefused, "the text holds more than one answer")
		}
		found = word
	}
	if found == "" {
		return secret.String{}, fault.Newf(fault.ProofRefused, "the text holds no answer: want %s and 32 letters and digits", answerPrefix)
	}
	return secret.New(found), nil
}

// DigestAnswer is what is kept of an answer: its SHA-256 in lower-case hexadecimal.
// It does not lead back to the answer, which has 160 random bits.
func DigestAnswer(answer secret.String) string {
	sum := sha256.Sum256([]byte(answer.Reveal()))
	return hex.EncodeToString(sum[:])
}
