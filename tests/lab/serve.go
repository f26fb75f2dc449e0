package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"infrabackup/internal/backup"
)

// provider is the process that serves the product's API and page in a lab.
type provider struct {
	*daemon
	url, ca, config, subscription, token string
}

// startProvider writes its configuration, makes a token of an owner and starts it.
func (s *Stack) startProvider(ctx context.Context, bin string) (*provider, error) {
	dir := filepath.Join(s.dir, "serve")
	certificate, err := newServerTLS(dir, "backup.local.azurestack.test", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	subscription, err := backup.NewID(rand.Reader)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p := &provider{url: "https://" + address, ca: certificate.ca, config: filepath.Join(dir, "serve.yaml"), subscription: string(subscription)}
	ui := ""
	if url := s.Lab.Env()["LAB_UI_URL"]; url != "" {
		ui = "temporalUi: " + url + "\n"
	}
	text := fmt.Sprintf(`listen: %s
baseUrl: %s
tls: {certFile: %s, keyFile: %s}
subscriptionId: %s
stateDir: %s
%s%scodec: {keyFile: %s}
instances:
  - {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}
`, address, p.url, certificate.certificate, certificate.key, p.subscription, dir, s.temporalSection(), ui, s.codecKeys(), InstanceName, s.deployment)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	program := filepath.Join(bin, "infrabackup")
	if p.token, err = ownerToken(ctx, program, p.config, filepath.Join(dir, "owner.token")); err != nil {
		return nil, err
	}
	p.daemon, err = newDaemon(s.dir, "serve", fmt.Sprintf("exec %s serve --config %s", program, p.config), listening(address))
	if err != nil {
		return nil, err
	}
	return p, p.start(ctx)
}

// ownerToken makes an API token and keeps it in a file.
func ownerToken(ctx context.Context, program, config, file string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "token", "create", "lab", "--role", "owner", "--config", config, "-o", "json").Output()
	if err != nil {
		return "", fmt.Errorf("make an API token: %w", err)
	}
	var made struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return "", fmt.Errorf("make an API token: %w", err)
	}
	return file, os.WriteFile(file, []byte(made.Token), 0o600)
}
