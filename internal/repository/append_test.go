package repository

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// operation is an entry about a backup that only the ledger knows.
func (k *keeper) operation(n int) backup.LedgerEntry {
	id := backup.ID(fmt.Sprintf("%08x-5a59-4b0e-9a43-5f0f0f7f6a11", n))
	return backup.LedgerEntry{
		At: k.clock, Controller: testController, Action: backup.LedgerCreated, BackupID: id,
		Folder: backup.FolderName(id, k.clock), SumsSHA256: strings.Repeat("a", 64), By: "test",
	}
}

// requireChain makes sure that the ledger is whole and has so many entries.
func (k *keeper) requireChain(entries int) *Ledger {
	k.t.Helper()
	l, err := k.repo.ReadLedger(context.Background(), k.signers)
	require.NoError(k.t, err)
	require.Empty(k.t, l.Findings)
	require.Equal(k.t, entries, l.Entries)
	return l
}

func TestAppendedEntriesAreRead(t *testing.T) {
	k := newKeeper(t, 1)
	empty := k.requireChain(0)
	require.Equal(t, backup.LedgerHead{}, empty.Head())
	b := k.put()
	k.enter(k.entry(backup.LedgerBegun, nil))
	k.enter(k.entry(backup.LedgerCreated, b))
	first := describe("", b.sums).SHA256
	b.sums = append(b.sums, 'x')
	k.enter(k.entry(backup.LedgerRewrapped, b))
	l := k.requireChain(3)
	require.Equal(t, k.head, l.Head())
	s, ok := l.State(b.id)
	require.True(t, ok)
	require.False(t, s.Gone())
	require.Equal(t, LedgerState{
		Sequence: 3, Action: backup.LedgerRewrapped, Folder: b.folder, SumsSHA256: describe("", b.sums).SHA256,
		Recipients: b.manifest.Recipients, Exposed: []string{b.manifest.Recipients[0].Fingerprint}, earlier: []string{first},
	}, s)
	k.enter(k.entry(backup.LedgerPruned, b))
	s, ok = k.requireChain(4).State(b.id)
	require.True(t, ok)
	require.True(t, s.Gone())
	_, ok = l.State(testID)
	require.False(t, ok)
}

// Whoever a backup key was ever wrapped to may know it, until there is another one.
func TestExposedKeysAreRemembered(t *testing.T) {
	recipients := func(names ...string) (all []backup.Recipient) {
		for _, name := range names {
			all = append(all, backup.Recipient{Kind: "x25519", Fingerprint: name})
		}
		return all
	}
	l := &Ledger{states: map[backup.ID]*LedgerState{}}
	for _, step := range []struct {
		action     backup.LedgerAction
		recipients []string
		want       []string
	}{
		{backup.LedgerCreated, []string{"a", "b"}, []string{"a", "b"}},
		{backup.LedgerRewrapped, []string{"c"}, []string{"a", "b", "c"}},
		{backup.LedgerRewrapped, []string{"b", "d"}, []string{"a", "b", "c", "d"}},
		{backup.LedgerReencrypted, []string{"d"}, []string{"d"}},
		{backup.LedgerDeleted, nil, []string{"d"}},
	} {
		l.enter(backup.LedgerEntry{Action: step.action, BackupID: testID, Recipients: recipients(step.recipients...), SumsSHA256: "x"})
		s, _ := l.State(testID)
		require.Equal(t, step.want, s.Exposed, step.action)
	}
}

func TestAppendMayBeRepeated(t *testing.T) {
	k := newKeeper(t, 1)
	k.enter(k.operation(1))
	before := k.head
	k.clock = k.clock.Add(time.Hour)
	again := k.operation(1)
	again.Folder = backup.FolderName(again.BackupID, k.clock.Add(-time.Hour))
	again.By = "somebody else"
	k.enter(again)
	require.Equal(t, before, k.head, "nothing is written a second time")
	k.requireChain(1)

	// The head was lost: the same operation is its own, another one has to be told first.
	zero := backup.LedgerHead{}
	next, own, err := k.repo.AppendLedger(t.Context(), zero, again, k.key, k.signers)
	require.NoError(t, err)
	require.True(t, own)
	require.Equal(t, before, next)
	next, own, err = k.repo.AppendLedger(t.Context(), zero, k.operation(2), k.key, k.signers)
	require.NoError(t, err)
	require.False(t, own)
	require.Equal(t, before, next)
	next, own, err = k.repo.AppendLedger(t.Context(), next, k.operation(2), k.key, k.signers)
	require.NoError(t, err)
	require.True(t, own)
	require.Equal(t, next, k.requireChain(2).Head())
}

