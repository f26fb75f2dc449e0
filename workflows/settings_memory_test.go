package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

type step = func(env *testsuite.TestWorkflowEnvironment)

// enabled is the state of an entity with active settings.
func enabled() flow.SettingsState {
	s := validSettings()
	s.Revision = 1
	return flow.SettingsState{
		Instance: "local", Active: 1, Last: 1, Revisions: []settings.Settings{s}, Controller: s.Controller,
		Keys: []flow.KeyState{{Fingerprint: keys().x.Fingerprint}},
	}
}

func ask[Out any](t *testing.T, env *testsuite.TestWorkflowEnvironment, query string, in any) Out {
	t.Helper()
	value, err := env.QueryWorkflow(query, in)
	require.NoError(t, err)
	var out Out
	require.NoError(t, value.Get(&out))
	return out
}

func TestChangesAreOfOnePart(t *testing.T) {
	newShare := settings.Share{Path: `\\fs2.example.test\b`, Transport: share.Signed}
	credential := settings.Credential{Username: `CORP\other`, Password: secret.NewTransfer(secret.New("other password"))}
	key, signing, former := keys().y, keys().successor, keys().signing.Public
	days := 7
	for name, c := range map[string]struct {
		change settings.Change
		want   func(*settings.Settings)
		what   string
	}{
		"share":       {settings.Change{Kind: settings.KindShare, Share: &newShare}, func(s *settings.Settings) { s.Share = newShare }, `share: \\fs.example.test\AzSBackups -> \\fs2.example.test\b; transport: encrypted -> signed`},
		"credentials": {settings.Change{Kind: settings.KindCredentials, Credential: &credential}, func(s *settings.Settings) { s.Credential = credential }, `account: CORP\backup -> CORP\other; password: changed`},
		"key":         {settings.Change{Kind: settings.KindKey, Recipients: []settings.Recipient{key}}, func(s *settings.Settings) { s.Recipients = []settings.Recipient{key} }, "keys: " + keys().x.Fingerprint + " -> " + key.Fingerprint},
		"days":        {settings.Change{Kind: settings.KindKey, ProofDays: &days}, func(s *settings.Settings) { s.ProofDays = 7 }, "days between proofs: 90 -> 7"},
		"signing key": {settings.Change{Kind: settings.KindSigningKey, Signing: &signing}, func(s *settings.Settings) {
			s.Signing = signing
			s.Signing.Former = []string{former}
		}, "signing key: " + former + " -> " + signing.Public},
	} {
		t.Run(name, func(t *testing.T) {
			c.change.By = "anna@host"
			proposed, propose := update(flow.ProposeChange.Name, c.change)
			_, apply := tried(t, 2, keys().signing, nil)
			entity(t, enabled(), propose,
				func(env *testsuite.TestWorkflowEnvironment) {
					require.Equal(t, int64(1), current(t, env, 0).Revision, "a proposal is not active")
					last := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
					require.Len(t, last, 1)
					require.Equal(t, settings.Pending, last[0].Outcome)
					require.Equal(t, c.what, last[0].What)
				},
				apply,
				func(env *testsuite.TestWorkflowEnvironment) {
					want := enabled().Revisions[0]
					c.want(&want)
					got := current(t, env, 0)
					want.Revision, want.Base, want.Kind, want.ChangedBy, want.ChangedAt = 2, 1, c.change.Kind, "anna@host", got.ChangedAt
					require.Equal(t, want, got)
					last := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records[0]
					require.Equal(t, settings.Applied, last.Outcome)
					require.Equal(t, "anna@host", last.By)
					require.NotContains(t, fmt.Sprint(last), "other password")
					require.NotContains(t, fmt.Sprint(last), "PRIVATE KEY")
				})
			require.Equal(t, int64(2), proposed.value)
		})
	}
}

func TestChangesAreRefused(t *testing.T) {
	same := settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted}
	azure := settings.Share{Path: `\\x.file.core.windows.net\s`, Transport: share.Encrypted}
	none := 5000
	for name, c := range map[string]struct {
		state  flow.SettingsState
		change settings.Change
		code   fault.Code
	}{
		"not enabled":        {flow.SettingsState{Instance: "local"}, settings.Change{Share: &same}, fault.NotEnabled},
		"nothing":            {enabled(), settings.Change{}, fault.SettingsInvalid},
		"the same":           {enabled(), settings.Change{Share: &same}, fault.SettingsInvalid},
		"an Azure share":     {enabled(), settings.Change{Share: &azure}, fault.ShareUnsupported},
		"without a password": {enabled(), settings.Change{Credential: &settings.Credential{Username: "u"}}, fault.SettingsInvalid},
		"days":               {enabled(), settings.Change{ProofDays: &none}, fault.SettingsInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			out, propose := update(flow.ProposeChange.Name, c.change)
			entity(t, c.state, propose)
			require.Equal(t, c.code, flow.DecodeFault(out.rejected).Code)
		})
	}
}

