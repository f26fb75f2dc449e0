package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab"
)

// siteAuthority makes a CA and a certificate of the domain controller's.
const siteAuthority = `set -eu
cd "$1"
mkdir newcerts private crl
touch index.txt; echo 41 > serial; echo 01 > crlnumber
cat > openssl.cnf <<END
[ca]
default_ca = corp
[corp]
dir = $1
database = \$dir/index.txt
new_certs_dir = \$dir/newcerts
certificate = \$dir/cacert.pem
private_key = \$dir/private/cakey.pem
serial = \$dir/serial
crlnumber = \$dir/crlnumber
default_md = sha256
default_days = 90
default_crl_days = 30
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
x509_extensions = root
[name]
CN = Corp Issuing CA 3
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -config openssl.cnf -keyout private/cakey.pem -out cacert.pem 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout "$2/dc.key" -subj "/CN=$3" -addext "subjectAltName=DNS:$3" -out "$2/dc.csr" 2>/dev/null
openssl ca -batch -notext -config openssl.cnf -in "$2/dc.csr" -out "$2/dc.pem" 2>/dev/null
openssl ca -config openssl.cnf -gencrl -out crl.pem 2>/dev/null
chmod 600 "$2/dc.key" private/cakey.pem`

// chapter is a part of a document, from one line to another.
func chapter(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	require.True(t, found, from)
	inside, _, found := strings.Cut(rest, to)
	require.True(t, found, to)
	return inside
}

// commandsOf are the indented lines of a document, which stand for commands.
func commandsOf(text string) string {
	var script strings.Builder
	for line := range strings.Lines(text) {
		if command := strings.TrimLeft(line, " "); len(line)-len(command) >= 4 {
			script.WriteString(command)
		}
	}
	return script.String()
}

// replaced puts a site's own values in the place of the handbook's.
func replaced(t *testing.T, text string, values ...string) string {
	t.Helper()
	for i := 0; i < len(values); i += 2 {
		require.Contains(t, text, values[i])
		text = strings.ReplaceAll(text, values[i], values[i+1])
	}
	return text
}

// ground prepares what looks like a machine of its own to what runs after it: users,
// programs and state are kept in a folder. It needs a mount namespace.
const ground = `set -euo pipefail
exec 2>&1
cp -a /etc "$T/etc"; mount --bind "$T/etc" /etc
mkdir "$T/state" "$T/programs" "$T/bin"
mount --bind "$T/state" /var/lib
mount --bind /usr/bin "$T/programs"
ln -s "$T"/programs/* "$T/bin/"
mount --bind "$T/bin" /usr/bin
echo "127.0.0.57 fs.corp.example.net" >> /etc/hosts
echo "127.0.0.21 dc9.corp.example.net" >> /etc/hosts
useradd --no-create-home --home-dir "$T/home" --shell /bin/bash opsuser
install -d -m 0700 -o opsuser "$T/home"
cd "$T/project"
set -x
`

