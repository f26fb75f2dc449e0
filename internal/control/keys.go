package control

import (
	"context"
	"crypto/rand"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// Rewrap puts new key files, which were made for the given revision of the settings,
// into finished backups. REWRAP_RUNNING while another replacement of keys runs.
func (c *Controller) Rewrap(ctx context.Context, revision int64, keys []flow.WrappedKey, requestedBy string) ([]flow.ReplacedBackup, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	done := []flow.ReplacedBackup{}
	for batch := range slices.Chunk(keys, flow.RewrapBatch) {
		out, err := replace(ctx, c, flow.Rewrap, "the replacement of keys", flow.RewrapInput{
			Instance: c.instance, Revision: revision, RequestedBy: requestedBy, Keys: batch,
		})
		if err == nil {
			err = subject.AboutEach(batch, out.Backups)
		}
		if err != nil {
			return done, err
		}
		done = append(done, out.Backups...)
	}
	return done, nil
}

// KeyFileChallenges makes challenges to the keys of backups, at most [flow.RewrapBatch],
// that are to be wrapped to the recipients of a revision. They can be answered for an hour.
func (c *Controller) KeyFileChallenges(ctx context.Context, revision int64, ids []backup.ID) ([]flow.KeyFileChallenge, error) {
	out, err := look(ctx, c, flow.ChallengeBackups, flow.ChallengeWorkflowID, "the making of challenges",
		flow.ChallengeInput{Instance: c.instance, Revision: revision, Backups: ids})
	if err != nil {
		return nil, err
	}
	if len(out.Challenges) != len(ids) {
		return nil, fault.Newf(fault.AnswerRefused, "%d challenges were requested, and %d came", len(ids), len(out.Challenges))
	}
	for i, challenge := range out.Challenges {
		if err := subject.About(ids[i], challenge.BackupID); err != nil {
			return nil, err
		}
	}
	return out.Challenges, nil
}

// Swap replaces a backup by the one that was re-encrypted into staging/; staged is the
// digest of its sums.
func (c *Controller) Swap(ctx context.Context, revision int64, id backup.ID, staged, requestedBy string) (flow.ReplacedBackup, error) {
	if err := c.ready(ctx); err != nil {
		return flow.ReplacedBackup{}, err
	}
	out, err := replace(ctx, c, flow.Reencrypt, "the replacement of the backup", flow.ReencryptInput{
		Instance: c.instance, Revision: revision, BackupID: id, RequestedBy: requestedBy, Staged: staged,
	})
	if err == nil {
		err = subject.About(id, out.BackupID)
	}
	return out, err
}

// replace runs a workflow that replaces keys; one of them runs at a time.
func replace[In, Out any](ctx context.Context, c *Controller, w flow.Workflow[In, Out], what string, in In) (Out, error) {
	id := flow.ReplaceKeysWorkflowID(c.instance)
	run, err := w.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		var none Out
		return none, c.running(ctx, err, fault.RewrapRunning, "a replacement of keys", id)
	}
	return result(ctx, c, run, watchedRun{id: id, runID: run.GetRunID(), kind: w.Name, what: what})
}

// Challenge is something that only the holder of a key can answer.
type Challenge = seal.Challenge

// Challenges makes a challenge for every current key. Only the digests of the answers
// are kept; earlier challenges end.
func (c *Controller) Challenges(ctx context.Context, requestedBy string) ([]Challenge, error) {
	s, err := c.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var all []Challenge
	digests := map[string]string{}
	for _, r := range s.Recipients {
		recipient, err := seal.ParseRecipient(r.Text)
		if err != nil {
			return nil, err
		}
		text, answer, err := seal.NewChallenge(recipient, c.instance, rand.Reader)
		if err != nil {
			return nil, err
		}
		digests[r.Fingerprint] = seal.DigestAnswer(answer)
		all = append(all, Challenge{Fingerprint: r.Fingerprint, Kind: r.Kind, Text: string(text)})
	}
	_, err = answered(ctx, c, func(ctx context.Context) (struct{}, error) {
		return flow.ChallengeKeys.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.KeyChallenges{Digests: digests, By: requestedBy})
	})
	return all, c.entityFault(ctx, err)
}

// Prove takes the answer to a challenge and notes that its key was proven.
// PROOF_REFUSED when no open challenge has this answer.
func (c *Controller) Prove(ctx context.Context, answer secret.String, requestedBy string) (flow.KeyState, error) {
	if _, err := c.Summary(ctx); err != nil {
		return flow.KeyState{}, err
	}
	state, err := answered(ctx, c, func(ctx context.Context) (flow.KeyState, error) {
		return flow.ProveKey.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.KeyProof{Digest: seal.DigestAnswer(answer), By: requestedBy})
	})
	return state, c.entityFault(ctx, err)
}

// proveBefore notes the proofs of keys that a proposal brings, before it is tried: each as a
// challenge and the answer to it, as those of keys in use. Revision 0 is no proposal: then the
// keys are in use. A proposal is withdrawn when that fails.
func (c *Controller) proveBefore(ctx context.Context, revision int64, in Wanted) error {
	if len(in.Proofs) == 0 {
		return nil
	}
	digests := map[string]string{}
	for _, p := range in.Proofs {
		digests[p.Fingerprint()] = p.Digest()
	}
	id := flow.SettingsWorkflowID(c.instance)
	_, err := answered(ctx, c, func(ctx context.Context) (struct{}, error) {
		return flow.ChallengeKeys.Send(ctx, c.client, id, flow.KeyChallenges{Digests: digests, By: in.RequestedBy})
	})
	for _, digest := range digests {
		if err == nil {
			_, err = answered(ctx, c, func(ctx context.Context) (flow.KeyState, error) {
				return flow.ProveKey.Send(ctx, c.client, id, flow.KeyProof{Digest: digest, By: in.RequestedBy})
			})
		}
	}
	if err = c.entityFault(ctx, err); err != nil && revision != 0 {
		return c.withdraw(ctx, revision, err)
	}
	return err
}