// A change that was made from settings which are no longer active is refused, so that
// it does not undo the one that came first.
func TestTheSecondOfTwoChangesIsRefused(t *testing.T) {
	days, key := 7, keys().y
	_, first := update(flow.ProposeChange.Name, settings.Change{ProofDays: &days})
	_, second := update(flow.ProposeChange.Name, settings.Change{Recipients: []settings.Recipient{key}})
	applied, one := tried(t, 2, keys().signing, nil)
	again, oneAgain := tried(t, 2, keys().signing, nil)
	late, two := tried(t, 3, keys().signing, nil)
	_, drop := update(flow.DropSettings.Name, flow.SettingsDrop{Revision: 3, Code: string(fault.SettingsChanged), Message: "too late"})
	entity(t, enabled(), first, second, one, oneAgain, two, drop, func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, 7, current(t, env, 0).ProofDays)
		records := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
		require.Equal(t, []settings.Outcome{settings.Applied, settings.Refused}, []settings.Outcome{records[0].Outcome, records[1].Outcome})
		require.Equal(t, "SETTINGS_CHANGED", records[1].Code)
	})
	require.NoError(t, applied.err)
	require.NoError(t, again.rejected, "an activity may send it again")
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(late.rejected).Code)
}

func TestLedgerMovesFromItsHeadOnly(t *testing.T) {
	head := func(n int64) backup.LedgerHead {
		return backup.LedgerHead{Sequence: n, SHA256: strings.Repeat("a", 64)}
	}
	move := func(from, to backup.LedgerHead) (*outcome, step) {
		return update(flow.AdvanceLedger.Name, flow.LedgerAdvance{Share: `\\fs\a`, From: from, To: to})
	}
	first, one := move(backup.LedgerHead{}, head(1))
	repeated, again := move(backup.LedgerHead{}, head(1))
	stale, two := move(backup.LedgerHead{}, head(2))
	next, three := move(head(1), head(2))
	other, elsewhere := update(flow.AdvanceLedger.Name, flow.LedgerAdvance{Share: `\\fs\b`, To: head(9)})
	nowhere, zero := move(head(2), backup.LedgerHead{})
	entity(t, enabled(), one, again, two, three, elsewhere, zero, func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, head(2), ask[backup.LedgerHead](t, env, flow.GetLedger.Name, flow.LedgerQuestion{Share: `\\fs\a`}))
		require.Equal(t, head(9), ask[backup.LedgerHead](t, env, flow.GetLedger.Name, flow.LedgerQuestion{Share: `\\fs\b`}))
		require.Zero(t, ask[backup.LedgerHead](t, env, flow.GetLedger.Name, flow.LedgerQuestion{Share: `\\fs\c`}))
	})
	for _, o := range []*outcome{first, repeated, next, other} {
		require.NoError(t, o.rejected)
	}
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(stale.rejected).Code)
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(nowhere.rejected).Code)
}

func TestKeysAreProvenOnce(t *testing.T) {
	_, challenge := update(flow.ChallengeKeys.Name, flow.KeyChallenges{Digests: map[string]string{keys().x.Fingerprint: "d1"}})
	unknown, stranger := update(flow.ChallengeKeys.Name, flow.KeyChallenges{Digests: map[string]string{"SHA256:z": "d1"}})
	wrong, guess := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d2", By: "eve"})
	empty, nothing := update(flow.ProveKey.Name, flow.KeyProof{By: "eve"})
	right, answer := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d1", By: "anna"})
	replayed, replay := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d1", By: "eve"})
	entity(t, enabled(), challenge, stranger, guess, nothing, answer, replay, func(env *testsuite.TestWorkflowEnvironment) {
		key := ask[settings.Summary](t, env, flow.SummarySettings.Name, struct{}{}).Recipients[0]
		require.Equal(t, "anna", key.ProvenBy)
		require.False(t, key.ProvenAt.IsZero())
	})
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(unknown.rejected).Code)
	require.NoError(t, right.err)
	for _, o := range []*outcome{wrong, empty, replayed} {
		require.Equal(t, fault.ProofRefused, flow.DecodeFault(o.rejected).Code)
	}
}

