package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// unpack reads an archive as tar does.
func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	all := map[string]string{}
	for in := tar.NewReader(zipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		require.Equal(t, int64(0o600), header.Mode)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		all[header.Name] = string(text)
	}
}

func given(name, text string, err error) Member {
	return Member{Name: name, Read: func(context.Context) ([]byte, error) {
		if text == "" {
			return nil, err
		}
		return []byte(text), err
	}}
}

// TestWhatFailsCostsTheOthersNothing: what can be read is in the archive, and what cannot is
// named with its reason, in the report and in the archive.
func TestWhatFailsCostsTheOthersNothing(t *testing.T) {
	var out bytes.Buffer
	report, err := Write(t.Context(), &out, "top", noon, []Member{
		given("one.txt", "first", nil),
		given("two.txt", "", fault.Newf(fault.NoWorker, "no worker answers")),
		given("half.txt", "a half", fault.Newf(fault.Usage, "the rest is gone")),
		given("long.txt", strings.Repeat("x", MaxBytes+1), nil),
		Document("doc.json", func(context.Context) (map[string]string, error) { return map[string]string{"a": "<&>"}, nil }),
		Document("no.json", func(context.Context) (map[string]string, error) { return nil, errors.New("unclassified") }),
	})
	require.NoError(t, err)
	files := unpack(t, out.Bytes())
	var inside Report
	require.NoError(t, json.Unmarshal([]byte(files["top/report.json"]), &inside))
	require.Equal(t, report, inside)
	require.Equal(t, []Written{{"one.txt", 5}, {"half.txt", 6}, {"long.txt", MaxBytes}, {"doc.json", 17}}, report.Files)
	require.Len(t, files, len(report.Files)+1)
	require.Equal(t, "first", files["top/one.txt"])
	require.Contains(t, files["top/doc.json"], `"<&>"`)
	var missing []string
	for _, m := range report.Missing {
		require.NotEmpty(t, m.Message+m.Remedy)
		missing = append(missing, m.Name+" "+string(m.Code))
	}
	require.Equal(t, []string{"two.txt NO_WORKER", "half.txt USAGE", "long.txt USAGE", "no.json INTERNAL"}, missing)
}