func TestAppendSurvivesACrashAtEveryChange(t *testing.T) {
	for _, vandal := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			crashes := 0
			for n := 1; ; n++ {
				k := newKeeper(t, 1)
				k.enter(k.operation(1))
				want := 2
				place := k.path(backup.LedgerDir, backup.LedgerFile(2))
				if vandal {
					require.NoError(t, os.WriteFile(place, []byte("garbage"), 0o600))
				}
				store := &crashing{Store: k.store, left: n, after: after}
				_, _, err := New(store, "local").AppendLedger(t.Context(), k.head, k.operation(2), k.key, k.signers)
				if !store.dead {
					require.NoError(t, err)
					break
				}
				crashes++
				next, own, err := k.repo.AppendLedger(t.Context(), k.head, k.operation(2), k.key, k.signers)
				require.NoError(t, err)
				require.True(t, own)
				l, err := k.repo.ReadLedger(t.Context(), k.signers)
				require.NoError(t, err)
				require.Equal(t, want, l.Entries)
				require.Equal(t, next, l.Head())
				if vandal {
					require.Len(t, l.Findings, 1, "the garbage is still reported")
					require.Equal(t, "local/ledger/00000002.entry.refused-1", l.Findings[0].File)
				} else {
					require.Empty(t, l.Findings)
				}
			}
			require.GreaterOrEqual(t, crashes, 3)
		}
	}
}

func TestAppendSetsAsideWhatIsNoEntry(t *testing.T) {
	k := newKeeper(t, 1)
	k.enter(k.operation(1))
	k.enter(k.operation(2))
	stranger := *k
	stranger.key = signingKey(t)
	stranger.signers = seal.AllowedSigners(stranger.key.Public())
	place := k.path(backup.LedgerDir, backup.LedgerFile(3))
	older, err := os.ReadFile(k.path(backup.LedgerDir, backup.LedgerFile(2)))
	require.NoError(t, err)
	puts := []func(){
		func() { require.NoError(t, os.WriteFile(place, nil, 0o600)) },
		func() { require.NoError(t, os.WriteFile(place, bytes.Repeat([]byte("x"), 1<<20), 0o600)) },
		func() { require.NoError(t, os.WriteFile(place, older, 0o600)) },
		func() { require.NoError(t, os.Mkdir(place, 0o700)) },
		func() { forger := stranger; forger.enter(forger.operation(3)) },
		func() {
			k.forge(backup.LedgerHead{Sequence: k.head.Sequence, SHA256: strings.Repeat("0", 64)}, k.operation(3))
		},
	}
	for i, put := range puts {
		put()
		head := k.head
		next, own, err := k.repo.AppendLedger(t.Context(), head, k.operation(3), k.key, k.signers)
		require.NoError(t, err)
		require.True(t, own)
		l, err := k.repo.ReadLedger(t.Context(), k.signers)
		require.NoError(t, err)
		require.Equal(t, next, l.Head())
		require.Len(t, l.Findings, i+1, "%+v", l.Findings)
		require.NoError(t, os.Remove(place))
	}
	for n := range maxRefused {
		_ = os.WriteFile(fmt.Sprintf("%s%s%d", place, refusedMark, n+1), nil, 0o600)
	}
	require.NoError(t, os.WriteFile(place, nil, 0o600))
	_, _, err = k.repo.AppendLedger(t.Context(), k.head, k.operation(3), k.key, k.signers)
	require.ErrorIs(t, err, fault.LedgerDamaged)
}

func TestAppendPutsBackAnEntryThatItSetAside(t *testing.T) {
	k := newKeeper(t, 1)
	place := k.path(backup.LedgerDir, backup.LedgerFile(1))
	require.NoError(t, os.MkdirAll(k.path(backup.LedgerDir), 0o700))
	require.NoError(t, os.WriteFile(place, []byte("garbage"), 0o600))
	var once sync.Once
	store := &hooked{Store: k.store, rename: func(from, _ string) {
		// Another append sets the garbage aside and takes the place first.
		once.Do(func() { k.enter(k.operation(2)) })
	}}
	next, own, err := New(store, "local").AppendLedger(t.Context(), backup.LedgerHead{}, k.operation(1), k.key, k.signers)
	require.NoError(t, err)
	require.False(t, own)
	require.Equal(t, k.head, next)
	l, err := k.repo.ReadLedger(t.Context(), k.signers)
	require.NoError(t, err)
	require.Equal(t, 1, l.Entries)
	require.Len(t, l.Findings, 1)
}

