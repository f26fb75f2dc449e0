package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/flow"
	"infrabackup/tests/lab"
)

// canaries searches every place that the service writes to for every secret.
func (o *operator) canaries() {
	t := o.t
	ofTheStamp := o.stampSecrets()
	secrets := map[string][]byte{
		"LDAP password": []byte(strings.TrimSpace(readAll(t, o.env["LAB_LDAP_PASSWORD_FILE"]))),
		"CA key":        []byte(strings.Split(readAll(t, filepath.Join(o.env["LAB_CA_DIR"], "private", "cakey.pem")), "\n")[3]),
	}
	for i, secret := range ofTheStamp {
		secrets[fmt.Sprintf("secret %d of the stamp", i)] = []byte(secret)
	}
	codecLog := o.file("codec.log")
	histories := o.decodedHistories(codecLog)
	require.Contains(t, string(histories), `"service":"KeyVault"`, "nothing would be found there")
	requireNowhere(t, secrets, map[string][]byte{"the decrypted histories": histories})

	// The settings hold these two, and only those who have the codec's key can read them.
	secrets["share password"] = []byte(strings.TrimSpace(readAll(t, o.env["LAB_SHARE_PASSWORD_FILE"])))
	secrets["signing key"] = []byte("PRIVATE KEY")
	secrets["backup key"] = []byte("AGE-SECRET-KEY-")
	require.Eventually(t, func() bool {
		return bytes.Contains(o.traces.received(), []byte("CollectKeyVault"))
	}, time.Minute, 50*time.Millisecond, "nothing would be found in the traces")
	places := map[string][]byte{"log": []byte(readAll(t, o.log)), "log of the codec server": []byte(readAll(t, codecLog)), "traces": o.traces.received()}
	maps.Copy(places, o.supportArchive())
	for _, pattern := range []string{o.env["LAB_TEMPORAL_DB"] + "*", filepath.Join(o.dir, "spool", "*", "*"), filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, "*"),
		filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, "*", "*", "*")} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				places[file] = []byte(readAll(t, file))
			}
		}
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, line := range lines {
		if data, err := os.ReadFile(line); err == nil { // the process may have ended
			places[line] = data
		}
	}
	require.Greater(t, len(places), 10)
	requireNowhere(t, secrets, places)
}

// stampSecrets are the stamp's canaries that are too long to stand anywhere by chance,
// and the secret of the worker's own client.
func (o *operator) stampSecrets() []string {
	all := []string{strings.TrimSpace(readAll(o.t, o.env["LAB_ARM_SECRET_FILE"]))}
	for _, canary := range strings.Split(readAll(o.t, filepath.Join(o.env["LAB_ARM_CONTENTS"], "canaries")), "\x00") {
		if len(canary) >= 8 {
			all = append(all, canary)
		}
	}
	require.Greater(o.t, len(all), 50)
	return all
}

// decodedHistories is what every run of the instance has told Temporal, decrypted by a
// codec server, as the Web UI shows it.
func (o *operator) decodedHistories(log string) []byte {
	t := o.t
	decode := o.startCodecServer(log)
	c, err := client.Dial(client.Options{HostPort: o.env["TEMPORAL_ADDRESS"]})
	require.NoError(t, err)
	defer c.Close()
	var out bytes.Buffer
	visit := proxy.VisitPayloadsOptions{SkipSearchAttributes: true, Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
		plain, err := decode.Decode(payloads)
		for _, p := range plain {
			out.Write(p.GetData())
			out.WriteByte('\n')
		}
		return payloads, err
	}}
	query := fmt.Sprintf("TaskQueue = %q", flow.Queue(o.instance))
	runs, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 1000, Query: query})
	require.NoError(t, err)
	require.Greater(t, len(runs.GetExecutions()), 3)
	for _, run := range runs.GetExecutions() {
		e := run.GetExecution()
		events := c.GetWorkflowHistory(t.Context(), e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			require.NoError(t, proxy.VisitPayloads(t.Context(), event, visit))
		}
	}
	return out.Bytes()
}

// startCodecServer starts the product's codec server, which writes to a log.
func (o *operator) startCodecServer(log string) converter.PayloadCodec {
	t := o.t
	port, err := lab.FreePort()
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	o.write("codec.token", "token-of-the-codec-server")
	out, err := os.Create(log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(binaries(t), "infrabackup"), "codec-server", "--address", address,
		"--token-file", o.file("codec.token"), "--key-file", o.file("codec.keys"))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	require.NoError(t, cmd.Start())
	t.Cleanup(sync.OnceFunc(func() {
		cancel()
		_ = cmd.Wait() // it was interrupted
		require.NoError(t, out.Close())
	}))
	require.Eventually(t, func() bool { return strings.Contains(readAll(t, log), "answers on") }, time.Minute, 20*time.Millisecond)
	return converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{
		Endpoint: "http://" + address,
		ModifyRequest: func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer token-of-the-codec-server")
			return nil
		},
	})
}
