package lab

import (
	"context"
	"crypto/sha256"
	_ "embed" // the cache key covers this source
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	domainAddress = "127.0.0.20"
	domainRealm   = "LOCAL.AZURESTACK.TEST"
	domainShort   = "AZURESTACK"
	domainBase    = "DC=local,DC=azurestack,DC=test"
	domainHost    = "dc1"

	// leftOut are services of Samba that a lone controller on a loopback address has no use for,
	// and that start programs for seconds of processor time each.
	leftOut = "-nbt -kcc -dnsupdate"
)

//go:embed directory.go
var directorySource []byte

// domain is the Active Directory domain controller.
type domain struct {
	dir      string // what samba-tool provisioned
	password string // of the service account
	tls      *serverTLS
	server   *daemon
}

// newDomain provisions a domain, or takes it from the cache, and fills it.
func newDomain(ctx context.Context, l *Lab, caCertificate []byte) (*domain, error) {
	d := &domain{dir: filepath.Join(l.dir, "ad")}
	cached, err := cacheDir(l.options)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(cached, "etc", "smb.conf")); err != nil {
		l.say("provisioning Active Directory with %d users (once for this seed)", l.options.ADUsers)
		if err := d.provision(ctx, l, cached, caCertificate); err != nil {
			return nil, err
		}
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return nil, err
	}
	// NT ACLs are extended attributes.
	if _, err := run(ctx, "", "cp", "-a", cached, d.dir); err != nil {
		return nil, err
	}
	if d.tls, err = newServerTLS(filepath.Join(l.dir, "ad-tls"), domainHost+"."+strings.ToLower(domainRealm), domainAddress); err != nil {
		return nil, err
	}
	if err := d.configure(cached); err != nil {
		return nil, err
	}
	if err := d.setPassword(ctx); err != nil {
		return nil, err
	}
	// A mount namespace of its own: another Samba on the machine must not find this
	// one's winbind in /run/samba.
	command := fmt.Sprintf(`mkdir -p /run/samba; exec unshare -m sh -c "mount -t tmpfs tmpfs /run/samba && exec samba -s %s -F --no-process-group"`, d.conf())
	d.server, err = newDaemon(l.dir, "ad", command, all(listening(domainAddress+":445"), d.answers))
	return d, err
}

// answers asks for the root of the directory over LDAPS: the port is open some time
// before the server behind it is ready.
func (d *domain) answers(ctx context.Context) error {
	_, err := run(ctx, "", "env", "LDAPTLS_CACERT="+d.tls.ca, "ldapsearch", "-x", "-LLL", "-o", "nettimeout=2",
		"-H", "ldaps://"+domainAddress, "-s", "base", "-b", "", "defaultNamingContext")
	return err
}

func (d *domain) conf() string { return filepath.Join(d.dir, "etc", "smb.conf") }

// cacheDir is where the filled domain of these options is kept between runs. The CA
// certificate in it is the one of the lab that filled it.
func cacheDir(o Options) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %d %s ", o.Seed, o.ADUsers, domainRealm)
	sum.Write(directorySource)
	return filepath.Join(base, "infrabackup-lab", "ad-"+hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

func (d *domain) provision(ctx context.Context, l *Lab, target string, caCertificate []byte) error {
	building := target + ".building"
	if err := os.RemoveAll(building); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(building), 0o700); err != nil {
		return err
	}
	// Without --adminpass samba-tool draws a password, which then stands in no
	// process list. Nobody needs it.
	_, err := run(ctx, "", "samba-tool", "domain", "provision", "--realm="+domainRealm, "--domain="+domainShort,
		"--server-role=dc", "--dns-backend=SAMBA_INTERNAL", "--host-name="+domainHost, "--host-ip="+domainAddress,
		"--targetdir="+building, "--option=interfaces="+domainAddress+"/8", "--option=bind interfaces only=yes")
	if err != nil {
		return err
	}
	throwaway, err := randomPassword()
	if err != nil {
		return err
	}
	c := fill(domainBase, domainRealm, l.options.Seed, l.options.ADUsers, throwaway, caCertificate)
	sam := filepath.Join(building, "private", "sam.ldb")
	if err := ldb(ctx, c.adds, "ldbadd", "-H", sam); err != nil {
		return err
	}
	var change ldif
	for _, group := range []string{"Domain Admins"} {
		fmt.Fprintf(&change, "dn: CN=%s,CN=Users,%s\nchangetype: modify\nadd: member\nmember: CN=svc-infrabackup,CN=Users,%s\n\n", group, domainBase, domainBase)
	}
	if err := ldb(ctx, change.String(), "ldbmodify", "-H", sam); err != nil {
		return err
	}
	if err := ldb(ctx, "", "ldbdel", append([]string{"-H", sam}, c.doomed...)...); err != nil {
		return err
	}
	if err := writePolicies(filepath.Join(building, "state", "sysvol", strings.ToLower(domainRealm), "Policies")); err != nil {
		return err
	}
	return os.Rename(building, target)
}

// writePolicies makes the files of the lab's group policies.
func writePolicies(dir string) error {
	for i, id := range policyIDs {
		policy := filepath.Join(dir, id)
		files := map[string]string{
			"GPT.INI":                                fmt.Sprintf("[General]\r\nVersion=%d\r\ndisplayName=Lab policy %d\r\n", policyVersion, i),
			filepath.Join("Machine", "Registry.pol"): "PReg\x01\x00\x00\x00",
			filepath.Join("Machine", "Microsoft", "Windows NT", "SecEdit", "GptTmpl.inf"): "[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\n",
			filepath.Join("User", "Scripts", "Logon", "größer als gedacht.cmd"):           "@echo off\r\n",
			filepath.Join("User", "Documents & Settings", "fdeploy.ini"):                  strings.Repeat("x", 70_000),
		}
		for name, text := range files {
			file := filepath.Join(policy, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// configure brings a copy of the cached domain to its place.
func (d *domain) configure(cached string) error {
	data, err := os.ReadFile(d.conf())
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(data), cached+".building", d.dir)
	text = strings.ReplaceAll(text, cached, d.dir)
	text = strings.Replace(text, "[global]", "[global]\n\tserver services = "+leftOut+"\n\ttls enabled = yes\n\ttls keyfile = "+d.tls.key+
		"\n\ttls certfile = "+d.tls.certificate+"\n\ttls cafile = "+d.tls.ca+"\n\tlog level = 1 auth_audit:3\n", 1)
	// The lab's folder may lie where only root can go.
	text = strings.Replace(text, "[sysvol]", "[sysvol]\n\tforce user = root", 1)
	return os.WriteFile(d.conf(), []byte(text), 0o600)
}

// setPassword gives the service account a password of this lab's own.
func (d *domain) setPassword(ctx context.Context) error {
	password, err := randomPassword()
	if err != nil {
		return err
	}
	d.password = password
	var change ldif
	fmt.Fprintf(&change, "dn: CN=svc-infrabackup,CN=Users,%s\nchangetype: modify\nreplace: unicodePwd\n", domainBase)
	change.value("unicodePwd", unicodePassword(password))
	return ldb(ctx, change.String(), "ldbmodify", "-H", filepath.Join(d.dir, "private", "sam.ldb"))
}

// ldb runs a tool that changes the directory's database. These tools tell of some
// failures in their output only.
func ldb(ctx context.Context, input, tool string, args ...string) error {
	out, err := run(ctx, input, tool, args...)
	if err == nil && strings.Contains(out, "ERR:") {
		err = fmt.Errorf("%s: %s", tool, tail(out, 2000))
	}
	return err
}
