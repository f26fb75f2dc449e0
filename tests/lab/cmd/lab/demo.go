package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"infrabackup/tests/lab"
)

// step is one command of the demonstration, and why it is run.
type step struct{ why, command string }

// demo runs the main job on the lab and explains it. Every step must succeed.
func demo(ctx context.Context, options lab.Options, bin string, out io.Writer) (err error) {
	s, err := lab.StartStack(ctx, options, bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(ctx)) }()
	opened := filepath.Join(s.Dir(), "opened")
	newKey := filepath.Join(s.Dir(), "new-operator.key")
	for _, left := range []string{opened, newKey} {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "%s While this runs, it can be looked at; the certificate is the lab's own.\n", page(s.Env())); err != nil {
		return err
	}
	steps := []step{
		{"Enable backup: share, account and the operator's public key. The share is probed first.", s.EnableCommand()},
		{"The active settings. No secret is shown.", "bin/infrabackup settings show"},
		{"Is everything there that a backup needs? The worker checks its sources and the share.", "bin/infrabackup doctor"},
		{"Take a backup of all eight services and wait for it. It says what the sources do not give, how far apart they were captured, and which references lead nowhere.", "bin/infrabackup backup start --wait"},
		{"What lies on the share.", "bin/infrabackup backup list"},
		{"Check it without any key: signature, digests, completeness.", "bin/infrabackup backup verify latest"},
		{"Check it with the operator's key: every item is decrypted and compared.", `bin/infrabackup backup verify latest --identity "$LAB_IDENTITY"`},
		{"Open the CA with the operator's key.", `bin/infrabackup restore extract latest --identity "$LAB_IDENTITY" --service CA --to "$OPENED"`},
		{"The same without this product: stock ssh-keygen, sha256sum, age, zstd and tar.", stockTools},
		{"Use another key for new backups. The share and the key are tried first.", `bin/infrabackup key set --recipient "$(bin/infrabackup key generate --out "$NEW_KEY")"`},
		{"Let the new key open the older backup, and the old key none. Only key.age and the signed sums change.", `bin/infrabackup key rewrap --identity "$LAB_IDENTITY"`},
		{"Show that the new key really exists, before the day it is needed.", `bin/infrabackup key prove --identity "$NEW_KEY"`},
		{"Check everything on the share against the signed ledger: nothing removed, added or rolled back.", "bin/infrabackup backup verify --all"},
		{"Who changed what.", "bin/infrabackup settings history"},
	}
	for i, st := range steps {
		if _, err := fmt.Fprintf(out, "\n%d. %s\n$ %s\n", i+1, st.why, st.command); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", st.command)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.Env = append(os.Environ(), "OPENED="+opened, "NEW_KEY="+newKey)
		for key, value := range s.Env() {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, st.command, err)
		}
	}
	env := s.Env()
	_, err = fmt.Fprintf(out, `
Done. Everything is stopped again. To look around yourself, run "make up"; then
  the page          "make up" prints its address, and where its token is
  Temporal Web UI   http://127.0.0.1:8233 (history of every run, readable through the codec server)
  the share         .lab/fs/share
  worker's log      .lab/log/worker.log
This demonstration's share is kept in %s, what was opened in %s.
`, env["LAB_SHARE_DIR"], opened)
	return err
}

// page says where the page answers, and how to come in.
func page(env map[string]string) string {
	return fmt.Sprintf("The operators' page: %s, with the token in %s.", env["LAB_SERVE_URL"], env["LAB_SERVE_TOKEN_FILE"])
}

const stockTools = `cd "$LAB_SHARE_DIR"/*/backups/* &&
ssh-keygen -Y verify -f ../../allowed_signers -I infrabackup -n infrabackup -s SHA256SUMS.sig < SHA256SUMS &&
sha256sum -c SHA256SUMS &&
age -d -i "$LAB_IDENTITY" -o "$OPENED/backup.key" key.age &&
age -d -i "$OPENED/backup.key" ad.tar.zst.age | zstd -dq | tar t | sed -n 1,5p
rm "$OPENED/backup.key"`
