package seal

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

func TestChallengeIsAnsweredWithEveryKindOfKey(t *testing.T) {
	wrong, _ := generate(t, false)
	for name, op := range operators(t) {
		t.Run(name, func(t *testing.T) {
			challenge, answer, err := NewChallenge(op.recipient, "lab", rand.Reader)
			require.NoError(t, err)
			require.Less(t, len(challenge), 8<<10)
			require.Regexp(t, `^infrabackup-proof-[a-z2-7]{32}$`, answer.Reveal())
			require.NotContains(t, string(challenge), answer.Reveal())
			require.Regexp(t, `^[0-9a-f]{64}$`, DigestAnswer(answer))

			binary, err := io.ReadAll(armor.NewReader(bytes.NewReader(challenge)))
			require.NoError(t, err)
			ids := []Identity{identity(t, wrong), identity(t, string(op.file))}
			for form, data := range map[string][]byte{
				"armored": challenge, "binary": binary, "mailed": []byte("\r\n " + strings.ReplaceAll(string(challenge), "\n", "\r\n") + "\r\n\r\n"),
			} {
				got, err := AnswerChallenge(data, ids)
				require.NoError(t, err, form)
				require.Equal(t, answer, got, form)
			}
			_, err = AnswerChallenge(challenge, ids[:1])
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
			_, err = AnswerChallenge(challenge, nil)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
		})
	}
}

func TestChallengesDiffer(t *testing.T) {
	_, r := generate(t, false)
	_, first, err := NewChallenge(r, "lab", rand.Reader)
	require.NoError(t, err)
	_, second, err := NewChallenge(r, "lab", rand.Reader)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NotEqual(t, DigestAnswer(first), DigestAnswer(second))
	_, fixed, err := NewChallenge(r, "lab", bytes.NewReader(make([]byte, 20)))
	require.NoError(t, err)
	require.Equal(t, answerPrefix+strings.Repeat("a", 32), fixed.Reveal(), "the source of randomness decides")
	_, _, err = NewChallenge(r, "lab", strings.NewReader("short"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, _, err = NewChallenge(Recipient{}, "lab", rand.Reader)
	require.ErrorIs(t, err, fault.KeyInvalid)
	_, _, err = NewChallenge(r, "lab\ninfrabackup-proof-x", rand.Reader)
	require.Error(t, err)
}

// TestStockAgeAnswersAChallenge: an operator needs no program of ours.
func TestStockAgeAnswersAChallenge(t *testing.T) {
	requireTool(t, "age")
	for name, op := range operators(t) {
		if name == "hybrid" {
			continue // age before 1.3, which distributions still have, cannot read it
		}
		t.Run(name, func(t *testing.T) {
			challenge, answer, err := NewChallenge(op.recipient, "lab", rand.Reader)
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "operator.key")
			require.NoError(t, os.WriteFile(file, op.file, 0o600))
			cmd := exec.Command("age", "-d", "-i", file)
			cmd.Stdin = bytes.NewReader(challenge)
			out, err := cmd.Output()
			require.NoError(t, err)
			require.Contains(t, string(out), "Answer of lab for key "+op.recipient.Fingerprint+":\n")
			got, err := ParseAnswer(string(out))
			require.NoError(t, err)
			require.Equal(t, answer, got)
		})
	}
}

func TestAnswerChallengeGivesNothingElseAway(t *testing.T) {
	text, r := generate(t, false)
	ids := []Identity{identity(t, text)}
	challenge, answer, err := NewChallenge(r, "lab", rand.Reader)
	require.NoError(t, err)
	key, err := NewBackupKey()
	require.NoError(t, err)
	keyAge, err := key.Wrap([]Recipient{r})
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "too large": make([]byte, maxChallenge+1), "key.age": keyAge,
		"cut": challenge[:len(challenge)-60], "followed": append(bytes.Clone(challenge), "more"...),
		"answer not last": encrypt(t, []byte(answer.Reveal()+"\nand more\n"), r.Text),
		"answer in line":  encrypt(t, []byte("x "+answer.Reveal()+"\n"), r.Text),
		"upper case":      encrypt(t, []byte(strings.ToUpper(answer.Reveal())+"\n"), r.Text),
		"nothing in it":   encrypt(t, nil, r.Text),
		"much in it":      encrypt(t, []byte(strings.Repeat("\n", maxChallengePlain)+answer.Reveal()), r.Text),
	} {
		got, err := AnswerChallenge(data, ids)
		require.ErrorIs(t, err, fault.KeyInvalid, name)
		require.True(t, got.IsZero(), name)
	}
}

func TestParseAnswer(t *testing.T) {
	answer := answerPrefix + strings.Repeat("a2", 16)
	for name, text := range map[string]string{
		"alone": answer, "line": answer + "\n", "space": " \t" + answer + " \r\n", "upper case": strings.ToUpper(answer),
		"whole text": "Answer of lab for key SHA256:x:\n" + answer + "\n", "twice": answer + "\n" + answer,
	} {
		got, err := ParseAnswer(text)
		require.NoError(t, err, name)
		require.Equal(t, secret.New(answer), got, name)
	}
	for name, text := range map[string]string{
		"nothing": "", "space": " \n", "other": "hello", "short": answer[:len(answer)-1], "long": answer + "a", "digit": answer[:len(answer)-1] + "1",
		"two": answer + " " + answerPrefix + strings.Repeat("b", 32), "too long": strings.Repeat(" ", maxAnswerText) + answer,
	} {
		_, err := ParseAnswer(text)
		require.ErrorIs(t, err, fault.ProofRefused, name)
		require.NotContains(t, err.Error(), strings.Repeat("a2", 4), name)
	}
}

func FuzzAnswerChallenge(f *testing.F) {
	text, r := generate(f, false)
	ids := []Identity{identity(f, text)}
	challenge, answer, err := NewChallenge(r, "lab", rand.Reader)
	require.NoError(f, err)
	f.Add(challenge)
	f.Add(encrypt(f, []byte(answer.Reveal()), r.Text))
	f.Add(encrypt(f, []byte("hello"), r.Text))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := AnswerChallenge(data, ids)
		if err != nil {
			require.Contains(t, []fault.Code{fault.KeyInvalid, fault.KeyDoesNotFit}, fault.CodeOf(err))
			return
		}
		require.Regexp(t, answerPattern, got.Reveal())
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add("Answer of lab for key SHA256:x:\n" + answerPrefix + strings.Repeat("a2", 16) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseAnswer(text)
		if err != nil {
			require.ErrorIs(t, err, fault.ProofRefused)
			return
		}
		again, err := ParseAnswer(got.Reveal())
		require.NoError(t, err)
		require.Equal(t, got, again, "an answer has one form")
	})
}
