package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
)

// The frozen backup that lies on a shelf.
const (
	shelfInstance = "t-0ec3988e"
	shelfID       = backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	shelfFolder   = "20261123T195927Z_" + string(shelfID)
)

// keeping is an entity that holds revisions and the heads of the ledgers, by the share.
type keeping struct {
	entity
	mu        sync.Mutex
	active    int64
	revisions map[int64]settings.Settings
	heads     map[string]backup.LedgerHead
	upkeep    flow.UpkeepState
	now       func() time.Time // by which slots are claimed, the host's clock when nil
}

// QueryWorkflow implements client.Client.
func (k *keeping) QueryWorkflow(_ context.Context, _, _, query string, args ...any) (converter.EncodedValue, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var answer any
	switch query {
	case flow.GetSettings.Name:
		choice := asked[flow.SettingsChoice](args)
		if choice.Revision == 0 {
			choice.Revision = k.active
		}
		answer = k.revisions[choice.Revision]
	case flow.GetLedger.Name:
		answer = k.heads[asked[flow.LedgerQuestion](args).Share]
	case flow.GetUpkeep.Name:
		answer = k.upkeep
	case flow.BackupProgress.Name:
		answer = flow.Progress{BackupID: k.upkeep.Schedule.BackupID}
	default:
		answer = flow.SettingsStanding{Head: k.heads[asked[flow.LedgerQuestion](args).Share]}
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return answered{payloads}, err
}

// UpdateWorkflow implements client.Client.
func (k *keeping) UpdateWorkflow(_ context.Context, in client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var answer any
	switch in.UpdateName {
	case flow.AdvanceLedger.Name:
		move := asked[flow.LedgerAdvance](in.Args)
		if now := k.heads[move.Share]; now != move.From && now != move.To {
			return nil, flow.EncodeFault(fault.Newf(fault.SettingsChanged, "another entry came first"))
		}
		k.heads[move.Share] = move.To
		answer = move.To
	case flow.ClaimSlot.Name:
		claim := asked[flow.SlotClaim](in.Args)
		now := time.Now
		if k.now != nil {
			now = k.now
		}
		next, err := k.upkeep.Schedule.Claim(claim.Slot, now(), claim.Outcome, claim.BackupID, claim.Code, claim.Message)
		if err != nil {
			return nil, err // as it is believed
		}
		k.upkeep.Schedule, answer = next, next
	case flow.NoteVerdict.Name:
		note := asked[flow.VerdictNote](in.Args)
		k.upkeep.Verdicts = append(k.upkeep.Verdicts, flow.Verdict{BackupID: note.BackupID, At: time.Now(), Code: note.Code, Beside: note.Beside, Sequence: note.Sequence})
		answer = struct{}{}
	case flow.ApplySettings.Name:
		application := asked[flow.SettingsApplication](in.Args)
		if again := k.active == application.Revision; application.Schedule != nil && !again {
			k.upkeep.Schedule = k.upkeep.Schedule.With(*application.Schedule, time.Now(), "op")
		}
		k.active = application.Revision
		signing := k.revisions[k.active].Signing
		answer = settings.Summary{Revision: k.active, SigningKey: signing.Public, FormerSigners: signing.Former}
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return done{nil, payloads}, err
}

// asked reads the only argument of a message.
func asked[T any](args []any) (out T) {
	data, err := json.Marshal(args[0])
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// done is an update that has its answer.
type done struct {
	client.WorkflowUpdateHandle
	payloads *commonpb.Payloads
}

// Get implements client.WorkflowUpdateHandle.
func (d done) Get(_ context.Context, to any) error {
	return converter.GetDefaultDataConverter().FromPayloads(d.payloads, to)
}

// shelf is an instance whose share is a folder with one backup, which its ledger knows.
type shelf struct {
	t       *testing.T
	a       *Activities
	entity  *keeping
	s       settings.Settings
	key     *seal.SigningKey
	signers []byte
	folder  string                        // of the share
	next    string                        // of any other share
	wrap    func(share.Store) share.Store // of the share that the activities see
	repo    *repository.Repository
	held    []seal.Identity // that open the backup
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	frozen := filepath.Join("..", "tests", "compat", "testdata", "v1")
	list, err := os.ReadFile(filepath.Join(frozen, "share", shelfInstance, backup.AllowedSignersFile))
	require.NoError(t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	held, err := os.ReadFile(filepath.Join(frozen, "operator.key"))
	require.NoError(t, err)
	x := &shelf{
		t: t, s: trusting(t, shelfInstance, keys[0]), folder: filepath.Join(t.TempDir(), "share"), next: t.TempDir(),
		wrap: func(s share.Store) share.Store { return s },
	}
	x.held, err = seal.ParseIdentities(held)
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(x.folder, os.DirFS(filepath.Join(frozen, "share"))))
	x.key, err = seal.ParseSigningKey(x.s.Signing.PrivateKey.String)
	require.NoError(t, err)
	x.signers = allowed(x.s.Signing.Publics())
	require.NoError(t, os.WriteFile(filepath.Join(x.folder, shelfInstance, backup.AllowedSignersFile), x.signers, 0o600))
	store, err := dir.Open(x.folder)
	require.NoError(t, err)
	x.repo = repository.New(store, shelfInstance)
	x.entity = &keeping{active: 1, revisions: map[int64]settings.Settings{1: x.s}, heads: map[string]backup.LedgerHead{}}
	spooled, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	require.NoError(t, err)
	x.a = New(Dependencies{
		Instance: backup.Instance{Name: shelfInstance}, Spool: spooled, Now: time.Now, Client: x.entity,
		OpenStore: func(_ context.Context, set settings.Settings) (share.Store, error) {
			folder := x.folder
			if set.Share != x.s.Share {
				folder = x.next
			}
			s, err := dir.Open(folder)
			return x.wrap(s), err
		},
	})
	t.Cleanup(func() {
		require.NoError(t, x.a.Close())
		require.NoError(t, spooled.Close())
		require.NoError(t, store.Close())
	})
	x.enter(backup.LedgerEntry{Action: backup.LedgerBegun})
	x.enter(backup.LedgerEntry{Action: backup.LedgerAdopted, BackupID: shelfID, Folder: shelfFolder, SumsSHA256: x.sums()})
	return x
}

// sums is the digest of the backup's SHA256SUMS.
func (x *shelf) sums() string {
	x.t.Helper()
	data, err := os.ReadFile(filepath.Join(x.folder, shelfInstance, backup.BackupsDir, shelfFolder, backup.SumsFile))
	require.NoError(x.t, err)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// enter makes an entry as somebody else does, and tells the entity.
func (x *shelf) enter(e backup.LedgerEntry) {
	x.t.Helper()
	x.entity.mu.Lock()
	defer x.entity.mu.Unlock()
	e.At, e.By, e.Controller = time.Now(), "op", x.s.Controller
	next, own, err := x.repo.Ledger().Append(context.Background(), x.entity.heads[x.s.Share.Place()], e, x.key, x.signers)
	require.NoError(x.t, err)
	require.True(x.t, own)
	x.entity.heads[x.s.Share.Place()] = next
}

// deleted enters the deletion of the backup.
func (x *shelf) deleted() {
	x.enter(backup.LedgerEntry{Action: backup.LedgerDeleted, BackupID: shelfID, Folder: shelfFolder})
}

// state is what the ledger says of the backup now.
func (x *shelf) state() ledger.State {
	x.t.Helper()
	ledger, err := x.repo.Ledger().Read(x.t.Context(), x.signers)
	require.NoError(x.t, err)
	require.Empty(x.t, ledger.Findings)
	s, known := ledger.State(shelfID)
	require.True(x.t, known)
	return s
}

// run runs an activity, and returns its error as it is.
func run[In, Out any](t *testing.T, fn func(context.Context, In) (Out, error), in In) (out Out, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	attempt := func(ctx context.Context, in In) (struct{}, error) {
		out, err = fn(ctx, in)
		return struct{}{}, nil
	}
	env.RegisterActivity(attempt)
	_, ended := env.ExecuteActivity(attempt, in)
	require.NoError(t, ended)
	return out, err
}
