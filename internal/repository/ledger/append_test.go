package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/sharetest"
)

// requireChain makes sure that the ledger is whole and has so many entries.
func (k *fixture) requireChain(entries int) *ledger.Ledger {
	k.T.Helper()
	l, err := k.Repo.Ledger().Read(context.Background(), k.Signers)
	require.NoError(k.T, err)
	require.Empty(k.T, l.Findings)
	require.Equal(k.T, entries, l.Entries)
	return l
}

func TestAppendedEntriesAreRead(t *testing.T) {
	k := newFixture(t, 1)
	empty := k.requireChain(0)
	require.Equal(t, backup.LedgerHead{}, empty.Head())
	b := k.Put()
	k.Enter(k.Entry(backup.LedgerBegun, nil))
	k.Enter(k.Entry(backup.LedgerCreated, b))
	first := folder.Describe("", b.Sums).SHA256
	b.Sums = append(b.Sums, 'x')
	k.Enter(k.Entry(backup.LedgerRewrapped, b))
	l := k.requireChain(3)
	require.Equal(t, k.Head, l.Head())
	s, ok := l.State(b.ID)
	require.True(t, ok)
	require.False(t, s.Gone())
	require.Equal(t, ledger.StateOf(ledger.State{
		Sequence: 3, Action: backup.LedgerRewrapped, Folder: b.Folder, SumsSHA256: folder.Describe("", b.Sums).SHA256,
		Recipients: b.Manifest.Recipients, Exposed: []string{b.Manifest.Recipients[0].Fingerprint},
		ChangedAt: k.Clock, Made: 2, MadeAt: k.Clock,
	}, first), s)
	k.Enter(k.Entry(backup.LedgerPruned, b))
	s, ok = k.requireChain(4).State(b.ID)
	require.True(t, ok)
	require.True(t, s.Gone())
	_, ok = l.State(repositorytest.ID)
	require.False(t, ok)
}

func TestAppendMayBeRepeated(t *testing.T) {
	k := newFixture(t, 1)
	k.Enter(k.Operation(1))
	before := k.Head
	k.Clock = k.Clock.Add(time.Hour)
	again := k.Operation(1)
	again.Folder = backup.FolderName(again.BackupID, k.Clock.Add(-time.Hour))
	again.By = "somebody else"
	k.Enter(again)
	require.Equal(t, before, k.Head, "nothing is written a second time")
	k.requireChain(1)

	// The head was lost: the same operation is its own, another one has to be told first.
	zero := backup.LedgerHead{}
	next, own, err := k.Repo.Ledger().Append(t.Context(), zero, again, k.Key, k.Signers)
	require.NoError(t, err)
	require.True(t, own)
	require.Equal(t, before, next)
	next, own, err = k.Repo.Ledger().Append(t.Context(), zero, k.Operation(2), k.Key, k.Signers)
	require.NoError(t, err)
	require.False(t, own)
	require.Equal(t, before, next)
	next, own, err = k.Repo.Ledger().Append(t.Context(), next, k.Operation(2), k.Key, k.Signers)
	require.NoError(t, err)
	require.True(t, own)
	require.Equal(t, next, k.requireChain(2).Head())
}

