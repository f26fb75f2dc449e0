package e2e

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

// freshDebian makes a Debian system that has nothing but its base, and boots it with its own
// systemd. What is done there is a unit, which ends the machine.
const freshDebian = `set -euo pipefail
exec 2>&1
debootstrap --variant=minbase --include=ca-certificates,systemd,systemd-sysv,dbus bookworm "$T/system" > "$T/debootstrap.log" || { tail -20 "$T/debootstrap.log"; exit 1; }
cp -r "$LAB_CA_DIR" "$T/system/srv/ca"
cp "$T"/*.deb "$T/site.sh" "$T/serve.pem" "$T/serve.key" "$T/system/"
cp "$LAB_SHARE_PASSWORD_FILE" "$T/system/share.password"
printf '%s\n' "TEMPORAL_ADDRESS=$TEMPORAL_ADDRESS" "SHARE='$LAB_SHARE'" "ACCOUNT=$LAB_SHARE_USER" "I=$I" "API=$API" > "$T/system/site.env"
cat > "$T/system/etc/systemd/system/site.service" <<'END'
[Unit]
After=network.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/bin/bash /site.sh
StandardOutput=file:/site.log
StandardError=inherit
TimeoutStartSec=20min
[Install]
WantedBy=multi-user.target
END
ln -s ../site.service "$T/system/etc/systemd/system/multi-user.target.wants/site.service"
timeout 1500 systemd-nspawn --quiet --register=no --keep-unit --boot -D "$T/system" --console=pipe > "$T/boot.log" 2>&1 || true
cat "$T/system/site.log"
`

// site is what an operator does on it.
const site = `set -euxo pipefail
. /site.env
export TEMPORAL_ADDRESS
refused() { ! "$@"; }
dpkg -i /old.deb
test "$(dpkg-query -W -f '${Status} ${Version}' infrabackup)" = "install ok installed 1.2.2"
dpkg --verify infrabackup
for u in infrabackup infrabackup-serve; do
  test "$(getent passwd $u | cut -d: -f6)" = /var/lib/$u
  test "$(stat -c '%a %U %G' /var/lib/$u)" = "700 $u $u"
done
test "$(stat -c '%a %U %G' /etc/infrabackup)" = "751 root infrabackup"
refused systemctl is-enabled infrabackup-worker infrabackup-serve
refused systemctl is-active infrabackup-worker infrabackup-serve

as() { runuser -u infrabackup -- env TEMPORAL_ADDRESS=$TEMPORAL_ADDRESS INFRABACKUP_INSTANCE=$I INFRABACKUP_CODEC_KEY_FILE=/etc/infrabackup/codec.keys "$@"; }
: nothing is configured
refused infrabackup doctor
refused runuser -u infrabackup -- infrabackup-worker --check
refused systemctl start infrabackup-worker
systemctl show -p NRestarts,ExecMainStatus infrabackup-worker
infrabackup codec-key generate --out /etc/infrabackup/codec.keys
chown infrabackup: /etc/infrabackup/codec.keys
: a key, and no worker
code=0; as infrabackup doctor || code=$?
test $code = 10

install -m 0640 -o root -g infrabackup /usr/share/doc/infrabackup/examples/worker.yaml /etc/infrabackup/worker.yaml
sed -i -e "s/name: local /name: $I /" -e "s/temporal.example.com:7233/$TEMPORAL_ADDRESS/" -e '/^  tls:/,/^$/d' -e '/^  ad:/,/^$/d' -e '/# The stamp:/,$d' -e 's,/etc/pki/CA,/srv/ca,' -e '/adcs:/d' /etc/infrabackup/worker.yaml
chown -R infrabackup: /srv/ca
runuser -u infrabackup -- infrabackup-worker --check
systemctl enable --now infrabackup-worker
systemctl is-active infrabackup-worker
systemd-analyze security infrabackup-worker.service infrabackup-serve.service --no-pager | tail -1
install -m 0600 -o infrabackup /share.password /var/lib/infrabackup/share.password
cd /var/lib/infrabackup
R=$(as infrabackup key generate --out operator.key)
as infrabackup enable --share "$SHARE" --username "$ACCOUNT" --password-file share.password --recipient "$R"
as infrabackup backup start --wait

: the api, confined as well
for f in serve.pem serve.key; do install -m 0600 -o infrabackup-serve /$f /etc/infrabackup/$f; done
install -m 0600 -o infrabackup-serve /etc/infrabackup/codec.keys /etc/infrabackup/serve.keys
printf '%s\n' "baseUrl: https://$API" "listen: $API" 'tls: {certFile: serve.pem, keyFile: serve.key}' 'subscriptionId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11' 'instances:' "  - {name: $I, fqdn: local.azurestack.test, region: local, deploymentId: 6f8c7527-bdc7-4a7b-b834-649bab41174e}" "temporal: {address: '$TEMPORAL_ADDRESS', namespace: default}" 'codec: {keyFile: serve.keys}' 'stateDir: /var/lib/infrabackup-serve' > /etc/infrabackup/serve.yaml
chmod 0644 /etc/infrabackup/serve.yaml
systemctl enable --now infrabackup-serve
runuser -u infrabackup-serve -- infrabackup token create site --config /etc/infrabackup/serve.yaml --role reader | tail -1
timeout 60 bash -c 'until (exec 3<> "/dev/tcp/${1%:*}/${1#*:}") 2> /dev/null; do read -rt 0.2 < <(sleep 1) || true; done' . "$API"

: the codec server, confined as well, for as long as one looks
(umask 077; echo 0123456789abcdef0123456789abcdef > /etc/infrabackup/codec-server.token)
chown infrabackup: /etc/infrabackup/codec-server.token
test "$(systemctl is-enabled infrabackup-codec-server)" = static
systemctl start infrabackup-codec-server
timeout 60 bash -c 'until (exec 3<> /dev/tcp/127.0.0.1/8081) 2> /dev/null; do read -rt 0.2 < <(sleep 1) || true; done'
exec 3<> /dev/tcp/127.0.0.1/8081
printf 'POST /0123456789abcdef0123456789abcdef/decode HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 15\r\nOrigin: http://127.0.0.1:8233\r\n\r\n{"payloads":[]}' >&3
head -1 <&3 | grep ' 200 '
exec 3<&-
systemctl stop infrabackup-codec-server

: an upgrade right after a backup began keeps what there is, and the backup goes on
find /etc/infrabackup /var/lib/infrabackup -maxdepth 1 -type f -exec sha256sum {} + | sort > /before
worker=$(systemctl show -p MainPID --value infrabackup-worker)
ID=$(as infrabackup backup start)
dpkg -i /new.deb
test "$(dpkg-query -W -f '${Version}' infrabackup)" = 1.2.3
test "$(systemctl show -p MainPID --value infrabackup-worker)" != "$worker"
systemctl is-active infrabackup-worker infrabackup-serve
as infrabackup backup watch $ID
find /etc/infrabackup /var/lib/infrabackup -maxdepth 1 -type f -exec sha256sum {} + | sort | diff /before -
as infrabackup backup verify --all
as infrabackup doctor
test "$(as infrabackup backup list | grep -c Succeeded)" = 2
test -z "$(journalctl -u infrabackup-worker -u infrabackup-serve --no-pager | grep -iE 'bad system call|SIGSYS|core-dump')"

dpkg -r infrabackup
test ! -e /usr/bin/infrabackup
refused systemctl is-active infrabackup-worker infrabackup-serve
test ! -e /etc/systemd/system/multi-user.target.wants/infrabackup-worker.service
test -e /var/lib/infrabackup/operator.key
dpkg -P infrabackup
test ! -e /var/lib/infrabackup
test ! -e /var/lib/infrabackup-serve
test -e /etc/infrabackup/codec.keys
getent passwd infrabackup
: and again, with what was left
dpkg -i /new.deb
test "$(stat -c '%a %U' /var/lib/infrabackup)" = "700 infrabackup"
rm /etc/infrabackup/*
dpkg -P infrabackup
test ! -e /etc/infrabackup
: everything was done
`

