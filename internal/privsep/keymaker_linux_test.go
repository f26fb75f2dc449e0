package privsep

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

func operatorKey(t testing.TB, postQuantum bool) (recipient string, identities []seal.Identity) {
	t.Helper()
	text, r, err := seal.GenerateIdentity(postQuantum, time.Now())
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return r.Text, ids
}

func TestChildMakesKeys(t *testing.T) {
	maker := NewKeyMaker(self(t))
	for name, postQuantum := range map[string]bool{"X25519": false, "hybrid": true} {
		t.Run(name, func(t *testing.T) {
			first, firstIDs := operatorKey(t, postQuantum)
			second, secondIDs := operatorKey(t, postQuantum)
			recipient, keyAge, err := maker.MakeKey(t.Context(), []string{first, second})
			require.NoError(t, err)
			for _, ids := range [][]seal.Identity{firstIDs, secondIDs} {
				id, err := seal.OpenBackupKey(keyAge, ids)
				require.NoError(t, err)
				require.Equal(t, recipient, id.Public())
			}
			other, _, err := maker.MakeKey(t.Context(), []string{first})
			require.NoError(t, err)
			require.NotEqual(t, recipient, other, "every key is new")
		})
	}
}

func TestChildRefusesRecipients(t *testing.T) {
	maker := NewKeyMaker(self(t))
	plain, _ := operatorKey(t, false)
	hybrid, _ := operatorKey(t, true)
	for name, test := range map[string]struct {
		recipients []string
		want       string
	}{
		"none":          {nil, "1 to 100 recipients, not 0"},
		"malformed":     {[]string{plain, "age1canary"}, "the recipient is malformed"},
		"a private key": {[]string{"AGE-SECRET-KEY-1CANARY"}, "this is a private key"},
		"mixed kinds":   {[]string{plain, hybrid}, "cannot be mixed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := maker.MakeKey(t.Context(), test.recipients)
			require.ErrorIs(t, err, fault.KeyInvalid)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "1CANARY")
		})
	}
}

// shell is a child that does something else.
func shell(script string) KeyMaker {
	return KeyMaker{program: "/bin/sh", args: []string{"-c", script}, timeout: time.Minute}
}