func TestAppendSurvivesACrashAtEveryChange(t *testing.T) {
	for _, vandal := range []bool{false, true} {
		for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
			crashes := 0
			for n := 1; ; n++ {
				k := newFixture(t, 1)
				k.Enter(k.Operation(1))
				want := 2
				place := k.Path(backup.LedgerDir, backup.LedgerFile(2))
				if vandal {
					require.NoError(t, os.WriteFile(place, []byte("garbage"), 0o600))
				}
				store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
				_, _, err := repository.New(store, "local").Ledger().Append(t.Context(), k.Head, k.Operation(2), k.Key, k.Signers)
				if !store.Down {
					require.NoError(t, err)
					break
				}
				crashes++
				next, own, err := k.Repo.Ledger().Append(t.Context(), k.Head, k.Operation(2), k.Key, k.Signers)
				require.NoError(t, err)
				require.True(t, own)
				l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
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
	k := newFixture(t, 1)
	k.Enter(k.Operation(1))
	k.Enter(k.Operation(2))
	stranger := *k
	stranger.Key = repositorytest.SigningKey(t)
	stranger.Signers = seal.AllowedSigners(stranger.Key.Public())
	place := k.Path(backup.LedgerDir, backup.LedgerFile(3))
	older, err := os.ReadFile(k.Path(backup.LedgerDir, backup.LedgerFile(2)))
	require.NoError(t, err)
	puts := []func(){
		func() { require.NoError(t, os.WriteFile(place, nil, 0o600)) },
		func() { require.NoError(t, os.WriteFile(place, bytes.Repeat([]byte("x"), 1<<20), 0o600)) },
		func() { require.NoError(t, os.WriteFile(place, older, 0o600)) },
		func() { require.NoError(t, os.Mkdir(place, 0o700)) },
		func() { forger := stranger; forger.Enter(forger.Operation(3)) },
		func() {
			k.Forge(backup.LedgerHead{Sequence: k.Head.Sequence, SHA256: strings.Repeat("0", 64)}, k.Operation(3))
		},
	}
	for i, put := range puts {
		put()
		head := k.Head
		next, own, err := k.Repo.Ledger().Append(t.Context(), head, k.Operation(3), k.Key, k.Signers)
		require.NoError(t, err)
		require.True(t, own)
		l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
		require.NoError(t, err)
		require.Equal(t, next, l.Head())
		require.Len(t, l.Findings, i+1, "%+v", l.Findings)
		require.NoError(t, os.Remove(place))
	}
	for n := range ledger.MaxRefused {
		_ = os.WriteFile(fmt.Sprintf("%s%s%d", place, ledger.RefusedInfix, n+1), nil, 0o600)
	}
	require.NoError(t, os.WriteFile(place, nil, 0o600))
	_, _, err = k.Repo.Ledger().Append(t.Context(), k.Head, k.Operation(3), k.Key, k.Signers)
	require.ErrorIs(t, err, fault.LedgerDamaged)
}

func TestAppendPutsBackAnEntryThatItSetAside(t *testing.T) {
	k := newFixture(t, 1)
	place := k.Path(backup.LedgerDir, backup.LedgerFile(1))
	require.NoError(t, os.MkdirAll(k.Path(backup.LedgerDir), 0o700))
	require.NoError(t, os.WriteFile(place, []byte("garbage"), 0o600))
	var once sync.Once
	store := &repositorytest.HookStore{Store: k.Store, OnRename: func(from, _ string) {
		// Another append sets the garbage aside and takes the place first.
		once.Do(func() { k.Enter(k.Operation(2)) })
	}}
	next, own, err := repository.New(store, "local").Ledger().Append(t.Context(), backup.LedgerHead{}, k.Operation(1), k.Key, k.Signers)
	require.NoError(t, err)
	require.False(t, own)
	require.Equal(t, k.Head, next)
	l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Equal(t, 1, l.Entries)
	require.Len(t, l.Findings, 1)
}

func TestAppendRefuses(t *testing.T) {
	k := newFixture(t, 1)
	other := newFixture(t, 2)
	full := other.Forge(backup.LedgerHead{Sequence: backup.MaxLedgerEntries - 1, SHA256: strings.Repeat("0", 64)}, other.Operation(0))
	_, _, err := other.Repo.Ledger().Append(t.Context(), full, other.Operation(1), other.Key, other.Signers)
	require.ErrorIs(t, err, fault.LimitExceeded)
	_, _, err = k.Repo.Ledger().Append(t.Context(), k.Head, k.Operation(1), repositorytest.SigningKey(t), k.Signers)
	require.ErrorIs(t, err, fault.KeyInvalid)
	wrong := k.Operation(1)
	wrong.Action = "moved"
	_, _, err = k.Repo.Ledger().Append(t.Context(), k.Head, wrong, k.Key, k.Signers)
	require.ErrorIs(t, err, fault.Internal)
	_, _, err = repository.New(&repositorytest.LyingStore{Store: k.Store, Corrupt: true}, "local").Ledger().Append(t.Context(), k.Head, k.Operation(1), k.Key, k.Signers)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	next, own, err := repository.New(&repositorytest.LyingStore{Store: k.Store, LoseReply: true}, "local").Ledger().Append(t.Context(), k.Head, k.Operation(1), k.Key, k.Signers)
	require.NoError(t, err, "the reply to the rename was lost")
	require.True(t, own)
	require.Equal(t, next, k.requireChain(1).Head())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = k.Repo.Ledger().Append(cancelled, next, k.Operation(2), k.Key, k.Signers)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTwoAppendAtOnce(t *testing.T) {
	const each = 20
	k := newFixture(t, 1)
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
			next, own, err := k.Repo.Ledger().Append(context.Background(), from, e, k.Key, k.Signers)
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
				if errs[worker] = enter(k.Operation(worker*1000 + i)); errs[worker] != nil {
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
			_, ok := l.State(k.Operation(worker*1000 + i).BackupID)
			require.True(t, ok)
		}
	}
}

func TestStockToolsVerifyAnEntry(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Fatalf("this test needs the Debian package openssh-client: %v", err)
	}
	k := newFixture(t, 1)
	k.BackUp()
	cmd := exec.Command("bash", "-c", `F=ledger/00000001.entry
sed 1q "$F" | ssh-keygen -Y verify -f allowed_signers -I infrabackup -n infrabackup -s <(sed 1d "$F")`)
	cmd.Dir = k.Path()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(k.Path(backup.LedgerDir, backup.LedgerFile(1)), []byte("x"), 0o600))
	cmd = exec.Command(cmd.Args[0], cmd.Args[1:]...)
	cmd.Dir = k.Path()
	require.Error(t, cmd.Run())
}

