package draft

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// Draft is what was given so far.
type Draft struct {
	Path, Transport, Username string
	Recipients                []seal.Recipient
	Browser                   bool // the key was made in the browser
	Challenges                []Challenge
	Later                     bool   // the key is to be proven later
	Begun                     string // the operation that it was handed over with, empty before
	// Form and Values are of a form of a single step: what was handed over with it, without secrets.
	Form   string
	Values map[string]string

	id         string // empty before it was kept
	version    int    // how often it was kept
	password   secret.String
	passwordAt time.Time
	touched    time.Time
	order      int64 // of all changes of drafts, which may come at the same moment
}

// Challenge is a challenge to a key, which need not be in use yet. Of the answer, only the digest is
// kept.
type Challenge struct {
	seal.Asked
	proof seal.Proof
}

// Proven reports whether it was answered.
func (c Challenge) Proven() bool { return !c.proof.IsZero() }

// Name is what addresses call the draft; empty for one that was not kept yet.
func (d Draft) Name() string {
	if d.id == "" {
		return ""
	}
	return d.id + "." + strconv.Itoa(d.version)
}

// HasPassword reports whether a password was given.
func (d Draft) HasPassword() bool { return !d.password.IsZero() }

// Password is what was given, empty when there is none or it was forgotten.
func (d Draft) Password() secret.String { return d.password }

// GivePassword takes a password, which is kept for a quarter of an hour.
func (d *Draft) GivePassword(p secret.String, now time.Time) { d.password, d.passwordAt = p, now }

// Proven reports whether every key was proven.
func (d Draft) Proven() bool {
	for _, c := range d.Challenges {
		if !c.Proven() {
			return false
		}
	}
	return len(d.Challenges) > 0
}

// Proofs are those of the keys that were proven.
func (d Draft) Proofs() []seal.Proof {
	var all []seal.Proof
	for _, c := range d.Challenges {
		if c.Proven() {
			all = append(all, c.proof)
		}
	}
	return all
}

// Complete reports whether a step of the draft was done.
func (d Draft) Complete(step string) bool {
	switch step {
	case "share":
		return d.Path != ""
	case "account":
		return d.Username != "" && d.HasPassword()
	case "key":
		return len(d.Recipients) > 0
	case "proof":
		return len(d.Recipients) > 0 && (d.Proven() || d.Later)
	}
	return false
}

// ChallengeAll makes a challenge for each of the draft's keys.
func (d *Draft) ChallengeAll(instance string) error {
	d.Challenges = nil
	for _, r := range d.Recipients {
		asked, err := seal.Ask(r, instance, rand.Reader)
		if err != nil {
			return err
		}
		asked.Text = strings.TrimSpace(asked.Text)
		d.Challenges = append(d.Challenges, Challenge{Asked: asked})
	}
	return nil
}

// Answer takes an answer to one of the challenges. PROOF_REFUSED when it is the answer to none.
func (d *Draft) Answer(text string) error {
	answer, err := seal.ParseAnswer(text)
	if err != nil {
		return err
	}
	for i, c := range d.Challenges {
		if proof, ok := c.Answered(answer); ok {
			d.Challenges = append([]Challenge{}, d.Challenges...)
			d.Challenges[i].proof = proof
			return nil
		}
	}
	return fault.Newf(fault.ProofRefused, "this is not the answer to a challenge on this page")
}

// parse reads the name of a draft; without a version it is any.
func parse(name string) (id string, version int, any bool) {
	id, text, found := strings.Cut(name, ".")
	version, err := strconv.Atoi(text)
	return id, version, !found || err != nil
}
