package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// temporalModule is built where no temporal binary is found. Later versions cannot
// be installed with "go install".
const temporalModule = "github.com/temporalio/cli/cmd/temporal@v1.5.1"

// packages are the Debian packages of the programs that the lab and the tests run.
var packages = map[string]string{
	"samba":      "samba",
	"samba-tool": "samba",
	"smbd":       "samba",
	"smbpasswd":  "samba-common-bin",
	"smbclient":  "smbclient",
	"ldbadd":     "ldb-tools",
	"ldbmodify":  "ldb-tools",
	"ldbdel":     "ldb-tools",
	"ldapsearch": "ldap-utils",
	"openssl":    "openssl",
	"age":        "age",
	"zstd":       "zstd",
	"ssh-keygen": "openssh-client",
	"ip":         "iproute2",
	"unshare":    "util-linux",
	"setfattr":   "attr",
	"sqlite3":    "sqlite3",
}

// furtherPackages hold no program that could be looked for.
var furtherPackages = []string{"samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "winbind"}

// forTests are the Debian packages of programs that tests run and the lab does without.
var forTests = map[string]string{"chromium-headless-shell": "chromium-headless-shell"}

// Problem is something that the lab lacks, and how to get it.
type Problem struct {
	What   string
	Remedy string
}

// Missing tells what keeps the lab from running here; nothing when it can.
func Missing() []Problem {
	var problems []Problem
	if os.Geteuid() != 0 {
		problems = append(problems, Problem{"root: the servers listen on port 445 and mount a file system of their own",
			"run as root, or use servers that exist: see tests/lab/README.md"})
	}
	if names := missingPackages(); len(names) > 0 {
		problems = append(problems, Problem{"Debian packages: " + strings.Join(names, " "),
			"apt-get install --no-install-recommends " + strings.Join(names, " ") + " (or: make setup)"})
	}
	if _, err := temporalBinary(); err != nil {
		problems = append(problems, Problem{"the temporal program", "go install " + temporalModule + " (or: make setup)"})
	}
	return problems
}

// missingPackages lists the Debian packages that are not installed.
func missingPackages() []string {
	wanted := notFound(packages)
	for _, pkg := range furtherPackages {
		if exec.Command("dpkg", "-s", pkg).Run() != nil {
			wanted[pkg] = true
		}
	}
	return sortedKeys(wanted)
}

// notFound are the packages of the programs that are not on PATH.
func notFound(programs map[string]string) map[string]bool {
	wanted := map[string]bool{}
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			wanted[pkg] = true
		}
	}
	return wanted
}

// temporalBinary finds the Temporal CLI on PATH or where "go install" puts it.
func temporalBinary() (string, error) {
	if found, err := exec.LookPath("temporal"); err == nil {
		return found, nil
	}
	out, err := exec.Command("go", "env", "GOBIN", "GOPATH").Output()
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(out), "\n")
	for _, dir := range []string{lines[0], filepath.Join(lines[1], "bin")} {
		if found := filepath.Join(dir, "temporal"); dir != "" {
			if info, err := os.Stat(found); err == nil && info.Mode()&0o111 != 0 {
				return found, nil
			}
		}
	}
	return "", exec.ErrNotFound
}
