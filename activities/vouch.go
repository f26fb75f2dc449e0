package activities

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
)

// challengeLife is how long a challenge to a backup's key can be answered: the holder's
// command does so at once.
const challengeLife = time.Hour

// MakeChallenges makes a challenge to the key of each backup, as its signed manifest names
// it. Only whoever can open the backup can answer, and vouch for a new key file; the
// service, which makes the challenge, can not.
func (a *Activities) MakeChallenges(ctx context.Context, in flow.ChallengeInput) (flow.ChallengeOutput, error) {
	r, err := a.replacing(ctx, in.Revision, "")
	if err != nil {
		return flow.ChallengeOutput{}, err
	}
	hb := startPhase(ctx, "", flow.PhaseReadBack, int64(len(in.Backups)))
	out := flow.ChallengeOutput{Challenges: []flow.KeyFileChallenge{}}
	for _, id := range in.Backups {
		if _, err := ledger.NotGone(ctx, r.share.repo, r.ledger, id); err != nil {
			return flow.ChallengeOutput{}, err
		}
		m, err := audit.SignedManifest(ctx, r.share.repo, id, r.share.Trusted())
		if err != nil {
			return flow.ChallengeOutput{}, err
		}
		c := flow.KeyFileChallenge{BackupID: id, Revision: in.Revision, At: a.Now().UTC()}
		if c.Text, c.Public, err = seal.NewKeyFileChallenge(m.BackupKey, a.Instance.Name, rand.Reader); err != nil {
			return flow.ChallengeOutput{}, err
		}
		statement, err := c.Statement()
		if err == nil {
			c.Signature, err = r.share.key.Sign(statement)
		}
		if err != nil {
			return flow.ChallengeOutput{}, err
		}
		out.Challenges = append(out.Challenges, c)
		hb.bytes.Add(1)
	}
	return out, nil
}

// proven makes sure that somebody who can open the backup vouches for the new key file, as
// wrapped to the current recipients, in answer to a challenge of this service.
// REWRAP_UNPROVEN otherwise.
func (r *replacing) proven(key flow.WrappedKey) error {
	refuse := func(why string, cause error) error {
		return fault.New(fault.RewrapUnproven, fmt.Sprintf("the new key of backup %s is not put in its place: %s", key.BackupID, why), cause)
	}
	c := key.Challenge
	if c == nil {
		return refuse("no proof vouches for it", nil)
	}
	statement, err := c.Statement()
	if err != nil {
		return err
	}
	if _, err := seal.VerifySignature(statement, c.Signature, seal.AllowedSigners(r.share.key.Public())); err != nil {
		return refuse("the challenge is not this service's", err)
	}
	age := r.share.activities.Now().Sub(c.At)
	if c.BackupID != key.BackupID || c.Revision != r.revision || age > challengeLife || age < -challengeLife {
		return refuse("the challenge was created for something else, or too long ago", nil)
	}
	said, err := seal.KeyFileStatement(r.share.activities.Instance.Name, key.BackupID, r.revision, r.recipients, key.KeyAge)
	if err != nil {
		return err
	}
	if err := seal.CheckVoucher(c.Public, said, key.Voucher); err != nil {
		return refuse("who vouches for it cannot open the backup", err)
	}
	return nil
}
