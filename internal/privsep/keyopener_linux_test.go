package privsep

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

const pfxPassword = "canary-of-the-pfx"

// pfx is a PFX of a new RSA key, and its public half.
func pfx(t testing.TB, encoder *pkcs12.Encoder) (file []byte, recipient string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "operator"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	r, err := seal.RecipientFromCertificate(der, time.Now())
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file, err = encoder.Encode(key, leaf, nil, pfxPassword)
	require.NoError(t, err)
	return file, r.Text
}

// TestChildOpensKeys: the key of one backup is found with a PFX, and with a key file of text.
func TestChildOpensKeys(t *testing.T) {
	file, rsaRecipient := pfx(t, pkcs12.Modern2023)
	text, r, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	public, keyAge, err := seal.MakeWrappedKey([]string{rsaRecipient, r.Text})
	require.NoError(t, err)
	otherPFX, _ := pfx(t, pkcs12.Modern2023)
	otherText, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	otherPublic, _, err := seal.MakeWrappedKey([]string{r.Text})
	require.NoError(t, err)
	opener := NewKeyOpener(self(t))
	for name, test := range map[string]struct {
		operator OperatorKey
		keyAge   []byte
		public   string
		code     fault.Code
	}{
		"a PFX":                {OperatorKey{file, []byte(pfxPassword)}, keyAge, public, ""},
		"a key file":           {OperatorKey{File: []byte(text.Reveal())}, keyAge, public, ""},
		"a wrong password":     {OperatorKey{file, []byte("canary-wrong")}, keyAge, public, fault.KeyPassword},
		"another certificate":  {OperatorKey{otherPFX, []byte(pfxPassword)}, keyAge, public, fault.KeyDoesNotFit},
		"another key":          {OperatorKey{File: []byte(otherText.Reveal())}, keyAge, public, fault.KeyDoesNotFit},
		"no key at all":        {OperatorKey{File: []byte("canary")}, keyAge, public, fault.KeyInvalid},
		"nothing":              {OperatorKey{}, keyAge, public, fault.KeyInvalid},
		"a damaged PFX":        {OperatorKey{file[:len(file)-40], []byte(pfxPassword)}, keyAge, public, fault.KeyInvalid},
		"a damaged key.age":    {OperatorKey{file, []byte(pfxPassword)}, keyAge[:60], public, fault.BackupDamaged},
		"no key.age":           {OperatorKey{file, []byte(pfxPassword)}, nil, public, fault.BackupDamaged},
		"another's key.age":    {OperatorKey{file, []byte(pfxPassword)}, keyAge, otherPublic, fault.BackupDamaged},
		"a key file too large": {OperatorKey{File: make([]byte, maxOperatorKey+1)}, keyAge, public, fault.KeyInvalid},
		"a password too long":  {OperatorKey{file, make([]byte, maxPassword+1)}, keyAge, public, fault.KeyPassword},
		"a key.age too large":  {OperatorKey{file, []byte(pfxPassword)}, make([]byte, seal.MaxKeyFile+1), public, fault.BackupDamaged},
		"a PFX too large":      {OperatorKey{append(bytes.Clone(file), make([]byte, seal.MaxPFX)...), nil}, keyAge, public, fault.KeyInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := opener.OpenKey(t.Context(), test.operator, test.keyAge, test.public)
			requireNoChild(t)
			if test.code == "" {
				require.NoError(t, err)
				require.Equal(t, public, key.Key.Public())
				require.False(t, key.Key.Text().IsZero(), "it can be handed on")
				require.Len(t, key.Recipients, 1)
				require.Contains(t, []string{rsaRecipient, r.Text}, key.Recipients[0], "who handed over the key")
				return
			}
			require.ErrorIs(t, err, test.code)
			require.NotContains(t, err.Error(), "canary")
			require.Zero(t, key)
		})
	}
}

