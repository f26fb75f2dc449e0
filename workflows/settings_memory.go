package workflows

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
)

// Bounds of what the entity remembers besides the settings themselves. Together with
// the revisions they stay far below the two MiB that Temporal takes for a payload.
const (
	keptRecords = 500
	keptLedgers = 32
	keptKeys    = 64
	// challengeLife is how long a challenge can be answered: enough to go to a safe in
	// another building.
	challengeLife = 7 * 24 * time.Hour
	maxRecordText = 1 << 10
)

func (e *settingsEntity) history(struct{}) (settings.History, error) { return e.state.History, nil }

// record adds a line to the history of changes.
func (e *settingsEntity) record(r settings.Record) {
	h := &e.state.History
	r.What, r.By, r.Message = clip(r.What), clip(r.By), clip(r.Message)
	h.Records = append(h.Records, r)
	if over := len(h.Records) - keptRecords; over > 0 {
		h.Records = slices.Clone(h.Records[over:])
		h.Dropped += int64(over)
	}
}

// clip keeps a record's text short.
func clip(s string) string { return printable.Clip(s, maxRecordText) }

// settle notes what came of the change that proposed a revision. The first outcome
// stays.
func (e *settingsEntity) settle(at time.Time, revision int64, outcome settings.Record) {
	for i := range e.state.History.Records {
		r := &e.state.History.Records[i]
		if r.Revision == revision && r.Outcome == settings.Pending {
			r.Outcome, r.Code, r.Message, r.SettleAt = outcome.Outcome, outcome.Code, clip(outcome.Message), at
		}
	}
}

func (e *settingsEntity) ledger(in flow.LedgerQuestion) (backup.LedgerHead, error) {
	return e.head(in.Share), nil
}

func (e *settingsEntity) head(share string) backup.LedgerHead {
	for _, l := range e.state.Ledgers {
		if l.Share == share {
			return l.Head
		}
	}
	return backup.LedgerHead{}
}

func (e *settingsEntity) validateAdvance(in flow.LedgerAdvance) error {
	if err := in.Check(); err != nil {
		return flow.EncodeFault(err)
	}
	if now := e.head(in.Share); now != in.To && now != in.From {
		return flow.EncodeFault(fault.Newf(fault.SettingsChanged, "the head of the ledger is entry %d, not %d", now.Sequence, in.From.Sequence))
	}
	return e.unlessReset()
}

// advance is idempotent, like apply. The share that was used least recently is
// forgotten when there are too many. That a ledger begins from its first entry stands in the history.
func (e *settingsEntity) advance(ctx workflow.Context, in flow.LedgerAdvance) (backup.LedgerHead, error) {
	if before := e.head(in.Share); in.Anew && before != in.To && before.Sequence > 0 {
		now := workflow.Now(ctx).UTC()
		what := fmt.Sprintf("the ledger on %s was set aside at entry %d, and another one begun", in.Share, before.Sequence)
		e.outdateVerdicts()
		e.record(settings.Record{At: now, Kind: settings.KindLedger, By: in.By, What: what, Outcome: settings.Applied, SettleAt: now})
	}
	e.state.Ledgers = slices.DeleteFunc(slices.Clone(e.state.Ledgers), func(l flow.ShareLedger) bool { return l.Share == in.Share })
	e.state.Ledgers = append(e.state.Ledgers, flow.ShareLedger{Share: in.Share, Head: in.To})
	if over := len(e.state.Ledgers) - keptLedgers; over > 0 {
		e.state.Ledgers = slices.Clone(e.state.Ledgers[over:])
	}
	return in.To, nil
}

func (e *settingsEntity) key(fingerprint string) *flow.KeyState {
	for i := range e.state.Keys {
		if e.state.Keys[i].Fingerprint == fingerprint {
			return &e.state.Keys[i]
		}
	}
	return nil
}

// remember notes since when keys are recipients, and forgets those that were last
// used long ago.
func (e *settingsEntity) remember(now time.Time, recipients []settings.Recipient) {
	for _, r := range recipients {
		if k := e.key(r.Fingerprint); k == nil {
			e.state.Keys = append(e.state.Keys, flow.KeyState{Fingerprint: r.Fingerprint, Since: now})
		} else if k.Since.IsZero() { // it was proven before
			k.Since = now
		}
	}
	isCurrent := func(k flow.KeyState) bool {
		return slices.ContainsFunc(recipients, func(r settings.Recipient) bool { return r.Fingerprint == k.Fingerprint })
	}
	for over := len(e.state.Keys) - keptKeys; over > 0; over-- {
		if i := slices.IndexFunc(e.state.Keys, func(k flow.KeyState) bool { return !isCurrent(k) }); i >= 0 {
			e.state.Keys = slices.Delete(slices.Clone(e.state.Keys), i, i+1)
		}
	}
}

