package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// DomainOptions describe a domain as Samba makes it, with nothing of the lab's own in it
// but one account.
type DomainOptions struct {
	Dir     string // for its configuration and state
	Address string // loopback address
	Realm   string // such as CORP.EXAMPLE.NET
	Short   string // such as CORP
	Host    string // of the controller, without the realm
	User    string // an account that may read and write everything
	// Restored domains have a certificate for name and address, of a CA of their own, and do
	// not wait for the disk at each write: they are gone after the test.
	Restored bool
}

// Domain is a running domain controller.
type Domain struct {
	options  DomainOptions
	dir      string // what samba-tool provisioned
	password string
	server   *daemon
	added    bool
	ca       string // of the certificate, empty for Samba's own
}

// StartDomain provisions a domain, or takes it from the cache, and starts it with the
// certificate that Samba makes for itself. Stop it, also after an error in between.
func StartDomain(ctx context.Context, o DomainOptions) (*Domain, error) {
	d := &Domain{options: o, dir: filepath.Join(o.Dir, "ad")}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.Stop(ctx))
	}
	if err := d.server.start(ctx); err != nil {
		return nil, errors.Join(err, d.Stop(ctx))
	}
	return d, nil
}

func (d *Domain) prepare(ctx context.Context) error {
	for _, sub := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(d.options.Dir, sub), 0o755); err != nil {
			return err
		}
	}
	cached, err := d.provisioned(ctx)
	if err != nil {
		return err
	}
	// NT ACLs are extended attributes.
	if _, err := run(ctx, "", "cp", "-a", cached, d.dir); err != nil {
		return err
	}
	if err := d.edit(func(text string) string {
		text = strings.ReplaceAll(strings.ReplaceAll(text, cached+".building", d.dir), cached, d.dir)
		text = strings.Replace(text, "[global]", "[global]\n\tserver services = "+leftOut+"\n", 1)
		// The folder may lie where only root can go.
		return strings.Replace(text, "[sysvol]", "[sysvol]\n\tforce user = root", 1)
	}); err != nil {
		return err
	}
	if d.options.Restored {
		if err := d.restored(); err != nil {
			return err
		}
	}
	if d.password, err = randomPassword(); err != nil {
		return err
	}
	var change ldif
	base := "DC=" + strings.ReplaceAll(strings.ToLower(d.options.Realm), ".", ",DC=")
	fmt.Fprintf(&change, "dn: CN=%s,CN=Users,%s\nchangetype: modify\nreplace: unicodePwd\n", d.options.User, base)
	change.value("unicodePwd", unicodePassword(d.password))
	if err := ldb(ctx, change.String(), "ldbmodify", "-H", filepath.Join(d.dir, "private", "sam.ldb")); err != nil {
		return err
	}
	if d.added, err = addAddress(ctx, d.options.Address); err != nil {
		return err
	}
	command := fmt.Sprintf(`mkdir -p /run/samba; exec unshare -m sh -c "mount -t tmpfs tmpfs /run/samba && exec samba -s %s -F --no-process-group"`, d.conf())
	d.server, err = newDaemon(d.options.Dir, "ad", command, all(listening(d.options.Address+":445"), d.answers))
	return err
}

func (d *Domain) restored() error {
	tls, err := newServerTLS(filepath.Join(d.options.Dir, "tls"), d.Name(), d.options.Address)
	if err != nil {
		return err
	}
	d.ca = tls.ca
	return d.edit(func(text string) string {
		return strings.Replace(text, "[global]", "[global]\n\tldb:nosync = true\n\ttls certfile = "+tls.certificate+"\n\ttls keyfile = "+tls.key+"\n\ttls cafile = "+tls.ca+"\n", 1)
	})
}

// provisioned returns a folder with the domain as Samba makes it, which is kept between
// runs.
func (d *Domain) provisioned(ctx context.Context) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	o := d.options
	sum := sha256.Sum256(fmt.Appendf(nil, "bare 1 %s %s %s %s %s", o.Address, o.Realm, o.Short, o.Host, o.User))
	cached := filepath.Join(base, "infrabackup-lab", "bare-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(filepath.Join(cached, "etc", "smb.conf")); err == nil {
		return cached, nil
	}
	building := cached + ".building"
	if err := os.RemoveAll(building); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(building), 0o700); err != nil {
		return "", err
	}
	if _, err := run(ctx, "", "samba-tool", "domain", "provision", "--realm="+o.Realm, "--domain="+o.Short,
		"--server-role=dc", "--dns-backend=SAMBA_INTERNAL", "--host-name="+o.Host, "--host-ip="+o.Address,
		"--targetdir="+building, "--option=interfaces="+o.Address+"/8", "--option=bind interfaces only=yes"); err != nil {
		return "", err
	}
	sam := filepath.Join(building, "private", "sam.ldb")
	conf := "--configfile=" + filepath.Join(building, "etc", "smb.conf")
	for _, args := range [][]string{
		{"user", "create", o.User, "--random-password", conf, "-H", sam},
		{"group", "addmembers", "Domain Admins", o.User, conf, "-H", sam},
	} {
		if _, err := run(ctx, "", "samba-tool", args...); err != nil {
			return "", err
		}
	}
	return cached, os.Rename(building, cached)
}

func (d *Domain) edit(change func(text string) string) error {
	data, err := os.ReadFile(d.conf())
	if err != nil {
		return err
	}
	return os.WriteFile(d.conf(), []byte(change(string(data))), 0o600)
}

// answers asks for the root of the directory, whatever the certificate: the port is open
// some time before the server behind it is ready.
func (d *Domain) answers(ctx context.Context) error {
	_, err := run(ctx, "", "env", "LDAPTLS_REQCERT=never", "ldapsearch", "-x", "-LLL", "-o", "nettimeout=2",
		"-H", "ldaps://"+d.options.Address, "-s", "base", "-b", "", "defaultNamingContext")
	return err
}

func (d *Domain) conf() string { return filepath.Join(d.dir, "etc", "smb.conf") }

// Password is that of the options' user.
func (d *Domain) Password() string { return d.password }

// OwnCA is the file with the CA of the certificate that the controller has at first.
func (d *Domain) OwnCA() string {
	if d.ca != "" {
		return d.ca
	}
	return filepath.Join(d.dir, "private", "tls", "ca.pem")
}

// Account is the name with which the options' user logs in.
func (d *Domain) Account() string {
	return d.options.User + "@" + strings.ToLower(d.options.Realm)
}

// Name is the controller's full name.
func (d *Domain) Name() string { return d.options.Host + "." + strings.ToLower(d.options.Realm) }

// UseCertificate restarts the controller with another certificate.
func (d *Domain) UseCertificate(ctx context.Context, certificate, key, ca string) error {
	if err := d.server.stop(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	err := d.edit(func(text string) string {
		return strings.Replace(text, "[global]", "[global]\n\ttls certfile = "+certificate+"\n\ttls keyfile = "+key+"\n\ttls cafile = "+ca+"\n", 1)
	})
	if err != nil {
		return err
	}
	return d.server.start(ctx)
}

// Stop stops the controller and takes back its address.
func (d *Domain) Stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.stop(ctx, syscall.SIGTERM))
	}
	if d.added {
		_, err := run(ctx, "", "ip", "addr", "del", d.options.Address+"/8", "dev", "lo")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
