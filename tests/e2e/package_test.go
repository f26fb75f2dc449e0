package e2e

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

// freshDebian installs, uses, upgrades, removes and purges the package on a Debian system that
// has nothing but its base. It runs in a mount namespace, in the folder with everything.
const freshDebian = `set -euo pipefail
exec 2>&1
debootstrap --variant=minbase --include=ca-certificates,systemd-standalone-sysusers bookworm "$T/root" > "$T/debootstrap.log" || { tail -20 "$T/debootstrap.log"; exit 1; }
mount -t proc proc "$T/root/proc"; mount --bind /dev "$T/root/dev"
cp -r "$LAB_CA_DIR" "$T/root/srv/ca"
cp "$T"/*.deb "$LAB_SHARE_PASSWORD_FILE" "$T/root/"
cp "$T/site.sh" "$T/root/site.sh"
exec chroot "$T/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TEMPORAL_ADDRESS="$TEMPORAL_ADDRESS" SHARE="$LAB_SHARE" ACCOUNT="$LAB_SHARE_USER" PASSWORD_FILE="/$(basename "$LAB_SHARE_PASSWORD_FILE")" I="$I" bash /site.sh
`

// site is what an operator does on it.
const site = `set -euxo pipefail
dpkg -i /old.deb
test "$(dpkg-query -W -f '${Status} ${Version}' infrabackup)" = "install ok installed 1.2.2"
dpkg --verify infrabackup
for u in infrabackup infrabackup-serve; do
  test "$(getent passwd $u | cut -d: -f6)" = /var/lib/$u
  test "$(stat -c '%a %U %G' /var/lib/$u)" = "700 $u $u"
done
test "$(stat -c '%a %U %G' /etc/infrabackup)" = "751 root infrabackup"
test -e /usr/lib/systemd/system/infrabackup-worker.service
test ! -e /etc/systemd/system/multi-user.target.wants/infrabackup-worker.service

as() { runuser -u infrabackup -- env TEMPORAL_ADDRESS=$TEMPORAL_ADDRESS INFRABACKUP_INSTANCE=$I INFRABACKUP_CODEC_KEY_FILE=/etc/infrabackup/codec.keys "$@"; }
: nothing is configured
! infrabackup doctor > /doctor || false
cat /doctor
! runuser -u infrabackup -- infrabackup-worker --check || false
infrabackup codec-key generate --out /etc/infrabackup/codec.keys
chown infrabackup: /etc/infrabackup/codec.keys
: a key, and no worker
code=0; as infrabackup doctor || code=$?
test $code = 10

install -m 0640 -o root -g infrabackup /usr/share/doc/infrabackup/examples/worker.yaml /etc/infrabackup/worker.yaml
sed -i -e "s/name: local /name: $I /" -e "s/temporal.example.com:7233/$TEMPORAL_ADDRESS/" -e '/^  tls:/,/^$/d' -e '/^  ad:/,/^$/d' -e '/# The stamp:/,$d' -e 's,/etc/pki/CA,/srv/ca,' -e '/adcs:/d' /etc/infrabackup/worker.yaml
chown -R infrabackup: /srv/ca
runuser -u infrabackup -- infrabackup-worker --check
start() { runuser -u infrabackup -- infrabackup-worker --config /etc/infrabackup/worker.yaml > /worker.log 2>&1 & timeout 60 bash -c 'until grep -q msg=ready /worker.log; do read -t 0.1 < <(:) || true; done'; }
stop() { pkill -TERM -x infrabackup-wor || true; wait; }
trap stop EXIT
start
install -m 0600 -o infrabackup $PASSWORD_FILE /var/lib/infrabackup/share.password
cd /var/lib/infrabackup
R=$(as infrabackup key generate --out operator.key)
as infrabackup enable --share "$SHARE" --username "$ACCOUNT" --password-file share.password --recipient "$R"
as infrabackup backup start --wait
stop

: an upgrade keeps what there is
find /etc/infrabackup /var/lib/infrabackup -type f -exec sha256sum {} + | sort > /before
dpkg -i /new.deb
test "$(dpkg-query -W -f '${Version}' infrabackup)" = 1.2.3
find /etc/infrabackup /var/lib/infrabackup -type f -exec sha256sum {} + | sort | diff /before -
start
as infrabackup backup start --wait
as infrabackup backup verify --all
as infrabackup doctor
stop

dpkg -r infrabackup
test ! -e /usr/bin/infrabackup
test -e /var/lib/infrabackup/operator.key
dpkg -P infrabackup
test ! -e /var/lib/infrabackup
test ! -e /var/lib/infrabackup-serve
test -e /etc/infrabackup/codec.keys
getent passwd infrabackup
! dpkg -L infrabackup || false
: and again, with what was left
dpkg -i /new.deb
test "$(stat -c '%a %U' /var/lib/infrabackup)" = "700 infrabackup"
rm /etc/infrabackup/*
dpkg -P infrabackup
test ! -e /etc/infrabackup
`

// TestPackageOnAFreshDebian needs Debian's archive, so it is part of the soak.
func TestPackageOnAFreshDebian(t *testing.T) {
	if !tier.Soak() {
		t.Skip("part of make soak")
	}
	lab.Require(t)
	if _, err := exec.LookPath("debootstrap"); err != nil {
		t.Skip("debootstrap is not installed")
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
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.sh"), []byte(site), 0o644))
	cmd := exec.Command("unshare", "-m", "bash", "-c", freshDebian)
	cmd.Env = append(os.Environ(), "T="+dir, "I=deb-"+string(id[:8]))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, unconfigured, _ := strings.Cut(string(out), ": nothing is configured")
	unconfigured, rest, _ := strings.Cut(unconfigured, ": a key, and no worker")
	require.Contains(t, unconfigured, "INFRABACKUP_CODEC_KEY_FILE", "doctor does not say what is missing")
	require.Contains(t, unconfigured, "/etc/infrabackup/worker.yaml", "the worker does not say what is missing")
	require.Contains(t, rest, "NO_WORKER")
	require.Equal(t, 2, strings.Count(rest, "Succeeded"), "%s", rest)
}
