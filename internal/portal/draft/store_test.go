package draft

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

var noor = Owner{"noor", "north", "enable"}

// at is a clock that the test moves.
type at struct{ time.Time }

func (a *at) now() time.Time { return a.Time }

func kept(t *testing.T, s *Store, of Owner, d Draft) Draft {
	t.Helper()
	d, err := s.Keep(of, d)
	require.NoError(t, err)
	return d
}

// TestTwoWindowsHaveADraftEach, and another person, instance or form has none of them.
func TestTwoWindowsHaveADraftEach(t *testing.T) {
	clock := &at{time.Unix(1_800_000_000, 0)}
	s := NewStore(clock.now)
	require.Empty(t, s.Newest(noor).Name())
	one := kept(t, s, noor, Draft{Path: "one"})
	clock.Time = clock.Add(time.Second)
	two := kept(t, s, noor, Draft{Path: "two"})
	require.Equal(t, "one", s.Get(noor, one.Name()).Path)
	require.Equal(t, "two", s.Get(noor, two.Name()).Path)
	require.Equal(t, two, s.Newest(noor))
	clock.Time = clock.Add(time.Second)
	one.Username = "a"
	one = kept(t, s, noor, one)
	require.Equal(t, one, s.Newest(noor), "the one that was changed last")
	require.Empty(t, s.Get(noor, two.Name()).Username)
	for _, other := range []Owner{{"mika", "north", "enable"}, {"noor", "south", "enable"}, {"noor", "north", "key"}} {
		require.Empty(t, s.Get(other, one.Name()).Path, "%v", other)
		require.Empty(t, s.Newest(other).Path)
	}
	for _, name := range []string{"", ".", ".1", "x", "x.y.z", one.Name() + "0"} {
		require.NotEqual(t, two.Path, s.Get(noor, name).Path, name)
	}
	s.Drop(noor, two)
	require.Empty(t, s.Get(noor, two.Name()).Path)
	s.DropAll("noor")
	require.Empty(t, s.Newest(noor).Path)
}

// TestOneDraftInTwoWindows: what was shown before the other window changed it changes nothing.
func TestOneDraftInTwoWindows(t *testing.T) {
	s := NewStore(time.Now)
	shown := kept(t, s, noor, Draft{Path: "first"})
	mine, theirs := s.Get(noor, shown.Name()), s.Get(noor, shown.Name())
	require.NoError(t, s.Changed(noor, shown.Name()))
	theirs.Path = "theirs"
	now := kept(t, s, noor, theirs)
	require.NotEqual(t, shown.Name(), now.Name())
	mine.Path = "mine"
	back, err := s.Keep(noor, mine)
	require.ErrorIs(t, err, fault.SettingsChanged)
	require.Equal(t, "theirs", back.Path)
	require.ErrorIs(t, s.Changed(noor, shown.Name()), fault.SettingsChanged)
	require.Equal(t, "theirs", s.Get(noor, shown.Name()).Path, "an address goes on to name it")
	for _, name := range []string{"", now.Name(), "gone.1"} {
		require.NoError(t, s.Changed(noor, name), name)
	}
}

// TestOneHandOver: of many clicks one begins, also when they come at the same moment, and drafts
// of others do not wait for it.
func TestOneHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore(time.Now)
		d := Draft{Path: "x"}
		d.GivePassword(secret.New("canary"), time.Now())
		d = kept(t, s, noor, d)
		begun, answer := 0, make(chan struct{})
		begin := func(got Draft) (string, error) {
			require.Equal(t, "canary", got.Password().Reveal())
			begun++
			<-answer
			return "op", nil
		}
		var clicks sync.WaitGroup
		for range 5 {
			clicks.Go(func() {
				operation, err := s.HandOver(noor, d, begin)
				require.NoError(t, err)
				require.Equal(t, "op", operation)
			})
		}
		synctest.Wait()
		other := kept(t, s, Owner{"mika", "south", "enable"}, Draft{Path: "y"})
		operation, err := s.HandOver(Owner{"mika", "south", "enable"}, other, func(Draft) (string, error) { return "other", nil })
		require.NoError(t, err)
		require.Equal(t, "other", operation)
		close(answer)
		clicks.Wait()
		operation, err = s.HandOver(noor, d, begin)
		require.NoError(t, err)
		require.Equal(t, "op", operation, "later, too")
		require.Equal(t, 1, begun)
		now := s.Get(noor, d.Name())
		require.False(t, now.HasPassword(), "it was handed over")
		require.Equal(t, "op", now.Begun)
		of, known := s.OfOperation(noor, "op")
		require.True(t, known)
		require.Equal(t, now, of)
		for who, operation := range map[Owner]string{{"mika", "south", "enable"}: "op", {"noor", "north", "key"}: "op", noor: ""} {
			_, known = s.OfOperation(who, operation)
			require.False(t, known, "%v", who)
		}

		// What failed is begun again, and what was changed meanwhile is not begun at all.
		d = kept(t, s, noor, Draft{Path: "z"})
		_, err = s.HandOver(noor, d, func(Draft) (string, error) { return "", errors.New("refused") })
		require.ErrorContains(t, err, "refused")
		changed := kept(t, s, noor, d)
		_, err = s.HandOver(noor, d, func(Draft) (string, error) { return "old", nil })
		require.ErrorIs(t, err, fault.SettingsChanged)
		operation, err = s.HandOver(noor, changed, func(Draft) (string, error) { return "new", nil })
		require.NoError(t, err)
		require.Equal(t, "new", operation)
	})
}