// full is a disk without space.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func TestAnArchiveThatCannotBeWritten(t *testing.T) {
	_, err := Write(t.Context(), &full{left: 20}, "top", noon, []Member{given("one", strings.Repeat("first", 1000), nil)})
	require.ErrorIs(t, err, syscall.ENOSPC)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Write(ctx, io.Discard, "top", noon, []Member{{Name: "slow", Read: func(ctx context.Context) ([]byte, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	require.ErrorIs(t, err, context.Canceled)
}

// TestWhatWasReadInTimeIsPacked: the end of the time that was given costs what was not read.
func TestWhatWasReadInTimeIsPacked(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	slow := func(name string) Member {
		return Member{Name: name, Read: func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	}
	var out bytes.Buffer
	report, err := Write(ctx, &out, "top", noon, []Member{given("one", "first", nil),
		given("none", "", fault.Newf(fault.Usage, "at https://me:hunter2@host")), slow("two"), slow("three")})
	require.NoError(t, err)
	files := unpack(t, out.Bytes())
	require.Equal(t, "first", files["top/one"])
	require.Len(t, report.Missing, 3)
	require.Equal(t, fault.Cancelled, report.Missing[1].Code)
	require.Contains(t, report.Missing[2].Message, "three could not be read in the time that was given")
	require.Contains(t, files["top/report.json"], `"three"`)
	require.Contains(t, files["top/report.json"], "at https://me:[removed]@host")
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		`key AGE-SECRET-KEY-1QQQZZZ done`: `key [removed] done`,
		`AGE-SECRET-KEY-PQ-1ABC`:          `[removed]`,
		"a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\nAAAA=\n-----END OPENSSH PRIVATE KEY-----\nb": "a\n[removed]\nb",
		`{"m":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n","n":1}`:                `{"m":"[removed]\n","n":1}`,
		`-----BEGIN RSA PRIVATE KEY-----` + "\nMIIEcut":                                               `[removed]`,
		`Authorization: Bearer abcdef0123456`:                                                         `Authorization: Bearer [removed]`,
		`x eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0. y`:                                                    `x [removed] y`,
		`password=hunter2 user=me`:                                                                    `password=[removed] user=me`,
		`{"password":"hu\"nter2","u":"m"}`:                                                            `{"password":[removed],"u":"m"}`,
		`"msg":"sent {\"password\":\"x y\"}"`:                                                         `"msg":"sent {\"password\":[removed]}"`,
		`client_secret: abc, next`:                                                                    `client_secret: [removed], next`,
		`TEMPORAL_API_KEY=abc.def x`:                                                                  `TEMPORAL_API_KEY=[removed] x`,
		`Environment="SMB_PASSWORD=hunter2"`:                                                          `Environment="SMB_PASSWORD=[removed]"`,
		`adminPassword: hunter2`:                                                                      `adminPassword: [removed]`,
		`AccountName=a;AccountKey=YQ==;x`:                                                             `AccountName=a;AccountKey=[removed];x`,
		`get https://me:hunter2@host/x`:                                                               `get https://me:[removed]@host/x`,
		`https://host:7233/a@b`:                                                                       `https://host:7233/a@b`,
		`passwordFile=/etc/p`:                                                                         `passwordFile=/etc/p`,
		`a bearer of news`:                                                                            `a bearer of news`,
		`-----BEGIN CERTIFICATE-----`:                                                                 `-----BEGIN CERTIFICATE-----`,
	} {
		require.Equal(t, want, string(Redact([]byte(in))), in)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("", "")
	f.Add(`{"m":"`, `"}`)
	f.Add("-----BEGIN PRIVATE KEY-----", "\\n")
	f.Fuzz(func(t *testing.T, before, behind string) {
		const secret = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQ"
		require.NotContains(t, string(Redact([]byte(before+secret+behind))), "QYQSZQGPQYQSZQGP")
	})
}

// TestLogFiles: of each its end, and what is no file is named.
func TestLogFiles(t *testing.T) {
	dir := t.TempDir()
	one, fifo := filepath.Join(dir, "worker.log"), filepath.Join(dir, "fifo")
	require.NoError(t, os.WriteFile(one, append(bytes.Repeat([]byte("o"), MaxBytes), "the end"...), 0o600))
	lines := filepath.Join(dir, "lines.log")
	require.NoError(t, os.WriteFile(lines, []byte("password=hun"+strings.Repeat("t", MaxBytes-10)+"\nthe end"), 0o600))
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	var out bytes.Buffer
	report, err := Write(t.Context(), &out, "top", noon, LogFiles([]string{one, one, fifo, dir, filepath.Join(dir, "none"), lines}))
	require.NoError(t, err)
	files := unpack(t, out.Bytes())
	require.Len(t, files["top/logs/2-worker.log"], MaxBytes)
	require.True(t, strings.HasSuffix(files["top/logs/1-worker.log"], "the end"))
	require.Equal(t, "the end", files["top/logs/6-lines.log"], "the line that is cut is left out")
	require.Len(t, report.Missing, 3)
	for _, m := range report.Missing {
		require.Equal(t, fault.Usage, m.Code)
		require.Contains(t, m.Message, dir)
	}
}

// program writes a program that stands in the place of journalctl.
func program(t *testing.T, text string) string {
	file := filepath.Join(t.TempDir(), "journalctl")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	return file
}

// TestAChildThatHoldsTheOutputOpen is not waited for when the time is over.
func TestAChildThatHoldsTheOutputOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mark := filepath.Join(t.TempDir(), "mark")
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	cmd := exec.CommandContext(ctx, program(t, `sleep 20 & echo first; : > "$1"; wait`), mark)
	go func() {
		text, err := output(cmd)
		done <- result{text, err}
	}()
	require.Eventually(t, func() bool {
		_, err := os.Stat(mark)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	cancel()
	got := <-done
	require.Error(t, got.err)
	require.Equal(t, "first\n", string(got.text))
}

func TestJournal(t *testing.T) {
	for name, tt := range map[string]struct {
		program, has string
		missing      bool
	}{
		"lines":                {program: `echo "$@"`, has: "--since=@1796040000 --lines=50000 --unit=infrabackup-worker"},
		"none":                 {program: `true`},
		"no permission":        {program: `echo no permission >&2; exit 1`, missing: true},
		"no entries of others": {program: `echo "-- No entries --"; echo "Hint: You are not seeing messages of other users." >&2`, has: "No entries", missing: true},
		"half":                 {program: `echo first; echo broken >&2; exit 1`, has: "first\n", missing: true},
		"endless":              {program: `exec yes line`, has: "line\nline\n", missing: true},
		"complaining for long": {program: `head -c 1000000 /dev/zero >&2; exit 1`, missing: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			report, err := Write(t.Context(), &out, "top", noon, Journal(program(t, tt.program), noon)[:1])
			require.NoError(t, err)
			require.Equal(t, tt.missing, len(report.Missing) == 1, "%+v", report)
			require.Contains(t, unpack(t, out.Bytes())["top/logs/infrabackup-worker.log"], tt.has)
		})
	}
	report, err := Write(t.Context(), io.Discard, "top", noon, Journal(filepath.Join(t.TempDir(), "none"), noon))
	require.NoError(t, err)
	require.Len(t, report.Missing, 3)
}
