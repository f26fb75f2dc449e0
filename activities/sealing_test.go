package activities

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/capture"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
)

// fixed is a source with the given items.
type fixed struct {
	service backup.Service
	items   []backup.Item
	window  [2]time.Duration // after the start of the backup
}

func (f *fixed) Service() backup.Service { return f.service }

func (f *fixed) Check(context.Context) error { return nil }

func (f *fixed) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	for _, item := range f.items {
		if err := sink.Record(item, fmt.Appendf(nil, "{%q:%q}", "id", item.ID)); err != nil {
			return collect.Capture{}, err
		}
	}
	return collect.Capture{Start: begun.Add(f.window[0]), End: begun.Add(f.window[1])}, nil
}

var begun = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// bench is one backup that is to be sealed, on a share that is a folder.
type bench struct {
	t      *testing.T
	a      *Activities
	repo   *repository.Repository
	folder string
	key    seal.Identity
	in     flow.SealBackupInput
	hb     *heartbeater
}

func newBench(t *testing.T) *bench {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "share"), 0o700))
	store, err := dir.Open(filepath.Join(root, "share"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	spooled, err := spool.Open(filepath.Join(root, "spool"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, spooled.Close()) })
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	ring, err := codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	key, recipient, err := seal.DeriveIdentity([32]byte{7})
	require.NoError(t, err)
	b := &bench{
		t: t, a: New(Dependencies{Spool: spooled, Keyring: ring, Encrypter: seal.FileEncrypter{}, Product: "test", Now: func() time.Time { return begun.Add(time.Hour) }}),
		repo: repository.New(store, "lab"), key: key, hb: &heartbeater{},
		in: flow.SealBackupInput{
			BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Recipient: recipient, WorkKeyID: ring.Active(), StartedAt: begun,
		},
	}
	b.folder = filepath.Join(root, "share", "lab", backup.IncomingPath(b.in.BackupID))
	require.NoError(t, b.repo.Begin(t.Context(), b.in.BackupID))
	require.NoError(t, spooled.Begin(b.in.BackupID))
	return b
}

// capture takes a source as Collect and UploadPart do.
func (b *bench) capture(source *fixed) {
	b.t.Helper()
	_, workRecipient, err := b.a.workKey(b.in.WorkKeyID, b.in.BackupID)
	require.NoError(b.t, err)
	rec := &capture.Recorder{Spool: b.a.Spool, Encrypter: seal.FileEncrypter{}, Progress: b.hb}
	out, err := rec.Capture(b.t.Context(), source, capture.Request{BackupID: b.in.BackupID, Recipient: b.in.Recipient, WorkRecipient: workRecipient})
	require.NoError(b.t, err)
	up := &capture.Upload{Repository: b.repo, Spool: b.a.Spool, BackupID: b.in.BackupID, Progress: b.hb}
	_, err = up.File(b.t.Context(), out.Part, nil)
	require.NoError(b.t, err)
	index := flow.ServiceIndex{Service: source.service, File: out.Index}
	if len(b.in.Indexes)%2 == 0 { // both ways that a list can take
		index.Data, err = capture.ReadIndex(b.a.Spool, b.in.BackupID, out.Index)
	} else {
		_, err = up.File(b.t.Context(), out.Index, nil)
	}
	require.NoError(b.t, err)
	out.Result.Status, out.Result.File = backup.Succeeded, out.Part.Name
	b.in.Services = append(b.in.Services, out.Result)
	b.in.Parts = append(b.in.Parts, out.Part)
	b.in.Indexes = append(b.in.Indexes, index)
}

func principal(id, sid string) backup.Item {
	return backup.Item{Kind: "role-assignment", ID: id, Name: "assignment " + id, References: []backup.Reference{
		{Relation: "principal", Service: backup.AD, Target: sid}, {Relation: "quota", Service: backup.CRP, Target: "/quota"},
	}}
}

