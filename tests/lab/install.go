package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"infrabackup/tests/lab/cluster"
)

// Install gets what [MissingFor] names for labs of this kind, and the programs that tests run
// besides, on Debian and as root.
func Install(ctx context.Context, o Options, out io.Writer) error {
	names := append(missingPackages(), sortedKeys(notFound(forTests))...)
	if o.Cluster == ClusterOnPostgres && !cluster.HasPostgres() {
		names = append(names, "postgresql")
	}
	if len(names) > 0 {
		if os.Geteuid() != 0 {
			return fmt.Errorf("these Debian packages are missing and only root can install them: %v", names)
		}
		if err := visible(ctx, out, "apt-get", "update", "-qq"); err != nil {
			return err
		}
		args := append([]string{"install", "-y", "-qq", "--no-install-recommends"}, names...)
		if err := visible(ctx, out, "apt-get", args...); err != nil {
			return err
		}
	}
	if _, err := temporalBinary(); err != nil {
		if _, err := fmt.Fprintln(out, "building the Temporal server (some minutes, once)"); err != nil {
			return err
		}
		if err := visible(ctx, out, "go", "install", temporalModule); err != nil {
			return err
		}
	}
	if o.Cluster == ClusterOnPostgres {
		return cluster.Install(ctx, out)
	}
	return nil
}

func visible(ctx context.Context, out io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