func TestLedgerFindings(t *testing.T) {
	k := newFixture(t, 1)
	k.Enter(k.Operation(1))
	k.Clock = k.Clock.Add(-ledger.ClockStep + time.Second)
	k.Enter(k.Operation(2))
	require.NoError(t, os.WriteFile(k.Path(backup.LedgerDir, "00000003.entry.part-00ff"), []byte("{"), 0o600))
	k.requireChain(2)

	other := repository.New(k.Store, "other")
	require.NoError(t, os.CopyFS(k.Folder+"/other/ledger", os.DirFS(k.Path(backup.LedgerDir))))
	l, err := other.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 2, "entries of another instance")
	require.True(t, l.Empty())

	l, err = k.Repo.Ledger().Read(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, l.Findings, 1, "without keys nothing can be believed")

	k.Clock = k.Clock.Add(-ledger.ClockStep - time.Second)
	k.Enter(k.Operation(3))
	l, err = k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 1)
	require.Equal(t, backup.Finding{Code: "LEDGER_DAMAGED", File: "local/ledger/00000003.entry",
		Message: "the entry is of 2026-11-20T08:30:00Z, the one before it of 2026-11-21T08:30:01Z"}, l.Findings[0])

	for i := range folder.MaxFindings + 10 {
		require.NoError(t, os.WriteFile(k.Path(backup.LedgerDir, fmt.Sprintf("rubbish-%d.entry", i)), nil, 0o600))
	}
	l, err = k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, folder.MaxFindings+1)
	require.Contains(t, l.Findings[folder.MaxFindings].Message, "left out")
}

func FuzzParseEntry(f *testing.F) {
	k := newFixture(f, 1)
	for n := range 3 {
		k.Enter(k.Operation(n))
		data, err := os.ReadFile(k.Path(backup.LedgerDir, backup.LedgerFile(int64(n+1))))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("\n"))
	known := map[backup.LedgerHead]bool{}
	f.Fuzz(func(t *testing.T, data []byte) {
		sequence, head, err := k.Repo.Ledger().ParseEntry(data, k.Signers)
		if err != nil {
			return
		}
		known[head] = true
		line, _ := ledger.Split(data)
		require.Equal(t, ledger.HeadOf(sequence, line), head)
		require.LessOrEqual(t, len(known), 3, "nobody else can sign an entry")
	})
}

func TestIntroducedKeysAreFoundInTheLedger(t *testing.T) {
	k := newFixture(t, 1)
	k.BackUp()
	none, err := k.Repo.Ledger().Introduced(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Empty(t, none)
	next := repositorytest.SigningKey(t)
	e := k.Entry(backup.LedgerSigner, nil)
	e.Key = next.Public()
	k.Enter(e)
	before := k.Signers
	require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), seal.AllowedSigners(k.Key.Public(), next.Public())))
	found, err := k.Repo.Ledger().Introduced(t.Context(), before)
	require.NoError(t, err)
	require.Equal(t, []string{next.Public()}, found)
}

// Nothing is appended behind an entry that is not there: a head that somebody made up, or
// a ledger that was cut.
func TestNothingIsAppendedToAHeadThatIsNotThere(t *testing.T) {
	k := newFixture(t, 1)
	k.Enter(k.Operation(1))
	k.Enter(k.Operation(2))
	for name, row := range map[string]struct {
		head backup.LedgerHead
		code fault.Code
	}{
		"forward":       {backup.LedgerHead{Sequence: 9, SHA256: strings.Repeat("a", 64)}, fault.LedgerRolledBack},
		"another entry": {backup.LedgerHead{Sequence: 2, SHA256: strings.Repeat("a", 64)}, fault.LedgerDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			before := k.Snapshot()
			_, _, err := k.Repo.Ledger().Append(t.Context(), row.head, k.Operation(3), k.Key, k.Signers)
			require.ErrorIs(t, err, row.code)
			require.ErrorIs(t, k.Repo.Ledger().HoldsHead(t.Context(), row.head), row.code)
			requireSameTree(t, before, k.Path())
		})
	}
	require.NoError(t, k.Repo.Ledger().HoldsHead(t.Context(), k.Head))
	require.NoError(t, k.Repo.Ledger().HoldsHead(t.Context(), backup.LedgerHead{}))
}

// requireSameTree makes sure that two folders hold the same files.
func requireSameTree(t *testing.T, want, got string) {
	t.Helper()
	read := func(root string) map[string]string {
		files := map[string]string{}
		require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files[strings.TrimPrefix(path, root)] = string(data)
			return err
		}))
		return files
	}
	require.Equal(t, read(want), read(got))
}