// TestALateAttemptToSealTakesNothingAway: one that nobody waits for any more, and that ends well,
// leaves the file of the one that came after it.
func TestALateAttemptToSealTakesNothingAway(t *testing.T) {
	b := newBench(t)
	b.capture(&fixed{service: backup.AD, window: [2]time.Duration{time.Second, 2 * time.Second}, items: []backup.Item{{Kind: "directory-object", ID: "u", Name: "u"}}})
	var later *os.File
	_, err := b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, func(ctx context.Context, _ backup.File, _ backup.Consistency) error {
		// Until the late one has sent its own, which is what it needs it for.
		for {
			if _, err := os.Stat(filepath.Join(b.folder, backup.CatalogFile)); err == nil {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			runtime.Gosched()
		}
		err := b.a.Spool.Begin(b.in.BackupID)
		if err == nil {
			later, err = b.a.Spool.Create(b.in.BackupID, backup.CatalogFile)
		}
		return err
	})
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(b.a.Spool.String(), string(b.in.BackupID), backup.CatalogFile))
	require.NoError(t, b.a.Spool.Discard(b.in.BackupID, backup.CatalogFile, later))
	require.NoError(t, later.Close())
}

func TestSealingFindsWhatDangles(t *testing.T) {
	b := newBench(t)
	b.capture(&fixed{service: backup.RBAC, window: [2]time.Duration{time.Second, 2 * time.Second}, items: []backup.Item{
		principal("1", "sid:1"), principal("2", "sid:2"), principal("3", "sid:3"),
		{Kind: "role-assignment", ID: "3", Name: "assignment 3", Supersedes: true}, // it was removed from the assignment
	}})
	b.capture(&fixed{service: backup.AD, window: [2]time.Duration{5 * time.Second, 9 * time.Second}, items: []backup.Item{
		{Kind: "directory-object", ID: "u", Name: "u", Aliases: []string{"sid:1"}},
		{Kind: "directory-object", ID: "w", Name: "w", Aliases: []string{"sid:2"}},
		{Kind: "directory-object", ID: "w", Name: "w", Supersedes: true}, // it was deleted meanwhile
	}})
	b.in.Services = append(b.in.Services, backup.ServiceResult{Service: backup.CRP, Status: backup.Failed, Code: "SOURCE_UNREACHABLE"})

	want := backup.Consistency{
		Skew: backup.Skew{
			Start: begun.Add(time.Second), End: begun.Add(9 * time.Second), SpreadMS: 8000, ApartMS: 3000, First: backup.RBAC, Last: backup.AD,
		},
		Relations: []backup.RelationCount{{Relation: "principal", Checked: 2, Dangling: 1}, {Relation: "quota", Unchecked: 2}},
		Dangling: []backup.DanglingReference{
			{Service: backup.RBAC, ID: "2", Name: "assignment 2", Relation: "principal", TargetService: backup.AD, Target: "sid:2"},
		},
	}
	for range 2 { // an attempt, and a repeated one
		require.NoError(t, b.a.Spool.Release(b.in.BackupID, "")) // another host captured
		var found backup.Consistency
		file, err := b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, keep(&found))
		require.NoError(t, err)
		require.Equal(t, want, found)
		left, err := os.ReadDir(b.a.Spool.String())
		require.NoError(t, err)
		require.Empty(t, left, "nothing stays on a host that only seals")

		sealed, err := os.Open(filepath.Join(b.folder, backup.CatalogFile))
		require.NoError(t, err)
		plain, err := seal.Decrypt(sealed, b.key)
		require.NoError(t, err)
		var ids []string
		require.NoError(t, archive.ReadCatalog(plain, func(e backup.CatalogEntry) error {
			ids = append(ids, fmt.Sprintf("%s %s %d %d", e.Service, e.ID, len(e.Aliases), len(e.References)))
			return nil
		}))
		require.NoError(t, sealed.Close())
		require.Equal(t, []string{"RBAC 1 0 2", "RBAC 2 0 2", "RBAC 3 0 2", "RBAC 3 0 0", "AD u 1 0", "AD w 1 0", "AD w 0 0"}, ids)

		m, err := b.a.manifest(t.Context(), b.repo, settings.Settings{Instance: backup.Instance{Name: "lab"}}, b.in, append(b.in.Parts[:2:2], file))
		require.NoError(t, err)
		m.Consistency = &found
		encoded, err := m.Encode()
		require.NoError(t, err)
		decoded, err := backup.DecodeManifest(bytes.NewReader(encoded))
		require.NoError(t, err)
		require.Equal(t, &want, decoded.Consistency)
	}
}