func TestChildThatBreaksDown(t *testing.T) {
	t.Setenv("CANARY", "of the worker's environment")
	recipient, _ := operatorKey(t, false)
	for name, test := range map[string]struct {
		maker KeyMaker
		want  string
	}{
		"killed":                     {shell(`kill -9 $$`), "signal: killed"},
		"killed after half a word":   {shell(`echo '{"recipient":'; kill -9 $$`), "signal: killed"},
		"fails with output":          {shell(`echo no luck >&2; exit 3`), `reported "no luck\n" (exit status 3)`},
		"fails without a fault":      {shell(`echo '{}'; exit 1`), "exit status 1"},
		"fault of an unknown code":   {shell(`echo '{"fault":{"code":"ELSE","what":"x"}}'; exit 1`), "exit status 1"},
		"says nothing":               {shell(`exit 0`), "gave no public half"},
		"says something else":        {shell(`echo hello`), "gave no public half"},
		"says more than one answer":  {shell(`echo '{}{}'`), "gave no public half"},
		"gives no recipient":         {shell(`echo '{"keyAge":"QQ=="}'`), "gave no public half"},
		"gives a bad recipient":      {shell(`echo '{"recipient":"age1x","keyAge":"QQ=="}'`), "gave no public half"},
		"gives no key.age":           {shell(`echo '{"recipient":"` + recipient + `"}'`), "key.age of 0 bytes"},
		"does not stop talking":      {shell(`exec cat /dev/zero`), "broken pipe"},
		"does not stop complaining":  {shell(`exec cat /dev/zero >&2`), "broken pipe"},
		"gets no environment":        {shell(`echo "${CANARY-nothing}" >&2; exit 1`), `reported "nothing\n"`},
		"does not read and succeeds": {shell(`exec <&-; exit 0`), "process that creates a backup's key"},
		"is not there":               {KeyMaker{program: "/no/such/program", timeout: time.Minute}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := test.maker.MakeKey(t.Context(), []string{recipient})
			require.ErrorIs(t, err, fault.Internal, "which is tried again")
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestChildHandsOnFaults(t *testing.T) {
	_, _, err := shell(`echo '{"fault":{"code":"KEY_INVALID","what":"why"}}'; exit 1`).MakeKey(t.Context(), nil)
	require.Equal(t, fault.Newf(fault.KeyInvalid, "why"), err)
}

func TestChildThatDoesNotEnd(t *testing.T) {
	maker := shell(`exec sleep 600`)
	maker.timeout = 50 * time.Millisecond
	_, _, err := maker.MakeKey(t.Context(), nil)
	require.ErrorIs(t, err, fault.Internal)
	require.ErrorContains(t, err, "did not end within 50ms")

	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	_, _, err = shell(`exec sleep 600`).MakeKey(ctx, nil)
	require.ErrorIs(t, err, context.Canceled, "so that the activity ends as cancelled")
	_, known := fault.Of(err)
	require.False(t, known)
}

// asked runs the child's side in this process.
func asked(t testing.TB, stdin string) (int, keyAnswer) {
	t.Helper()
	p := newProcess()
	p.Stdin = strings.NewReader(stdin)
	code := p.run(t, makeKeyMode)
	var answer keyAnswer
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &answer), p.out)
	require.Empty(t, p.err.String())
	return code, answer
}

func TestMakeKeyRefusesInput(t *testing.T) {
	for name, test := range map[string]struct {
		stdin string
		code  fault.Code
	}{
		"nothing":       {"", fault.Usage},
		"garbage":       {"\x00\xffcanary", fault.Usage},
		"another type":  {`{"recipients":"canary"}`, fault.Usage},
		"numbers":       {`[1]`, fault.Usage},
		"more behind":   {`[] canary`, fault.Usage},
		"too long":      {strings.Repeat(" ", maxKeyRequest) + "[]", fault.Usage},
		"null":          {`null`, fault.KeyInvalid},
		"no recipients": {`[]`, fault.KeyInvalid},
		"an empty one":  {`[""]`, fault.KeyInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := asked(t, test.stdin)
			require.Equal(t, fault.ExitFailed, code)
			require.Equal(t, test.code, answer.Fault.Code)
			require.NotContains(t, answer.Fault.What, "canary")
			require.Empty(t, answer.KeyAge)
		})
	}
}

func TestMakeKeyThatCannotBegin(t *testing.T) {
	p := newProcess()
	p.Confine = func() error { return fault.Newf(fault.Internal, "not confined") }
	require.Equal(t, fault.ExitFailed, p.run(t, makeKeyMode))
	require.JSONEq(t, `{"fault":{"code":"INTERNAL","what":"not confined"}}`, p.out.String())

	p = newProcess()
	p.Stdin = iotest.ErrReader(errors.New("broken pipe"))
	require.Equal(t, fault.ExitFailed, p.run(t, makeKeyMode))
	require.Contains(t, p.out.String(), "broken pipe")
}

func FuzzMakeKey(f *testing.F) {
	recipient, _ := operatorKey(f, false)
	f.Add(`["` + recipient + `"]`)
	f.Add(`["",1]`)
	f.Fuzz(func(t *testing.T, stdin string) {
		code, answer := asked(t, stdin)
		if code == fault.ExitOK {
			require.NotEmpty(t, answer.KeyAge)
			return
		}
		require.True(t, answer.Fault.Code.Known())
	})
}

func FuzzReadKeyAnswer(f *testing.F) {
	recipient, _ := operatorKey(f, false)
	f.Add([]byte(`{"recipient":"`+recipient+`","keyAge":"QQ=="}`), true)
	f.Add([]byte(`{"fault":{"code":"KEY_INVALID","what":"x"}}`), false)
	f.Fuzz(func(t *testing.T, stdout []byte, ok bool) {
		var ended error
		if !ok {
			ended = errors.New("exit status 1")
		}
		recipient, keyAge, err := readKeyAnswer(stdout, nil, ended)
		if err != nil {
			require.True(t, fault.CodeOf(err).Known())
			return
		}
		require.True(t, ok)
		require.NotEmpty(t, keyAge)
		_, err = seal.ParseRecipient(recipient)
		require.NoError(t, err)
	})
}
