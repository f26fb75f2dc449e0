package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/seal"
)

// InstanceName is the instance that a lab's worker serves.
const InstanceName = "local"

// Stack is a lab with a codec server and a worker of the product beside it, both run
// from the built binaries.
type Stack struct {
	*Lab
	codec     *daemon
	worker    *daemon
	provider  *provider
	recipient string
	// deployment is the GUID that the instance's deployment has.
	deployment backup.ID
}

// StartStack starts a lab and the product in it, not enabled. Bin is the folder with
// the product's binaries.
func StartStack(ctx context.Context, o Options, bin string) (*Stack, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	for _, program := range []string{"infrabackup", "infrabackup-worker"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return nil, fmt.Errorf("%s is not built: run make build", program)
		}
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	token, err := writeKeys(dir)
	if err != nil {
		return nil, err
	}
	o.Codec = fmt.Sprintf("http://127.0.0.1:%d/%s", port, token)
	lab, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Stack{Lab: lab}
	if err := s.start(ctx, bin, port); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, bin string, codecPort int) error {
	if err := s.writeIdentity(); err != nil {
		return err
	}
	if err := s.writeConfig(); err != nil {
		return err
	}
	var err error
	address := fmt.Sprintf("127.0.0.1:%d", codecPort)
	s.codec, err = newDaemon(s.dir, "codec", fmt.Sprintf("exec %s codec-server --address %s --origin http://127.0.0.1:%d --token-file %s --key-file %s",
		filepath.Join(bin, "infrabackup"), address, s.uiPort, filepath.Join(s.dir, "codec.token"), s.codecKeys()), listening(address))
	if err != nil {
		return err
	}
	if err := s.codec.start(ctx); err != nil {
		return err
	}
	log := filepath.Join(s.dir, "log", "worker.log")
	s.worker, err = newDaemon(s.dir, "worker", fmt.Sprintf("exec %s --config %s", filepath.Join(bin, "infrabackup-worker"), s.workerConfig()), logged(log, "msg=ready"))
	if err != nil {
		return err
	}
	// A log of an earlier worker would say that this one runs already.
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.worker.start(ctx); err != nil {
		return err
	}
	s.provider, err = s.startProvider(ctx, bin)
	return err
}

func (l *Lab) codecKeys() string    { return filepath.Join(l.dir, "codec.keys") }
func (l *Lab) workerConfig() string { return filepath.Join(l.dir, "worker.yaml") }
func (l *Lab) spoolDir() string     { return filepath.Join(l.dir, "spool") }

// logged waits for a line in a log.
func logged(file, text string) func(context.Context) error {
	return func(context.Context) error {
		data, err := os.ReadFile(file)
		if err == nil && !bytes.Contains(data, []byte(text)) {
			err = fmt.Errorf("%s does not say %q yet", file, text)
		}
		return err
	}
}

// writeKeys makes the codec's key file and the token of its server.
func writeKeys(dir string) (token string, err error) {
	line, err := codec.GenerateKeyLine("lab", rand.Reader)
	if err != nil {
		return "", err
	}
	if token, err = randomPassword(); err != nil {
		return "", err
	}
	return token, errors.Join(
		os.WriteFile(filepath.Join(dir, "codec.keys"), []byte(line), 0o600),
		os.WriteFile(filepath.Join(dir, "codec.token"), []byte(token), 0o600),
	)
}

// writeIdentity makes the operator's key.
func (s *Stack) writeIdentity() error {
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	if err != nil {
		return err
	}
	s.recipient = recipient.Text
	return os.WriteFile(filepath.Join(s.dir, "operator.key"), []byte(text.Reveal()), 0o600)
}

func (s *Stack) writeConfig() error {
	var err error
	if s.deployment, err = backup.NewID(rand.Reader); err != nil {
		return err
	}
	env := s.Lab.Env()
	text := fmt.Sprintf(`instance: {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}
%scodec: {keyFile: %s}
spool: {dir: %s}
host: lab-1
targets: [%s]
sources:
  ad: {url: %s, caFile: %s, username: %s, passwordFile: %s, sysvol: true}
  ca: {dir: %s}
  azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: %s, caFile: %s, resolver: %s}
`, InstanceName, s.deployment, s.temporalSection(), s.codecKeys(), s.spoolDir(), env["LAB_DRILL_TARGET"],
		env["LAB_LDAP_URL"], env["LAB_LDAP_CA"], env["LAB_LDAP_USER"], env["LAB_LDAP_PASSWORD_FILE"], env["LAB_CA_DIR"],
		env["LAB_ARM_URL"], env["LAB_ADMIN_ARM_URL"], env["LAB_ARM_AUTHORITY"], env["LAB_ARM_CLIENT_ID"], env["LAB_ARM_SECRET_FILE"], env["LAB_ARM_CA"], env["LAB_ARM_RESOLVER"])
	return os.WriteFile(s.workerConfig(), []byte(text), 0o600)
}

// Env adds the product to the lab's variables.
func (s *Stack) Env() map[string]string {
	env := s.Lab.Env()
	for key, value := range map[string]string{
		"INFRABACKUP_INSTANCE": InstanceName, "INFRABACKUP_CODEC_KEY_FILE": s.codecKeys(),
		"LAB_IDENTITY": filepath.Join(s.dir, "operator.key"), "LAB_RECIPIENT": s.recipient, "LAB_SPOOL": s.spoolDir(),
		"LAB_WORKER_LOG": s.worker.log, "LAB_WORKER_PID_FILE": s.worker.pid, "LAB_WORKER_COMMAND": s.worker.script,
		"LAB_SERVE_URL": s.provider.url, "LAB_SERVE_CA": s.provider.ca, "LAB_SERVE_CONFIG": s.provider.config, "LAB_SERVE_TOKEN_FILE": s.provider.token,
		"LAB_SERVE_SUBSCRIPTION": s.provider.subscription, "LAB_SERVE_LOG": s.provider.log,
	} {
		env[key] = value
	}
	return env
}

// EnableCommand is what an operator types to enable backups on the lab's share.
func (s *Stack) EnableCommand() string {
	return fmt.Sprintf(`bin/infrabackup enable --share '%s' --username %s --password-file "$LAB_SHARE_PASSWORD_FILE" --recipient "$LAB_RECIPIENT"`,
		s.files.UNC(), s.files.User())
}

// Stop stops worker, codec server and lab, also when somebody restarted them.
func (s *Stack) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	daemons := []*daemon{s.worker, s.codec}
	if s.provider != nil {
		daemons = append([]*daemon{s.provider.daemon}, daemons...)
	}
	for _, d := range daemons {
		if d != nil {
			errs = append(errs, d.stop(ctx, syscall.SIGTERM))
		}
	}
	return errors.Join(append(errs, s.Lab.Stop(ctx))...)
}