// noting is an encryption that notes for whom it is.
type noting struct{ recipients []string }

// Encrypt implements [capture.Encrypter].
func (n *noting) Encrypt(ctx context.Context, file *os.File, recipient string, blocks *blocksum.Table) (io.WriteCloser, error) {
	n.recipients = append(n.recipients, recipient)
	return seal.FileEncrypter{}.Encrypt(ctx, file, recipient, blocks)
}

// TestTheCatalogIsNotEncryptedHere: it is for the operator's eyes, and goes to where this
// process does not get its keys.
func TestTheCatalogIsNotEncryptedHere(t *testing.T) {
	b, n := newBench(t), &noting{}
	b.a.Encrypter = n
	_, err := b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, alone)
	require.NoError(t, err)
	require.Equal(t, []string{b.in.Recipient}, n.recipients)
}

// TestSealingNoticesAChangedIndex: the lists come back from the share, and
// what comes back is authenticated.
func TestSealingNoticesAChangedIndex(t *testing.T) {
	b := newBench(t)
	b.capture(&fixed{service: backup.RBAC, items: []backup.Item{principal("1", "sid:1")}})
	b.capture(&fixed{service: backup.AD, items: []backup.Item{{Kind: "directory-object", ID: "u", Name: "u"}}})
	name := filepath.Join(b.folder, b.in.Indexes[1].File.Name)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	require.NoError(t, os.WriteFile(name, data, 0o600))
	_, err = b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, alone)
	require.ErrorIs(t, err, fault.ShareCorrupted)

	require.NoError(t, os.Remove(name))
	_, err = b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, alone)
	require.Error(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.a.sealCatalog(ctx, b.repo, b.in, b.hb, alone)
	require.ErrorIs(t, err, context.Canceled)
}

// TestReferencesOfAVaultWithThousandsOfPolicies: they do not break the backup, and what
// was not recorded is not taken for checked.
func TestReferencesOfAVaultWithThousandsOfPolicies(t *testing.T) {
	b := newBench(t)
	vault := backup.Item{Kind: "vault", ID: "/v", Name: strings.Repeat("v", 1000)}
	const policies = 5000
	for i := range policies {
		vault.References = append(vault.References, backup.Reference{Relation: "principal", Service: backup.AD, Target: fmt.Sprint("sid:s-1-5-21-1-2-3-", i)})
	}
	b.capture(&fixed{service: backup.KeyVault, items: []backup.Item{vault}})
	b.capture(&fixed{service: backup.AD, items: []backup.Item{{Kind: "directory-object", ID: "u", Name: "u", Aliases: []string{"sid:s-1-5-21-1-2-3-7"}}}})
	var found backup.Consistency
	_, err := b.a.sealCatalog(t.Context(), b.repo, b.in, b.hb, keep(&found))
	require.NoError(t, err)
	require.Equal(t, []backup.RelationCount{{Relation: "principal", Checked: backup.MaxReferences, Dangling: backup.MaxReferences - 1}}, found.Relations)
	require.Equal(t, int64(policies-backup.MaxReferences), found.LeftOut)
	require.Len(t, found.Dangling, backup.MaxDangling)
}

// alone is nothing to do while the catalog is uploaded.
func alone(context.Context, backup.File, backup.Consistency) error { return nil }

// keep keeps what was found out about references.
func keep(into *backup.Consistency) func(context.Context, backup.File, backup.Consistency) error {
	return func(_ context.Context, _ backup.File, found backup.Consistency) error {
		*into = found
		return nil
	}
}
