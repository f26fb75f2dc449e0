package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// A backup's key is wrapped again by somebody who can open the backup, and put in its place
// by somebody who cannot. The second one makes a challenge to the backup's own key; the
// first one, who has that key open, derives a signing key from the answer and vouches with
// it for the very file that is to become key.age. Whoever learns the challenge, its public
// half, or another such file can vouch for nothing.

// vouchContext parts the signing key from everything else that is made of an answer.
const vouchContext = "infrabackup/v1/key-file-voucher\x00"

// NewKeyFileChallenge makes a challenge to the backup key whose public half is given, and
// returns it with the public half of the key that vouches. Random is crypto/rand.Reader
// outside tests. KEY_INVALID when recipient is none.
func NewKeyFileChallenge(recipient, instance string, random io.Reader) (challenge []byte, public string, err error) {
	r, err := ParseRecipient(recipient)
	if err != nil {
		return nil, "", err
	}
	challenge, answer, err := NewChallenge(r, instance, random)
	if err != nil {
		return nil, "", err
	}
	half, ok := voucher(answer).Public().(ed25519.PublicKey)
	if !ok {
		return nil, "", fault.Newf(fault.Internal, "the key that vouches has no public half")
	}
	return challenge, base64.RawStdEncoding.EncodeToString(half), nil
}

// VouchForKeyFile solves the challenge with the backup's own key and signs the statement.
// Errors are those of [AnswerChallenge].
func VouchForKeyFile(challenge []byte, own Identity, statement []byte) ([]byte, error) {
	answer, err := AnswerChallenge(challenge, []Identity{own})
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(voucher(answer), statement), nil
}

// CheckVoucher makes sure that the statement was signed by whoever solved the challenge
// that public belongs to. PROOF_REFUSED otherwise.
func CheckVoucher(public string, statement, voucher []byte) error {
	half, err := base64.RawStdEncoding.Strict().DecodeString(public)
	if err != nil || len(half) != ed25519.PublicKeySize || !ed25519.Verify(half, statement, voucher) {
		return fault.Newf(fault.ProofRefused, "no holder of the backup's key vouches for this key file")
	}
	return nil
}

func voucher(answer secret.String) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(vouchContext + answer.Reveal()))
	return ed25519.NewKeyFromSeed(seed[:])
}

// KeyFileStatement is what somebody vouches for: that this file is the backup's own key,
// wrapped to the recipients that a revision of the settings has, and to nobody else.
func KeyFileStatement(instance string, id backup.ID, revision int64, recipients []backup.Recipient, keyAge []byte) ([]byte, error) {
	sum := sha256.Sum256(keyAge)
	statement, err := json.Marshal(struct {
		What       string             `json:"what"`
		Instance   string             `json:"instance"`
		BackupID   backup.ID          `json:"backupId"`
		Revision   int64              `json:"revision"`
		Recipients []backup.Recipient `json:"recipients"`
		SHA256     string             `json:"sha256"`
	}{"infrabackup key file, version 1", instance, id, revision, recipients, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, fault.New(fault.Internal, "create a statement on a key file", err)
	}
	return statement, nil
}