// TestDraftsAreBounded: of one person, who pushes out nobody else's, and of all.
func TestDraftsAreBounded(t *testing.T) {
	clock := &at{time.Unix(1_800_000_000, 0)}
	s := NewStore(clock.now)
	mika := Owner{"mika", "north", "enable"}
	first := kept(t, s, mika, Draft{Path: "mika's"})
	var last Draft
	for range 10 * maxOfOne {
		clock.Time = clock.Add(time.Second)
		last = kept(t, s, noor, Draft{Path: "noor's"})
	}
	require.Len(t, s.all, maxOfOne+1)
	require.Equal(t, "mika's", s.Get(mika, first.Name()).Path)
	require.Equal(t, "noor's", s.Get(noor, last.Name()).Path)
	for i := range 10 * maxDrafts {
		clock.Time = clock.Add(time.Second)
		kept(t, s, Owner{fmt.Sprint(i), "north", "enable"}, Draft{})
	}
	require.LessOrEqual(t, len(s.all), maxDrafts)
	clock.Time = clock.Add(draftTimeout + 1)
	require.Empty(t, s.Newest(noor).Path)
	require.Empty(t, s.all)
}

// TestPasswordsOfDraftsEnd: they go when their time is over, also when nobody comes back.
func TestPasswordsOfDraftsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore(time.Now)
		var d Draft
		for range 2 { // the timer ends with the last password, and begins with the next
			d.Path = "x"
			d.GivePassword(secret.New("canary"), time.Now())
			d = kept(t, s, noor, d)
			of := key{noor, d.id}
			<-time.After(passwordTimeout - time.Minute)
			synctest.Wait()
			require.True(t, s.all[of].HasPassword())
			<-time.After(passwordTimeout / 2)
			synctest.Wait()
			require.False(t, s.all[of].HasPassword())
			require.Equal(t, "x", s.all[of].Path)
			require.False(t, s.cleaning)
		}
	})
}

// TestAnswers: an answer proves the key that its challenge was made for, and no other.
func TestAnswers(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	var d Draft
	for _, id := range []*age.X25519Identity{identity, other} {
		r, err := seal.ParseRecipient(id.Recipient().String())
		require.NoError(t, err)
		d.Recipients = append(d.Recipients, r)
	}
	require.NoError(t, d.ChallengeAll("north"))
	before := d
	keys, err := seal.ParseIdentities([]byte(identity.String()))
	require.NoError(t, err)
	answer, err := seal.AnswerChallenge([]byte(d.Challenges[0].Text), keys)
	require.NoError(t, err)
	require.NoError(t, d.Answer(answer.Reveal()))
	require.Equal(t, []bool{true, false}, []bool{d.Challenges[0].Proven(), d.Challenges[1].Proven()})
	require.False(t, before.Challenges[0].Proven(), "an earlier copy of it stays as it was")
	require.False(t, d.Complete("proof"))
	require.Len(t, d.Proofs(), 1)
	require.True(t, d.Proofs()[0].Of(d.Recipients[0].Fingerprint, "north"))
	require.Empty(t, before.Proofs())
	require.ErrorIs(t, d.Answer("infrabackup-proof-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), fault.ProofRefused)
	require.Error(t, d.Answer("nonsense"))
}