// TestOperatorKeyPrintsNothing: a log line with one by mistake holds nothing of it.
func TestOperatorKeyPrintsNothing(t *testing.T) {
	k := OperatorKey{[]byte("canary"), []byte("canary")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		require.Equal(t, "[redacted]", fmt.Sprintf(verb, k))
	}
	_, err := json.Marshal(k)
	require.Error(t, err)
	k.Clear()
	require.Equal(t, make([]byte, 6), k.File)
	require.Equal(t, make([]byte, 6), k.Password)
}

// opening is a child that does something else.
func opening(script string, timeout time.Duration) *KeyOpener {
	return newKeyOpener("/bin/sh", []string{"-c", script}, timeout)
}

func TestOpeningChildThatBreaksDown(t *testing.T) {
	t.Setenv("CANARY", "of the parent's environment")
	for name, test := range map[string]struct{ script, want string }{
		"killed":                   {`kill -9 $$`, "signal: killed"},
		"fails without a fault":    {`echo '{}'; exit 1`, "exit status 1"},
		"fault of an unknown code": {`echo '{"fault":{"code":"ELSE","what":"x"}}'; exit 1`, "exit status 1"},
		"fault that is none of it": {`echo '{"fault":{"code":"SHARE_FULL","what":"x"}}'; exit 1`, "exit status 1"},
		"says nothing":             {`exit 0`, "gave none"},
		"says something else":      {`echo AGE-SECRET-KEY-1CANARY`, "gave none"},
		"gives no key":             {`echo '{"key":"AGE-SECRET-KEY-1CANARY","recipients":["age1x"]}'`, "gave none"},
		"gives an RSA key":         {`echo '{"key":"-----BEGIN RSA","recipients":["age1x"]}'`, "gave none"},
		"names no operator":        {`echo '{"key":"AGE-SECRET-KEY-1CANARY"}'`, "gave none"},
		"does not stop talking":    {`exec cat /dev/zero`, "broken pipe"},
		"gets no environment":      {`echo "${CANARY-nothing}" >&2; exit 1`, `reported "nothing\n"`},
		"does not read":            {`exec <&-; exit 0`, "gave none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := opening(test.script, time.Minute).OpenKey(t.Context(), OperatorKey{File: bytes.Repeat([]byte("x"), maxOperatorKey)}, nil, "age1x")
			require.ErrorIs(t, err, fault.Internal)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "1CANARY")
		})
	}
	_, err := newKeyOpener("/no/such/program", nil, time.Minute).OpenKey(t.Context(), OperatorKey{}, nil, "")
	require.ErrorContains(t, err, "no such file")
}

// TestHostilePFXEnds: what a PFX asks for is bounded by time where it cannot be seen before.
func TestHostilePFXEnds(t *testing.T) {
	_, err := opening(`exec sleep 2`, 50*time.Millisecond).OpenKey(t.Context(), OperatorKey{}, nil, "")
	require.ErrorIs(t, err, fault.KeyInvalid)
	require.ErrorContains(t, err, "was not opened within 50ms")
	requireNoChild(t)

	// A real one, which is seen to ask for much.
	file, recipient := pfx(t, pkcs12.Modern2023.WithIterations(0x010203))
	_, keyAge, err := seal.MakeWrappedKey([]string{recipient})
	require.NoError(t, err)
	hostile := bytes.ReplaceAll(file, []byte{2, 3, 1, 2, 3}, []byte{2, 3, 0x7f, 0xff, 0xff})
	_, err = NewKeyOpener(self(t)).OpenKey(t.Context(), OperatorKey{hostile, []byte(pfxPassword)}, keyAge, "")
	require.ErrorIs(t, err, fault.KeyInvalid)
	require.ErrorContains(t, err, "iterations")

	// One within the bound, for which this child has too little time.
	slow := newKeyOpener(self(t), []string{openKeyMode}, time.Millisecond)
	_, err = slow.OpenKey(t.Context(), OperatorKey{bytes.ReplaceAll(file, []byte{2, 3, 1, 2, 3}, []byte{2, 3, 0x10, 0, 0}), []byte(pfxPassword)}, keyAge, "")
	require.ErrorContains(t, err, "was not opened within 1ms")
}

const orphanVariable = "INFRABACKUP_TEST_ORPHAN"