func TestAppendRefuses(t *testing.T) {
	k := newKeeper(t, 1)
	other := newKeeper(t, 2)
	full := other.forge(backup.LedgerHead{Sequence: backup.MaxLedgerEntries - 1, SHA256: strings.Repeat("0", 64)}, other.operation(0))
	_, _, err := other.repo.AppendLedger(t.Context(), full, other.operation(1), other.key, other.signers)
	require.ErrorIs(t, err, fault.LimitExceeded)
	_, _, err = k.repo.AppendLedger(t.Context(), k.head, k.operation(1), signingKey(t), k.signers)
	require.ErrorIs(t, err, fault.KeyInvalid)
	wrong := k.operation(1)
	wrong.Action = "moved"
	_, _, err = k.repo.AppendLedger(t.Context(), k.head, wrong, k.key, k.signers)
	require.ErrorIs(t, err, fault.Internal)
	_, _, err = New(&lying{Store: k.store, corrupt: true}, "local").AppendLedger(t.Context(), k.head, k.operation(1), k.key, k.signers)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	next, own, err := New(&lying{Store: k.store, loseReply: true}, "local").AppendLedger(t.Context(), k.head, k.operation(1), k.key, k.signers)
	require.NoError(t, err, "the reply to the rename was lost")
	require.True(t, own)
	require.Equal(t, next, k.requireChain(1).Head())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = k.repo.AppendLedger(cancelled, next, k.operation(2), k.key, k.signers)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTwoAppendAtOnce(t *testing.T) {
	const each = 20
	k := newKeeper(t, 1)
	var mu sync.Mutex
	head := backup.LedgerHead{}
	current := func() backup.LedgerHead { mu.Lock(); defer mu.Unlock(); return head }
	tell := func(from, to backup.LedgerHead) {
		mu.Lock()
		defer mu.Unlock()
		if head == from {
			head = to
		}
	}
	enter := func(e backup.LedgerEntry) error {
		for {
			from := current()
			next, own, err := k.repo.AppendLedger(context.Background(), from, e, k.key, k.signers)
			if err != nil {
				return err
			}
			tell(from, next)
			if own {
				return nil
			}
		}
	}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for worker := range errs {
		both.Go(func() {
			for i := range each {
				if errs[worker] = enter(k.operation(worker*1000 + i)); errs[worker] != nil {
					return
				}
			}
		})
	}
	both.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	l := k.requireChain(2 * each)
	require.Equal(t, head, l.Head())
	for worker := range errs {
		for i := range each {
			_, ok := l.State(k.operation(worker*1000 + i).BackupID)
			require.True(t, ok)
		}
	}
}

func TestStockToolsVerifyAnEntry(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Fatalf("this test needs the Debian package openssh-client: %v", err)
	}
	k := newKeeper(t, 1)
	k.backUp()
	cmd := exec.Command("bash", "-c", `F=ledger/00000001.entry
sed 1q "$F" | ssh-keygen -Y verify -f allowed_signers -I infrabackup -n infrabackup -s <(sed 1d "$F")`)
	cmd.Dir = k.path()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(k.path(backup.LedgerDir, backup.LedgerFile(1)), []byte("x"), 0o600))
	cmd = exec.Command(cmd.Args[0], cmd.Args[1:]...)
	cmd.Dir = k.path()
	require.Error(t, cmd.Run())
}

func TestLedgerFindings(t *testing.T) {
	k := newKeeper(t, 1)
	k.enter(k.operation(1))
	k.clock = k.clock.Add(-clockStep + time.Second)
	k.enter(k.operation(2))
	require.NoError(t, os.WriteFile(k.path(backup.LedgerDir, "00000003.entry.part-00ff"), []byte("{"), 0o600))
	k.requireChain(2)

	other := New(k.store, "other")
	require.NoError(t, os.CopyFS(k.folder+"/other/ledger", os.DirFS(k.path(backup.LedgerDir))))
	l, err := other.ReadLedger(t.Context(), k.signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 2, "entries of another instance")
	require.Empty(t, l.states)

	l, err = k.repo.ReadLedger(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, l.Findings, 1, "without keys nothing can be believed")

	k.clock = k.clock.Add(-clockStep - time.Second)
	k.enter(k.operation(3))
	l, err = k.repo.ReadLedger(t.Context(), k.signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 1)
	require.Equal(t, backup.Finding{Code: "LEDGER_DAMAGED", File: "local/ledger/00000003.entry",
		Message: "the entry is of 2026-11-20T08:30:00Z, the one before it of 2026-11-21T08:30:01Z"}, l.Findings[0])

	for i := range maxFindings + 10 {
		require.NoError(t, os.WriteFile(k.path(backup.LedgerDir, fmt.Sprintf("rubbish-%d.entry", i)), nil, 0o600))
	}
	l, err = k.repo.ReadLedger(t.Context(), k.signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, maxFindings+1)
	require.Contains(t, l.Findings[maxFindings].Message, "left out")
}

func FuzzParseEntry(f *testing.F) {
	k := newKeeper(f, 1)
	for n := range 3 {
		k.enter(k.operation(n))
		data, err := os.ReadFile(k.path(backup.LedgerDir, backup.LedgerFile(int64(n+1))))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("\n"))
	known := map[backup.LedgerHead]bool{}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := k.repo.parseEntry(data, k.signers)
		if err != nil {
			return
		}
		known[l.head] = true
		line, _ := splitEntry(data)
		require.Equal(t, headOf(l.entry.Sequence, line), l.head)
		require.LessOrEqual(t, len(known), 3, "nobody else can sign an entry")
	})
}
