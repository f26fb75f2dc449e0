package workflows

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// keys are those of all tests, since what is said of keys is computed from them.
var keys = sync.OnceValue(func() struct {
	x, y               settings.Recipient
	signing, successor settings.Signing
} {
	recipient := func() settings.Recipient {
		_, r, err := seal.GenerateIdentity(false, time.Now())
		if err != nil {
			panic(err)
		}
		return settings.Recipient{Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Text: r.Text}
	}
	signing := func() settings.Signing {
		text, err := seal.GenerateSigningKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		key, err := seal.ParseSigningKey(text)
		if err != nil {
			panic(err)
		}
		return settings.Signing{PrivateKey: secret.NewTransfer(text), Public: key.Public()}
	}
	return struct {
		x, y               settings.Recipient
		signing, successor settings.Signing
	}{recipient(), recipient(), signing(), signing()}
})

const testController = "c0000000-0000-4000-8000-000000000001"

func validSettings() settings.Settings {
	return settings.Settings{
		Instance:   backup.Instance{Name: "local", FQDN: "local.azurestack.test", Region: "local"},
		Share:      settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted},
		Credential: settings.Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("pw"))},
		Recipients: []settings.Recipient{keys().x},
		Signing:    keys().signing, Controller: testController,
	}
}

// tried is the application of a revision that was tried: signed with the key of signing,
// for what the entity holds under that number when the step comes.
func tried(t *testing.T, revision int64, signing settings.Signing, edit func(*flow.SettingsApplication)) (*outcome, func(env *testsuite.TestWorkflowEnvironment)) {
	t.Helper()
	out := &outcome{}
	return out, func(env *testsuite.TestWorkflowEnvironment) {
		key, err := seal.ParseSigningKey(signing.PrivateKey.String)
		require.NoError(t, err)
		probe := settings.Probe{Fingerprint: current(t, env, revision).Fingerprint(), At: time.Now().UTC()}
		in := flow.SettingsApplication{Revision: revision, Probe: &probe}
		if edit != nil {
			edit(&in) // before it is signed
		}
		probe, err = probe.Sign(key)
		require.NoError(t, err)
		env.UpdateWorkflow(flow.ApplySettings.Name, "", out, in)
	}
}

// outcome collects the answer to an update.
type outcome struct {
	rejected error
	value    any
	err      error
}

func (o *outcome) Accept()                     {}
func (o *outcome) Reject(err error)            { o.rejected = err }
func (o *outcome) Complete(value any, e error) { o.value, o.err = value, e }

// entity drives a settings workflow through steps that run one after the other.
func entity(t *testing.T, state flow.SettingsState, steps ...func(env *testsuite.TestWorkflowEnvironment)) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	for i, step := range steps {
		env.RegisterDelayedCallback(func() { step(env) }, time.Duration(i+1)*time.Second)
	}
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow(Settings, state)
	require.True(t, env.IsWorkflowCompleted())
	return env
}

func update(name string, in any) (*outcome, func(env *testsuite.TestWorkflowEnvironment)) {
	out := &outcome{}
	return out, func(env *testsuite.TestWorkflowEnvironment) { env.UpdateWorkflow(name, "", out, in) }
}

func current(t *testing.T, env *testsuite.TestWorkflowEnvironment, revision int64) settings.Settings {
	t.Helper()
	value, err := env.QueryWorkflow(flow.GetSettings.Name, flow.SettingsChoice{Revision: revision})
	require.NoError(t, err)
	var s settings.Settings
	require.NoError(t, value.Get(&s))
	return s
}

func TestSettingsAreActiveOnlyWhenApplied(t *testing.T) {
	proposed, propose := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: validSettings(), First: true})
	applied, apply := tried(t, 1, keys().signing, nil)
	again, second := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: validSettings(), First: true})
	dropped, drop := update(flow.DropSettings.Name, flow.SettingsDrop{Revision: 1})
	entity(t, flow.SettingsState{Instance: "local"},
		propose,
		func(env *testsuite.TestWorkflowEnvironment) {
			require.Zero(t, current(t, env, 0).Revision)
			require.Equal(t, "pw", current(t, env, 1).Credential.Password.Reveal())
		},
		apply,
		func(env *testsuite.TestWorkflowEnvironment) { require.Equal(t, int64(1), current(t, env, 0).Revision) },
		second, drop,
	)
	require.Equal(t, int64(1), proposed.value)
	require.NoError(t, applied.err)
	require.Equal(t, fault.AlreadyEnabled, flow.DecodeFault(again.rejected).Code)
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(dropped.rejected).Code)
}

func TestSettingsRefuseWhatIsInvalid(t *testing.T) {
	tests := map[string]struct {
		change func(*settings.Settings)
		code   fault.Code
	}{
		"no recipient":      {func(s *settings.Settings) { s.Recipients = nil }, fault.SettingsInvalid},
		"same recipient":    {func(s *settings.Settings) { s.Recipients = append(s.Recipients, s.Recipients...) }, fault.SettingsInvalid},
		"malformed path":    {func(s *settings.Settings) { s.Share.Path = "fs:/x" }, fault.ShareInvalid},
		"Azure file share":  {func(s *settings.Settings) { s.Share.Path = `\\x.file.core.windows.net\s` }, fault.ShareUnsupported},
		"no password":       {func(s *settings.Settings) { s.Credential.Password = secret.Transfer{} }, fault.SettingsInvalid},
		"unknown transport": {func(s *settings.Settings) { s.Share.Transport = "plain" }, fault.SettingsInvalid},
		"no signing key":    {func(s *settings.Settings) { s.Signing = settings.Signing{} }, fault.SettingsInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			tt.change(&s)
			out, propose := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: s})
			entity(t, flow.SettingsState{Instance: "local"}, propose)
			require.Equal(t, tt.code, flow.DecodeFault(out.rejected).Code)
		})
	}
}

func TestSettingsKeepTheNewestRevisions(t *testing.T) {
	state := flow.SettingsState{Instance: "local", Active: 1, Last: 1}
	first := validSettings()
	first.Revision = 1
	state.Revisions = []settings.Settings{first}
	var steps []func(env *testsuite.TestWorkflowEnvironment)
	for i := range 2 * keptRevisions {
		days := i + 1
		_, propose := update(flow.ProposeChange.Name, settings.Change{ProofDays: &days})
		steps = append(steps, propose)
	}
	steps = append(steps, func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, int64(1), current(t, env, 0).Revision, "the active revision is never forgotten")
		require.Equal(t, int64(2*keptRevisions+1), current(t, env, 2*keptRevisions+1).Revision)
		require.Zero(t, current(t, env, 2).Revision, "an old proposal is")
	})
	entity(t, state, steps...)
}

func TestSettingsContinueAsNew(t *testing.T) {
	_, propose := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: validSettings(), First: true})
	_, apply := tried(t, 1, keys().signing, nil)
	env := entity(t, flow.SettingsState{Instance: "local"}, propose, apply, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetContinueAsNewSuggested(true)
		_, wake := update(flow.DropSettings.Name, flow.SettingsDrop{Revision: 99})
		wake(env)
	})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	var state flow.SettingsState
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &state))
	require.Equal(t, int64(1), state.Active)
	require.Equal(t, "pw", state.Revisions[0].Credential.Password.Reveal())

	entity(t, state, func(env *testsuite.TestWorkflowEnvironment) {
		require.Equal(t, int64(1), current(t, env, 0).Revision, "the next run goes on with the same settings")
	})
}