// TestOrphanEnds: a child whose parent was killed, and which nothing ends, does so by itself.
func TestOrphanEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self(t))
	cmd.Env = []string{orphanVariable + "=1"}
	stdin, err := cmd.StdinPipe() // stays open, and brings nothing
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, cmd.Start())
	var ended *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &ended)
	require.Equal(t, fault.ExitFailed, ended.ExitCode(), "not killed")
	require.Greater(t, orphanTime, openTime, "the parent, which says why, comes first")
}

// TestKeysAreOpenedInTurn: callers wait for each other, and stop waiting when they go away.
func TestKeysAreOpenedInTurn(t *testing.T) {
	o := opening(`exec sleep 600`, time.Minute)
	for range openAtOnce {
		o.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := o.OpenKey(ctx, OperatorKey{}, nil, "")
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, o.turns, openAtOnce, "the turns of others stay theirs")
	<-o.turns
	_, err = o.OpenKey(ctx, OperatorKey{}, nil, "")
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, o.turns, openAtOnce-1, "a turn is given back")
}

// request is what a parent writes.
func request(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(f))))
		b.WriteString(f)
	}
	return b.String()
}

// askedToOpen runs the child's side in this process.
func askedToOpen(t testing.TB, p *testProcess) (int, openedKey) {
	t.Helper()
	code := p.run(t, openKeyMode)
	var answer openedKey
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &answer), p.out)
	require.Empty(t, p.err.String())
	return code, answer
}

func TestOpenKeyRefusesInput(t *testing.T) {
	for name, stdin := range map[string]string{
		"nothing":          "",
		"half a length":    "\x00\x00",
		"cut":              request("canary", "", "canary")[:14],
		"two fields":       request("canary", "canary"),
		"more behind":      request("canary", "", "") + "x",
		"a long password":  request("canary", strings.Repeat("x", maxPassword+1), ""),
		"a length of much": "\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess()
			p.Stdin = strings.NewReader(stdin)
			code, answer := askedToOpen(t, p)
			require.Equal(t, fault.ExitFailed, code)
			require.Equal(t, fault.Usage, answer.Fault.Code)
			require.NotContains(t, answer.Fault.What, "canary")
		})
	}
}

func TestOpenKeyThatCannotBegin(t *testing.T) {
	p := newProcess()
	p.Confine = func() error { return fault.Newf(fault.Internal, "not confined") }
	p.Stdin = iotest.ErrReader(errors.New("read before it was confined"))
	require.Equal(t, fault.ExitFailed, p.run(t, openKeyMode))
	require.JSONEq(t, `{"fault":{"code":"INTERNAL","what":"not confined"}}`, p.out.String())
}

func FuzzOpenKey(f *testing.F) {
	text, r, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(f, err)
	_, keyAge, err := seal.MakeWrappedKey([]string{r.Text})
	require.NoError(f, err)
	f.Add(request(text.Reveal(), "", string(keyAge)))
	file, _ := pfx(f, pkcs12.Modern2023.WithIterations(1))
	f.Add(request(string(file), pfxPassword, string(keyAge)))
	f.Fuzz(func(t *testing.T, stdin string) {
		p := newProcess()
		p.Stdin = strings.NewReader(stdin)
		code, answer := askedToOpen(t, p)
		if code == fault.ExitOK {
			require.NotEmpty(t, answer.Key)
			return
		}
		require.Contains(t, openFaults, answer.Fault.Code)
	})
}

func FuzzReadOpenedKey(f *testing.F) {
	f.Add([]byte(`{"key":"AGE-SECRET-KEY-1","recipients":["age1x"]}`), true)
	f.Add([]byte(`{"fault":{"code":"KEY_PASSWORD","what":"x"}}`), false)
	f.Fuzz(func(t *testing.T, stdout []byte, ok bool) {
		var ended error
		if !ok {
			ended = errors.New("exit status 1")
		}
		answer, err := readOpenedKey(stdout, nil, ended)
		if err != nil {
			require.Contains(t, openFaults, fault.CodeOf(err))
			return
		}
		require.True(t, ok)
		require.NotEmpty(t, answer.Key)
	})
}
