package control

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// TestMembersOfASchedule: members that are not given stay as they are set, whatever the
// caller knows of them.
func TestMembersOfASchedule(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	days, hours, on := 14, 4, true
	_, err := s.BeginChange(ctx, Wanted{SchedulePatch: schedule.Patch{RetentionDays: &days}, RequestedBy: "op"})
	require.ErrorIs(t, err, fault.NotEnabled)
	s.enable()
	begun, err := s.BeginChange(ctx, Wanted{SchedulePatch: schedule.Patch{RetentionDays: &days, Enabled: &on}, RequestedBy: "op"})
	require.NoError(t, err)
	want := schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 14, KeepVerified: 2}
	require.Equal(t, Begun{Schedule: &want}, begun, "over what is usual, where none was ever set")
	_, err = s.BeginChange(ctx, Wanted{SchedulePatch: schedule.Patch{FrequencyHours: &hours}, RequestedBy: "op"})
	require.NoError(t, err)
	want.FrequencyHours = 4
	state, err := s.Upkeep(ctx)
	require.NoError(t, err)
	require.Equal(t, want, state.Schedule.Setting)
	begun, err = s.BeginChange(ctx, Wanted{SchedulePatch: schedule.Patch{FrequencyHours: &hours}, RequestedBy: "op"})
	require.NoError(t, err)
	require.Equal(t, Begun{Unchanged: true, Schedule: &want}, begun)
	hours = 1
	_, err = s.BeginChange(ctx, Wanted{SchedulePatch: schedule.Patch{FrequencyHours: &hours}, RequestedBy: "op"})
	require.ErrorIs(t, err, fault.SettingsInvalid)
}

// TestPathWithoutATransport: the transport stays, and a path that is only spelt otherwise is
// no change.
func TestPathWithoutATransport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	request := s.request()
	request.Share.Transport = share.Signed
	now, err := s.Enable(t.Context(), request)
	require.NoError(t, err)
	begun, err := s.BeginChange(t.Context(), Wanted{Share: &settings.Share{Path: "//FS.example.test/AzSBackups/"}, RequestedBy: "op"})
	require.NoError(t, err)
	require.True(t, begun.Unchanged)
	begun, err = s.BeginChange(t.Context(), Wanted{Share: &now.Share, RequestedBy: "op"})
	require.NoError(t, err)
	require.True(t, begun.Unchanged)
}

// TestFirstSettingsReplaceNone: who was shown that nothing is set must not change what
// somebody else has set meanwhile.
func TestFirstSettingsReplaceNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.enable()
	r := s.request()
	_, err := s.BeginChange(t.Context(), Wanted{
		First: true, Share: &r.Share, Username: "CORP\\other", Password: r.Password, Recipients: r.Recipients, Instance: r.Instance, RequestedBy: "op",
	})
	require.ErrorIs(t, err, fault.AlreadyEnabled)
	now, err := s.Summary(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, now)
	require.Empty(t, s.held(2), "nothing is proposed")
}

// TestProofsAreOfTheWantedKeys: a proof of another key or instance begins nothing.
func TestProofsAreOfTheWantedKeys(t *testing.T) {
	recipient := func() (seal.Recipient, []seal.Identity) {
		text, r, err := seal.GenerateIdentity(false, time.Now())
		require.NoError(t, err)
		ids, err := seal.ParseIdentities([]byte(text.Reveal()))
		require.NoError(t, err)
		return r, ids
	}
	proof := func(r seal.Recipient, ids []seal.Identity, instance string) seal.Proof {
		asked, err := seal.Ask(r, instance, rand.Reader)
		require.NoError(t, err)
		answer, err := seal.AnswerChallenge([]byte(asked.Text), ids)
		require.NoError(t, err)
		p, ok := asked.Answered(answer)
		require.True(t, ok)
		return p
	}
	mine, ids := recipient()
	other, others := recipient()
	c := New(nil, nil, "", "north") // nothing is asked
	for name, p := range map[string]seal.Proof{"another key": proof(other, others, "north"), "another instance": proof(mine, ids, "south"), "none": {}} {
		_, err := c.BeginChange(t.Context(), Wanted{Recipients: []seal.Recipient{mine}, Proofs: []seal.Proof{p}, RequestedBy: "op"})
		require.ErrorIs(t, err, fault.ProofRefused, name)
	}
	require.NoError(t, Wanted{Recipients: []seal.Recipient{other, mine}, Proofs: []seal.Proof{proof(mine, ids, "north")}}.checkProofs("north"))
}

// leaving is a client whose caller goes away when a change is started, and is refused.
type leaving struct {
	client.Client
	leave context.CancelFunc
}

func (l leaving) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	if workflow != flow.Enable.Name {
		return l.Client.ExecuteWorkflow(ctx, o, workflow, args...)
	}
	l.leave()
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "another")
}

// TestWhatWasProposedIsDropped also when the caller has gone meanwhile.
func TestWhatWasProposedIsDropped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	plain := s.client
	s.client = leaving{plain, cancel}
	_, err := s.Enable(ctx, s.request())
	require.Error(t, err)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	s.client = plain
	require.Empty(t, s.held(1))
}