// TestInstallByTheHandbook follows the handbook's install chapter, its chapters on the
// command line, on enabling and on cron, and the instructions on the share, command by
// command, on servers that have nothing of the lab's: another realm, other names, and a
// namespace made by the handbook. What the handbook leaves to the reader is done here:
// editing, and what systemd does.
func TestInstallByTheHandbook(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	temporalAddress, programs := server(t), binaries(t)
	handbook := readAll(t, filepath.Join("..", "..", "deploy", "OPERATIONS.md"))
	dir := lab.PublicDir(t)
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	corp := "backup-" + string(id[:8]) // the server is shared
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"ca", "tls", "project"} {
		require.NoError(t, os.Mkdir(in(name), 0o755))
	}

	var domain *lab.Domain
	domain, err = lab.StartDomain(t.Context(), lab.DomainOptions{
		Dir: in("domain"), Address: "127.0.0.21", Realm: "CORP.EXAMPLE.NET", Short: "CORP", Host: "dc9", User: "svc-backup",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, domain.Stop(context.WithoutCancel(t.Context()))) })
	files, err := lab.StartFileServer(t.Context(), lab.FileServerOptions{
		Dir: in("fs"), Address: "127.0.0.57", Name: "Sicherung", Global: map[string]string{"workgroup": "CORP", "netbios name": "CORPFS"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Stop(context.WithoutCancel(t.Context()))) })
	out, err := exec.Command("bash", "-c", siteAuthority, "authority", in("ca"), in("tls"), domain.Name()).CombinedOutput()
	require.NoError(t, err, "%s", out)

	// What the reader edits.
	example := readAll(t, filepath.Join("..", "..", "deploy", "worker.example.yaml"))
	config := replaced(t, example,
		"temporal.example.com:7233", temporalAddress, "namespace: default", "namespace: "+corp,
		"dc1.local.azurestack.test", domain.Name(), "svc-backup@local.azurestack.test", "svc-backup@corp.example.net", "/etc/pki/CA", in("ca"))
	config = regexp.MustCompile(`(?m)^  tls:(.|\n)*?\n\n`).ReplaceAllString(config, "\n")
	config, _, _ = strings.Cut(config, "  # The stamp:")
	for name, text := range map[string]string{
		"worker.yaml": config, "ad.password": domain.Password() + "\n", "share.password": files.Password() + "\n",
	} {
		require.NoError(t, os.WriteFile(in(name), []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink(programs, in("project/bin")))
	deploy, err := filepath.Abs(filepath.Join("..", "..", "deploy"))
	require.NoError(t, err)
	require.NoError(t, os.Symlink(deploy, in("project/deploy")))

	// Samba's own certificate does not name the controller: the check says so.
	site := &handbookSite{t: t, dir: dir}
	install := commandsOf(chapter(t, handbook, "## Install a worker", "### The command line"))
	check := "runuser -u infrabackup -- infrabackup-worker --check --config /etc/infrabackup/worker.yaml\n"
	before, after, found := strings.Cut(replaced(t, install, "AD-CA.PEM", in("site-ca.pem"), "/etc/pki/CA", in("ca")), check)
	require.True(t, found)
	require.Equal(t, []string{
		"install -m 0644 deploy/systemd/infrabackup-worker.service /etc/systemd/system/", "systemctl daemon-reload", "systemctl enable --now infrabackup-worker",
	}, strings.Split(strings.TrimSpace(after), "\n"), "what systemd does, the test does")
	before = replaced(t, before,
		"worker.example.yaml /etc/infrabackup/worker.yaml\n", "worker.example.yaml /etc/infrabackup/worker.yaml\ncat \"$T/worker.yaml\" > /etc/infrabackup/worker.yaml\n",
		"/dev/null /etc/infrabackup/ad.password\n", "/dev/null /etc/infrabackup/ad.password\ncat \"$T/ad.password\" > /etc/infrabackup/ad.password\n")
	site.put("site-ca.pem", readAll(t, domain.OwnCA()))
	own := site.run(before + `infrabackup-worker --check --config /etc/infrabackup/worker.yaml || echo "as root: $?"
test -z "$(find /var/lib/infrabackup -user root)"
` + strings.TrimSpace(check) + ` || echo "checked: $?"
`)
	require.Contains(t, own, "as root: 78", "files of another user")
	require.Contains(t, own, "ok    spool /var/lib/infrabackup/spool\n")
	require.Regexp(t, `FAIL  source(s| AD): [A-Z_]+: |ok    source AD\n`, own, "Samba's own certificate is refused only when it names another host")
	require.Contains(t, own, "FAIL  Temporal: TEMPORAL_UNREACHABLE: Temporal at "+temporalAddress+" has no namespace \""+corp+"\"")
	require.Contains(t, own, "temporal operator namespace create")

	// So it gets one of the site's CA, and Temporal its namespace, both as the documents say.
	require.NoError(t, domain.UseCertificate(t.Context(), in("tls/dc.pem"), in("tls/dc.key"), in("ca/cacert.pem")))
	site.put("site-ca.pem", readAll(t, in("ca/cacert.pem")))
	namespace := regexp.MustCompile(`(?m)^    (temporal operator namespace create .*)$`).FindStringSubmatch(readAll(t, filepath.Join("..", "..", "deploy", "TEMPORAL.md")))
	require.NotNil(t, namespace)
	create := exec.Command("bash", "-c", strings.Replace(replaced(t, namespace[1], "--namespace backup ", "--namespace "+corp+" "), "temporal ", lab.TemporalProgram(t)+" ", 1)+" --address "+temporalAddress)
	out, err = create.CombinedOutput()
	require.NoError(t, err, "%s", out)

	cron := chapter(t, handbook, "this is `/etc/cron.d/infrabackup`", "Do this once a quarter")
	schedule := regexp.MustCompile(`(?m)^    30 1,13 \* \* \* infrabackup (.*)$`).FindStringSubmatch(cron)
	require.NotNil(t, schedule)
	variables := replaced(t, regexp.MustCompile(`(?m)^    [A-Z_]+=.*$`).FindString(cron), "temporal.example.com:7233", temporalAddress)
	require.Contains(t, variables, "TEMPORAL_ADDRESS=")

	asOperator := replaced(t, commandsOf(chapter(t, handbook, "### The command line", "### Files with keys")), "temporal.example.com:7233", temporalAddress) +
		"export TEMPORAL_NAMESPACE=" + corp + "\ncd\n" +
		replaced(t, commandsOf(chapter(t, handbook, "## Enable", "## Day by day")),
			"infrabackup key generate --out operator.key ", "R=$(infrabackup key generate --out operator.key) ",
			`'\\fs.example.com\AzSBackups'`, `'\\fs.corp.example.net\Sicherung'`, `'CORP\backup'`, "'"+files.User()+"'", "--password-file F", "--password-file share.password", "age1…", `"$R"`) + `
infrabackup backup start --wait
infrabackup backup verify --all
infrabackup settings show | grep 'Signing key:' > signers
`
	site.put("operator.sh", "set -euxo pipefail\n"+asOperator)
	text := site.run(before + check + `
install -d /etc/systemd/system
install -m 0644 deploy/systemd/infrabackup-worker.service /etc/systemd/system/
start=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/infrabackup-worker.service)
(umask 077; exec runuser -u infrabackup -- $start) > "$T/worker.log" 2>&1 &
worker=$!
trap 'kill $worker; wait $worker || true; cat "$T/worker.log"' EXIT
timeout 60 bash -c 'until grep -q msg=ready "$T/worker.log"; do sleep 0.1; done'
install -m 0600 -o opsuser /etc/infrabackup/codec.keys "$T/home/codec.keys"
install -m 0600 -o opsuser "$T/share.password" "$T/home/share.password"
chmod 0644 "$T/operator.sh"
runuser -u opsuser -- env -i HOME="$T/home" PATH="$PATH" bash "$T/operator.sh"
runuser -u infrabackup -- env -i ` + variables + ` TEMPORAL_NAMESPACE=` + corp + ` INFRABACKUP_INSTANCE=local INFRABACKUP_CODEC_KEY_FILE=/etc/infrabackup/codec.keys sh -c '` + schedule[1] + `'
grep '"status": "Succeeded"' /var/lib/infrabackup/last.json
test -z "$(find /var/lib/infrabackup -user root)"
`)
	require.Contains(t, text, "ok    source AD\n")
	require.Contains(t, text, "ok    source CA\n")
	require.Contains(t, text, "none  source azure: not configured")
	require.NotContains(t, text, "FAIL")
	require.Contains(t, text, "Verdict:  good")

	// The worst day: another machine, which has a copy of the share and the key.
	site.put("recovery.sh", "set -euxo pipefail\n"+regexp.MustCompile(`(?m)^SHARE=.*$`).ReplaceAllString(
		commandsOf(readAll(t, filepath.Join(files.ShareDir(), "local", "RECOVERY.txt"))), "SHARE="+in("mounted/local")))
	opened := site.run(`cp -a "` + files.ShareDir() + `" "$T/mounted"
chmod -R a+rX "$T/mounted"; chmod 0644 "$T/recovery.sh"
find "$T/mounted" | sort > "$T/before"
install -m 0755 bin/infrabackup /usr/bin/
runuser -u opsuser -- env -i HOME="$T/home" PATH="$PATH" TMPDIR="$T/home" bash "$T/recovery.sh"
find "$T/mounted" | sort | diff "$T/before" -
runuser -u opsuser -- env -i HOME="$T/home" PATH="$PATH" infrabackup backup verify --all --instance local --from "$T/mounted" --allowed-signers "$T/home/signers"
`)
	require.Contains(t, opened, "svc-backup", "an item of the directory in the catalog")
	require.Contains(t, opened, "Verdict:  good")
}

// handbookSite is a machine on which the handbook is followed.
type handbookSite struct {
	t   *testing.T
	dir string
	n   int
}

func (s *handbookSite) put(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644))
}

// run runs a script as root on a machine that is as new, but for the operator's home.
func (s *handbookSite) run(script string) string {
	s.t.Helper()
	s.n++
	for _, name := range []string{"etc", "state", "programs", "bin"} {
		require.NoError(s.t, os.RemoveAll(filepath.Join(s.dir, name)))
	}
	name := fmt.Sprintf("script-%d.sh", s.n)
	s.put(name, ground+script)
	cmd := exec.Command("unshare", "-m", "bash", filepath.Join(s.dir, name))
	cmd.Env = append(os.Environ(), "T="+s.dir)
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}
