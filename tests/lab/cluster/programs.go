package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
)

// version is that of Temporal's programs.
const version = "v1.30.4"

// The programs of the server, as "go install" calls them, and what TEMPORAL.md calls them.
const (
	serverModule = "go.temporal.io/server/cmd/server@" + version
	schemaModule = "go.temporal.io/server/cmd/tools/sql@" + version
)

// databaseUser is the system's user that PostgreSQL runs as: it refuses to run as root.
const databaseUser = "postgres"

// Problem is something that the cluster lacks, and how to get it.
type Problem struct{ What, Remedy string }

// Missing tells what keeps the cluster from running here; nothing when it can.
func Missing() []Problem {
	var problems []Problem
	if _, err := postgresFolder(); err != nil {
		problems = append(problems, Problem{"PostgreSQL's programs in /usr/lib/postgresql", "apt-get install --no-install-recommends postgresql"})
	} else if _, err := user.Lookup(databaseUser); err != nil {
		problems = append(problems, Problem{"the user " + databaseUser, "apt-get install --no-install-recommends postgresql"})
	}
	for _, program := range []string{"runuser", "setpriv", "openssl", "basenc", "/usr/bin/python3"} {
		if _, err := exec.LookPath(program); err != nil {
			problems = append(problems, Problem{"the program " + program, "apt-get install --no-install-recommends util-linux openssl coreutils python3"})
		}
	}
	if _, err := programs(); err != nil {
		problems = append(problems, Problem{"the Temporal server " + version + " and its schema tool", "bin/lab install --cluster postgres (about five minutes, once)"})
	}
	return problems
}

// Install builds the programs of the server into the user's cache folder, where they are not
// there yet.
func Install(ctx context.Context, out io.Writer) error {
	folder, err := programsFolder()
	if err != nil {
		return err
	}
	if _, err := programs(); err == nil {
		return nil
	}
	if _, err := fmt.Fprintln(out, "building the Temporal server "+version+" (about five minutes, once)"); err != nil {
		return err
	}
	// One after the other: each takes all that the machine has.
	for _, module := range []string{serverModule, schemaModule} {
		cmd := exec.CommandContext(ctx, "go", "install", module)
		cmd.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=", "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go install %s: %w", module, err)
		}
	}
	_, err = programs()
	return err
}

// programsFolder is where [Install] puts the programs.
func programsFolder() (string, error) {
	base, err := os.UserCacheDir()
	return filepath.Join(base, "infrabackup-lab", "temporal-"+version), err
}

// programs are the paths of the server's programs by the names that TEMPORAL.md has for them.
func programs() (map[string]string, error) {
	folder, err := programsFolder()
	if err != nil {
		return nil, err
	}
	found := map[string]string{"temporal-server": filepath.Join(folder, "server"), "temporal-sql-tool": filepath.Join(folder, "sql")}
	for _, path := range found {
		if _, err := exec.LookPath(path); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// HasPostgres reports whether PostgreSQL is installed.
func HasPostgres() bool {
	_, err := postgresFolder()
	return err == nil
}

// postgresFolder is where the programs of the newest PostgreSQL are.
func postgresFolder() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL in /usr/lib/postgresql")
	}
	return filepath.Dir(slices.Max(found)), nil
}