func (e *settingsEntity) validateChallenges(in flow.KeyChallenges) error {
	for fingerprint, digest := range in.Digests {
		if (e.key(fingerprint) == nil && !e.holds(fingerprint)) || digest == "" {
			return flow.EncodeFault(fault.Newf(fault.SettingsInvalid, "key %s is no recipient", fingerprint))
		}
	}
	return nil
}

// holds reports whether a key is a recipient of a revision, active or not.
func (e *settingsEntity) holds(fingerprint string) bool {
	return slices.ContainsFunc(e.state.Revisions, func(s settings.Settings) bool {
		return slices.ContainsFunc(s.Recipients, func(r settings.Recipient) bool { return r.Fingerprint == fingerprint })
	})
}

// forgetKeys forgets keys that were never in use and that no revision has any more.
func (e *settingsEntity) forgetKeys() {
	e.state.Keys = slices.DeleteFunc(slices.Clone(e.state.Keys), func(k flow.KeyState) bool { return k.Since.IsZero() && !e.holds(k.Fingerprint) })
}

// challenge takes keys of proposals, too, so that they are proven when they come into use.
func (e *settingsEntity) challenge(ctx workflow.Context, in flow.KeyChallenges) (struct{}, error) {
	fingerprints := slices.Sorted(maps.Keys(in.Digests)) //workflowcheck:ignore the order is that of the sorted names
	for _, fingerprint := range fingerprints {
		if e.key(fingerprint) == nil && e.holds(fingerprint) { // it may have gone since it was validated
			e.state.Keys = append(e.state.Keys, flow.KeyState{Fingerprint: fingerprint})
		}
	}
	for i := range e.state.Keys {
		if digest, ok := in.Digests[e.state.Keys[i].Fingerprint]; ok {
			e.state.Keys[i].Challenge, e.state.Keys[i].AskedAt = digest, workflow.Now(ctx).UTC()
		}
	}
	return struct{}{}, nil
}

func (e *settingsEntity) validateProof(in flow.KeyProof) error {
	if e.challenged(in.Digest) == nil {
		return flow.EncodeFault(fault.Newf(fault.ProofRefused, "no open challenge of instance %s has this answer", e.state.Instance))
	}
	return nil
}

func (e *settingsEntity) challenged(digest string) *flow.KeyState {
	for i := range e.state.Keys {
		if digest != "" && e.state.Keys[i].Challenge == digest {
			return &e.state.Keys[i]
		}
	}
	return nil
}

func (e *settingsEntity) prove(ctx workflow.Context, in flow.KeyProof) (flow.KeyState, error) {
	now := workflow.Now(ctx).UTC()
	k := e.challenged(in.Digest)
	if k == nil { // answered by another update since it was validated
		return flow.KeyState{}, flow.EncodeFault(fault.Newf(fault.ProofRefused, "the challenge was answered already"))
	}
	if now.Sub(k.AskedAt) > challengeLife {
		return flow.KeyState{}, flow.EncodeFault(fault.Newf(fault.ProofRefused, "the challenge is older than %d days", int(challengeLife.Hours()/24)))
	}
	k.Challenge, k.ProvenAt, k.ProvenBy = "", now, in.By
	e.record(settings.Record{At: now, Kind: settings.KindProof, By: in.By, What: "key " + k.Fingerprint + " was proven", Outcome: settings.Applied, SettleAt: now})
	return *k, nil
}

func (e *settingsEntity) validateReseal(flow.ResealInput) error { return nil }

// sealAgain lets the entity continue as new: its state, with all secrets, is then
// encrypted under the codec key that is the active one now.
func (e *settingsEntity) sealAgain(ctx workflow.Context, in flow.ResealInput) (struct{}, error) {
	now := workflow.Now(ctx).UTC()
	e.record(settings.Record{At: now, Kind: settings.KindReseal, By: in.By, What: "settings re-encrypted", Outcome: settings.Applied, SettleAt: now})
	e.reseal = true
	return struct{}{}, nil
}
