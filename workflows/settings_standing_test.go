package workflows

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// What becomes active is what was tried, and nobody comes to be trusted besides whom the
// probe found, also not with a revision that is active already.
func TestNothingBecomesActiveThatWasNotTried(t *testing.T) {
	days, other := 7, 8
	stranger := keys().successor
	_, propose := update(flow.ProposeChange.Name, settings.Change{ProofDays: &days, By: "anna@host"})
	_, proposeOther := update(flow.ProposeChange.Name, settings.Change{ProofDays: &other, By: "anna@host"})
	untried, bare := update(flow.ApplySettings.Name, flow.SettingsApplication{Revision: 2})
	another, wrong := tried(t, 3, keys().signing, func(in *flow.SettingsApplication) { in.Revision = 2 })
	foreign, byStranger := tried(t, 2, stranger, nil)
	more, withSigner := tried(t, 2, keys().signing, func(in *flow.SettingsApplication) { in.Signers = []string{stranger.Public} })
	active, again := update(flow.ApplySettings.Name, flow.SettingsApplication{Revision: 1, Signers: []string{stranger.Public}})
	for _, step := range []func(env *testsuite.TestWorkflowEnvironment){bare, wrong, byStranger, withSigner, again} {
		entity(t, enabled(), propose, proposeOther, step, func(env *testsuite.TestWorkflowEnvironment) {
			require.Equal(t, enabled().Revisions[0], current(t, env, 0))
		})
	}
	for _, o := range []*outcome{untried, another, foreign, more, active} {
		require.Equal(t, fault.SettingsUnprobed, flow.DecodeFault(o.rejected).Code)
	}
}

func TestSignersThatCameToBeTrustedStandInTheHistory(t *testing.T) {
	found := keys().successor.Public
	_, propose := update(flow.ProposeChange.Name, settings.Change{Kind: settings.KindShare, Adopt: true, By: "anna@host"})
	applied, apply := tried(t, 2, keys().signing, func(in *flow.SettingsApplication) {
		in.Signers, in.Probe.Signers = []string{found}, []string{found}
	})
	entity(t, enabled(), propose, apply, func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, []string{found}, current(t, env, 0).Signing.Former)
		records := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
		last := records[len(records)-1]
		require.Equal(t, settings.KindSigners, last.Kind)
		require.Equal(t, "anna@host", last.By)
		require.Equal(t, settings.DescribeSigners([]string{found}), last.What)
	})
	require.NoError(t, applied.rejected)
}

func TestFirstSettingsBringNothingHidden(t *testing.T) {
	for name, row := range map[string]struct {
		edit func(*settings.Settings)
		code fault.Code
	}{
		"a former signing key": {func(s *settings.Settings) { s.Signing.Former = []string{keys().successor.Public} }, fault.SettingsInvalid},
		"a base":               {func(s *settings.Settings) { s.Base = 1 }, fault.SettingsInvalid},
		"another instance":     {func(s *settings.Settings) { s.Instance.Name = "other" }, fault.SettingsInvalid},
		"a controller":         {func(s *settings.Settings) { s.Controller = "../x" }, fault.SettingsInvalid},
		"a fingerprint":        {func(s *settings.Settings) { s.Recipients[0].Text = keys().y.Text }, fault.SettingsInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			row.edit(&s)
			out, propose := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: s, First: true})
			entity(t, flow.SettingsState{Instance: "local"}, propose)
			require.Equal(t, row.code, flow.DecodeFault(out.rejected).Code)
		})
	}
	whole, replace := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: validSettings()})
	entity(t, enabled(), replace)
	require.Equal(t, fault.AlreadyEnabled, flow.DecodeFault(whole.rejected).Code, "active settings are changed part by part")
}

func TestALedgerGoesForwardOrAnew(t *testing.T) {
	head := func(n int64) backup.LedgerHead {
		return backup.LedgerHead{Sequence: n, SHA256: strings.Repeat("a", 64)}
	}
	state := enabled()
	state.Ledgers = []flow.ShareLedger{{Share: "s", Head: head(5)}}
	for name, in := range map[string]flow.LedgerAdvance{
		"back":        {Share: "s", From: head(5), To: head(4)},
		"back again":  {Share: "s", From: head(5), To: head(4), Anew: true},
		"beyond":      {Share: "s", From: head(5), To: head(backup.MaxLedgerEntries + 1)},
		"no digest":   {Share: "s", From: head(5), To: backup.LedgerHead{Sequence: 6, SHA256: "x"}},
		"no share":    {From: head(5), To: head(6)},
		"long caller": {Share: "s", From: head(5), To: head(6), By: strings.Repeat("x", 2000)},
	} {
		t.Run(name, func(t *testing.T) {
			out, move := update(flow.AdvanceLedger.Name, in)
			entity(t, state, move, func(env *testsuite.TestWorkflowEnvironment) {
				require.Equal(t, head(5), ask[backup.LedgerHead](t, env, flow.GetLedger.Name, flow.LedgerQuestion{Share: "s"}))
			})
			require.Error(t, out.rejected)
		})
	}
	_, restarted := update(flow.AdvanceLedger.Name, flow.LedgerAdvance{Share: "s", From: head(5), To: head(1), Anew: true, By: "anna"})
	entity(t, state, restarted, func(env *testsuite.TestWorkflowEnvironment) {
		records := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
		require.Equal(t, settings.KindLedger, records[0].Kind)
		require.Equal(t, "anna", records[0].By)
	})
}

// An entity that was reset does nothing until somebody has taken its settings over, and
// then goes on behind everything that the share tells of.
func TestAResetEntityWaitsForSomebody(t *testing.T) {
	state := enabled()
	state.Reset = true
	days := 7
	change, propose := update(flow.ProposeChange.Name, settings.Change{ProofDays: &days})
	moved, move := update(flow.AdvanceLedger.Name, flow.LedgerAdvance{Share: "s", To: backup.LedgerHead{Sequence: 1, SHA256: strings.Repeat("a", 64)}})
	stale, wrong := update(flow.RestoreSettings.Name, flow.SettingsRestoration{Revision: 9, Above: 9})
	restored, restore := update(flow.RestoreSettings.Name, flow.SettingsRestoration{Revision: 1, Above: 6, By: "anna", What: "taken over"})
	later, proposeLater := update(flow.ProposeChange.Name, settings.Change{ProofDays: &days})
	entity(t, state, propose, move, wrong,
		func(env *testsuite.TestWorkflowEnvironment) {
			require.True(t, ask[settings.Summary](t, env, flow.SummarySettings.Name, struct{}{}).Reset)
			require.True(t, ask[flow.SettingsStanding](t, env, flow.GetStanding.Name, flow.LedgerQuestion{Share: "s"}).Reset)
		},
		restore,
		func(env *testsuite.TestWorkflowEnvironment) {
			now := ask[flow.SettingsStanding](t, env, flow.GetStanding.Name, flow.LedgerQuestion{Share: "s"})
			require.EqualValues(t, 7, now.Revision)
			require.False(t, now.Reset)
			require.EqualValues(t, 1, current(t, env, 1).Revision, "a run that works with it goes on")
			records := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
			require.Equal(t, settings.KindRestored, records[0].Kind)
		},
		proposeLater,
	)
	require.Equal(t, fault.SettingsReset, flow.DecodeFault(change.rejected).Code)
	require.Equal(t, fault.SettingsReset, flow.DecodeFault(moved.rejected).Code)
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(stale.rejected).Code)
	require.NoError(t, restored.rejected)
	require.NoError(t, later.rejected)
}