// TestAKeyIsProvenBeforeItIsInUse: the key of a proposal can be challenged, and what its holder
// answers counts from the moment it is in use. Without the answer nothing counts, and a key
// that never comes into use is forgotten.
func TestAKeyIsProvenBeforeItIsInUse(t *testing.T) {
	next := keys().y
	ask1 := flow.KeyChallenges{Digests: map[string]string{next.Fingerprint: "d1"}, By: "anna"}
	early, before := update(flow.ChallengeKeys.Name, ask1)
	proposed, propose := update(flow.ProposeChange.Name, settings.Change{Kind: settings.KindKey, Recipients: []settings.Recipient{next}, By: "anna"})
	asked, challenge := update(flow.ChallengeKeys.Name, ask1)
	guessed, guess := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d2", By: "eve"})
	answered, answer := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d1", By: "anna"})
	summary := func(env *testsuite.TestWorkflowEnvironment) settings.RecipientSummary {
		return ask[settings.Summary](t, env, flow.SummarySettings.Name, struct{}{}).Recipients[0]
	}
	keysOf := func(env *testsuite.TestWorkflowEnvironment) []flow.KeyState {
		return ask[flow.SettingsState](t, env, flow.GetState.Name, struct{}{}).Keys
	}
	notYet := func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, keys().x.Fingerprint, summary(env).Fingerprint)
		require.True(t, summary(env).ProvenAt.IsZero(), "the proof is of another key")
	}
	applied, apply := tried(t, 2, keys().signing, nil)
	entity(t, enabled(), before, propose, challenge, guess, answer, notYet, apply, func(env *testsuite.TestWorkflowEnvironment) {
		key := summary(env)
		require.Equal(t, next.Fingerprint, key.Fingerprint)
		require.Equal(t, "anna", key.ProvenBy)
		require.False(t, key.ProvenAt.IsZero())
		require.False(t, key.Since.IsZero())
	})
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(early.rejected).Code, "nobody wants that key")
	require.Equal(t, fault.ProofRefused, flow.DecodeFault(guessed.rejected).Code)
	for _, o := range []*outcome{proposed, asked, answered, applied} {
		require.NoError(t, o.err)
		require.NoError(t, o.rejected)
	}

	_, propose = update(flow.ProposeChange.Name, settings.Change{Kind: settings.KindKey, Recipients: []settings.Recipient{next}, By: "anna"})
	_, challenge = update(flow.ChallengeKeys.Name, ask1)
	applied, apply = tried(t, 2, keys().signing, nil)
	entity(t, enabled(), propose, challenge, apply, func(env *testsuite.TestWorkflowEnvironment) {
		require.True(t, summary(env).ProvenAt.IsZero(), "a challenge alone is no proof")
	})
	require.NoError(t, applied.err)

	_, propose = update(flow.ProposeChange.Name, settings.Change{Kind: settings.KindKey, Recipients: []settings.Recipient{next}, By: "anna"})
	_, challenge = update(flow.ChallengeKeys.Name, ask1)
	_, answer = update(flow.ProveKey.Name, flow.KeyProof{Digest: "d1", By: "anna"})
	dropped, drop := update(flow.DropSettings.Name, flow.SettingsDrop{Revision: 2})
	entity(t, enabled(), propose, challenge, answer, drop, func(env *testsuite.TestWorkflowEnvironment) {
		require.Len(t, keysOf(env), 1)
		require.Equal(t, keys().x.Fingerprint, keysOf(env)[0].Fingerprint)
	})
	require.NoError(t, dropped.err)
}

func TestChallengesEnd(t *testing.T) {
	state := enabled()
	state.Keys[0].Challenge, state.Keys[0].AskedAt = "d1", time.Now().Add(-challengeLife-time.Hour)
	late, answer := update(flow.ProveKey.Name, flow.KeyProof{Digest: "d1"})
	entity(t, state, answer)
	require.Equal(t, fault.ProofRefused, flow.DecodeFault(late.err).Code)
}

func TestResealContinuesAsNew(t *testing.T) {
	_, reseal := update(flow.Reseal.Name, flow.ResealInput{By: "anna"})
	env := entity(t, enabled(), reseal)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	var state flow.SettingsState
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &state))
	require.Equal(t, enabled().Revisions, state.Revisions)
	require.Equal(t, settings.KindReseal, state.History.Records[0].Kind)
}

// What the entity remembers is bounded, and fits a payload together.
func TestMemoryIsBounded(t *testing.T) {
	e := &settingsEntity{state: enabled()}
	for i := range 2 * keptRecords {
		e.record(settings.Record{What: strings.Repeat("w", 10*maxRecordText), Revision: int64(i)})
		_, err := e.advance(nil, flow.LedgerAdvance{Share: fmt.Sprint("share ", i), To: backup.LedgerHead{Sequence: 1, SHA256: "x"}})
		require.NoError(t, err)
		e.remember(time.Now(), []settings.Recipient{{Recipient: backup.Recipient{Fingerprint: fmt.Sprint("key ", i)}}})
	}
	require.Len(t, e.state.History.Records, keptRecords)
	require.Equal(t, int64(keptRecords), e.state.History.Dropped)
	require.Len(t, e.state.Ledgers, keptLedgers)
	require.Len(t, e.state.Keys, keptKeys)
	payload, err := converter.GetDefaultDataConverter().ToPayload(e.state)
	require.NoError(t, err)
	require.Less(t, len(payload.Data), 1<<20)
}