// TestPackageOnAFreshDebian installs, uses, upgrades, removes and purges the package on a Debian
// system of its own, where systemd starts worker and serve confined as the units say. It needs
// Debian's archive, so it is part of the soak.
func TestPackageOnAFreshDebian(t *testing.T) {
	if !tier.Soak() {
		t.Skip("part of make soak")
	}
	env := lab.Use(t)
	for _, program := range []string{"debootstrap", "systemd-nspawn"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	dir := t.TempDir()
	for name, version := range map[string]string{"old": "v1.2.2", "new": "v1.2.3"} {
		out := filepath.Join(dir, name)
		made := exec.Command("go", "run", "./deploy/release", "--version", version, "--arch", "amd64", "--once", "--out", out)
		made.Dir = filepath.Join("..", "..")
		text, err := made.CombinedOutput()
		require.NoError(t, err, "%s", text)
		debs, err := filepath.Glob(filepath.Join(out, "*.deb"))
		require.NoError(t, err)
		require.Len(t, debs, 1)
		require.NoError(t, os.Rename(debs[0], filepath.Join(dir, name+".deb")))
	}
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	certificate := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.66", "-addext", "subjectAltName=IP:127.0.0.66", "-keyout", "serve.key", "-out", "serve.pem")
	certificate.Dir = dir
	out, err := certificate.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.sh"), []byte(site), 0o644))
	cmd := exec.Command("bash", "-c", freshDebian)
	cmd.Env = append(os.Environ(), "T="+dir, "I=deb-"+string(id[:8]), "API=127.0.0.66:8443")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "+ : everything was done", "%s", out)
	_, unconfigured, _ := strings.Cut(string(out), "+ : nothing is configured")
	unconfigured, rest, _ := strings.Cut(unconfigured, "+ : a key, and no worker")
	require.Contains(t, unconfigured, "INFRABACKUP_CODEC_KEY_FILE", "doctor does not say what is missing")
	require.Contains(t, unconfigured, "/etc/infrabackup/worker.yaml", "the worker does not say what is missing")
	require.Contains(t, unconfigured, "ExecMainStatus=78", "the unit goes on trying")
	require.Contains(t, rest, "NO_WORKER")
	t.Log(regexp.MustCompile(`(?m)^.*exposure.*$`).FindString(rest))
}
