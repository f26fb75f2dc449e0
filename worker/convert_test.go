package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
	"infrabackup/workflows"
)

// earlier encrypts as versions before did: the key's id is all that is authenticated
// besides. It takes whatever is not encrypted as it is.
type earlier struct {
	id   string
	aead cipher.AEAD
}

func newEarlier(t *testing.T, keyFile string) converter.DataConverter {
	t.Helper()
	data, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	id, encoded, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	key, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), earlier{id, aead})
}

// Encode implements converter.PayloadCodec.
func (e earlier) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	var out []*commonpb.Payload
	for _, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, e.aead.NonceSize())
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		out = append(out, &commonpb.Payload{
			Metadata: map[string][]byte{"encoding": []byte("binary/encrypted"), "encryption-key-id": []byte(e.id)},
			Data:     e.aead.Seal(nonce, nonce, plain, []byte(e.id)),
		})
	}
	return out, nil
}

// Decode implements converter.PayloadCodec.
func (e earlier) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	var out []*commonpb.Payload
	for _, p := range payloads {
		if string(p.Metadata["encoding"]) != "binary/encrypted" {
			out = append(out, p)
			continue
		}
		plain, err := e.aead.Open(nil, p.Data[:e.aead.NonceSize()], p.Data[e.aead.NonceSize():], []byte(e.id))
		if err != nil {
			return nil, err
		}
		var clear commonpb.Payload
		if err := proto.Unmarshal(plain, &clear); err != nil {
			return nil, err
		}
		out = append(out, &clear)
	}
	return out, nil
}

// TestSettingsOfAnEarlierVersionAreConvertedOnce upgrades an instance: its settings wait
// unharmed for the conversion, go on after it, and the form before is refused from then on.
func TestSettingsOfAnEarlierVersionAreConvertedOnce(t *testing.T) {
	address := lab.Temporal(t)
	s := newSite(t, address)
	const instance = "earlier"
	text, err := os.ReadFile(s.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.config, bytes.Replace(text, []byte("{name: local,"), []byte("{name: "+instance+","), 1), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	id := flow.SettingsWorkflowID(instance)
	options := client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(instance)}

	before, err := client.Dial(client.Options{
		HostPort: address, DataConverter: newEarlier(t, s.keys), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	defer before.Close()
	old := worker.New(before, flow.Queue(instance), worker.Options{})
	workflows.Register(old)
	require.NoError(t, old.Start())
	_, err = before.ExecuteWorkflow(ctx, options, flow.Settings.Name, flow.SettingsState{Instance: instance})
	require.NoError(t, err)
	revision, err := flow.ProposeSettings.Send(ctx, before, id, flow.SettingsProposal{Settings: earlierSettings(t, instance)})
	require.NoError(t, err)
	proposed, err := flow.GetSettings.Ask(ctx, before, id, flow.SettingsChoice{Revision: revision})
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(proposed.Signing.PrivateKey.String)
	require.NoError(t, err)
	probe, err := settings.Probe{Fingerprint: proposed.Fingerprint(), At: time.Now().UTC()}.Sign(key)
	require.NoError(t, err)
	_, err = flow.ApplySettings.Send(ctx, before, id, flow.SettingsApplication{Revision: revision, Probe: &probe})
	require.NoError(t, err)
	old.Stop()

	ring, err := codec.LoadKeyring(s.keys)
	require.NoError(t, err)
	now, err := temporal.Dial(ctx, temporal.Options{Address: address, Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer now.Close()
	work := func() worker.Worker {
		w := worker.New(now, flow.Queue(instance), worker.Options{})
		workflows.Register(w)
		require.NoError(t, w.Start())
		return w
	}
	w := work()
	_, err = flow.SummarySettings.Ask(ctx, now, id, struct{}{})
	require.ErrorIs(t, err, fault.PayloadOutdated)
	w.Stop()

	p := newProcess()
	var stdout bytes.Buffer
	p.process.args, p.process.stdout = []string{"--config", s.config, "--convert"}, &stdout
	require.Equal(t, fault.ExitOK, run(p.process))
	require.Contains(t, stdout.String(), `\\fs.example.test\AzSBackups`)
	require.Contains(t, stdout.String(), proposed.Recipients[0].Fingerprint)
	stdout.Reset()
	require.Equal(t, fault.ExitOK, run(p.process))
	require.Contains(t, stdout.String(), "already")

	w = work()
	defer w.Stop()
	got, err := flow.GetSettings.Ask(ctx, now, id, flow.SettingsChoice{})
	require.NoError(t, err)
	require.Equal(t, "canary", got.Credential.Password.Reveal())
	_, err = flow.DropSettings.Send(ctx, before, id, flow.SettingsDrop{Revision: 99})
	require.Error(t, err, "an update in the form before")
	_, err = before.QueryWorkflow(ctx, id, "", flow.GetSettings.Name, flow.SettingsChoice{})
	require.ErrorContains(t, err, string(fault.PayloadOutdated))
	again := client.StartWorkflowOptions{
		ID: instance + ":list:again", TaskQueue: flow.Queue(instance), WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
	started, err := before.ExecuteWorkflow(ctx, again, flow.List.Name, flow.ListInput{Instance: instance})
	require.NoError(t, err)
	require.ErrorContains(t, started.Get(ctx, nil), string(fault.PayloadOutdated))
}

func earlierSettings(t *testing.T, instance string) settings.Settings {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	_, r, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	return settings.Settings{
		Instance:   backup.Instance{Name: instance, FQDN: "local.azurestack.test", Region: "local"},
		Share:      settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted},
		Credential: settings.Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("canary"))},
		Recipients: []settings.Recipient{{Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Text: r.Text}},
		Signing:    settings.Signing{PrivateKey: secret.NewTransfer(text), Public: key.Public()},
		Controller: "c0000000-0000-4000-8000-000000000001",
	}
}
