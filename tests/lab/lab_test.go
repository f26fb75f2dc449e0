package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

// sh runs a shell command with the lab's environment.
func sh(t *testing.T, env Environment, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euc", script)
	cmd.Env = os.Environ()
	for key, value := range env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestDirectoryAnswersOverTLS(t *testing.T) {
	env := Use(t)
	search := `LDAPTLS_CACERT=$LAB_LDAP_CA ldapsearch -LLL -x -H $LAB_LDAP_URL -D $LAB_LDAP_USER -y $LAB_LDAP_PASSWORD_FILE -b ` + domainBase + ` -E pr=500/noprompt -o ldif-wrap=no `
	require.GreaterOrEqual(t, strings.Count(sh(t, env, search+`'(objectClass=user)' dn`), "dn:"), DefaultADUsers)
	require.GreaterOrEqual(t, strings.Count(sh(t, env, search+`'(cn=Everybody)' member`), "\nmember"), groupMembers)
	require.Equal(t, 15, strings.Count(sh(t, env, search+`-E '!1.2.840.113556.1.4.417' '(&(isDeleted=TRUE)(cn=gone*))' dn`), "dn:"))
	require.Equal(t, 30, strings.Count(sh(t, env, strings.Replace(search, "-b "+domainBase, "-b DC=DomainDnsZones,"+domainBase, 1)+`'(dc=node*)' dn`), "dn:"))
}

func TestShareTakesFiles(t *testing.T) {
	env := Use(t)
	out := sh(t, env, `export USER=$LAB_SHARE_USER PASSWD=$(cat $LAB_SHARE_PASSWORD_FILE)
smbclient "${LAB_SHARE//\\//}" -m SMB3 --client-protection=encrypt -c 'put /etc/hostname probe.txt; ls; rm probe.txt'`)
	require.Contains(t, out, "probe.txt")
}

func TestAuthorityIsSound(t *testing.T) {
	env := Use(t)
	out := sh(t, env, `cd $LAB_CA_DIR
openssl verify -CAfile cacert.pem newcerts/1000.pem
openssl crl -in crl.pem -noout -text | grep -c 'Serial Number'
cut -c1 index.txt | sort | uniq -c`)
	require.Contains(t, out, "1000.pem: OK")
	require.Contains(t, out, "3 R")
	require.Contains(t, out, "3 E")
}

// A second server of its own: what Use gives may be shared.
func TestFileServerStopsAndStarts(t *testing.T) {
	Require(t)
	ctx := context.Background()
	f, err := StartFileServer(ctx, FileServerOptions{
		Dir:     filepath.Join(t.TempDir(), strings.Repeat("deep", 30)), // deeper than a socket may lie
		Address: "127.0.0.41",
	})
	require.NoError(t, err)
	require.NoError(t, f.Halt(ctx))
	require.Error(t, listening("127.0.0.41:445")(ctx))
	require.NoError(t, f.Start(ctx))
	require.NoError(t, f.Kill(ctx))
	require.NoError(t, f.Start(ctx))
	require.NoError(t, f.Stop(ctx))
	_, running := f.server.running()
	require.False(t, running)
}
