package sources

import (
	"context"
	"net/url"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad"
	"infrabackup/internal/collect/ca"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// maxCABytes bounds the file with the CAs of a source.
const maxCABytes = 1 << 20

// sysvolTimeout is how long one file that is in use is waited for; the collector tries
// again by itself.
const sysvolTimeout = 10 * time.Second

// sysvolShare is the name that every domain controller gives it.
const sysvolShare = "SYSVOL"

// Collectors makes a collector for each configured source, in capture order, and what gives
// up their idle connections. The sources themselves are not touched. Errors are
// CONFIG_INVALID faults.
func Collectors(s config.Sources) (all []collect.Collector, done func(), err error) {
	var directory *ad.Collector
	done = func() {}
	if s.AD != nil {
		if directory, err = directoryOf(*s.AD); err != nil {
			return nil, nil, err
		}
		all = append(all, directory)
	}
	if s.CA != nil {
		c := ca.Config{Dir: s.CA.Dir}
		if s.CaptureADCS() {
			c.Directory = directory
		}
		authority, err := ca.New(c, time.Now)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, authority)
	}
	if s.Azure != nil {
		stamp, err := Stamp(*s.Azure)
		if err != nil {
			return nil, nil, err
		}
		done = stamp.Close
		all = append(all, controlplane.Collectors(stamp, resource.Options{
			Unreadable: resource.Unreadable(s.Azure.UnreadableSubscriptions), Now: time.Now,
		})...)
	}
	return all, done, nil
}

// Stamp makes a client of the stamp that a configuration describes; the caller closes it. The
// stamp is not asked. Errors are CONFIG_INVALID, and what reading a secret's file gives.
func Stamp(a config.Azure) (*azure.Stamp, error) {
	c := azure.Config{
		TenantURL: a.ManagementURL, AdminURL: a.AdminManagementURL, Authority: a.AuthorityURL, Tenant: a.Tenant, ClientID: a.ClientID,
		Resolver: a.Resolver, VaultDomain: a.VaultDomain, VaultAudience: a.VaultAudience,
	}
	var err error
	if a.CAFile != "" {
		if c.CACertificates, err = readCAs(a.CAFile); err != nil {
			return nil, fault.New(fault.ConfigInvalid, "the file with the CAs of the stamp cannot be read", err)
		}
	}
	if a.ClientSecretFile != "" {
		c.ClientSecret, err = secretfile.ReadLine(a.ClientSecretFile)
	} else {
		c.ClientCertificate, err = secretfile.ReadWhole(a.ClientCertFile)
	}
	if err != nil {
		return nil, err
	}
	return azure.New(c)
}

// Directory reads what a client of a domain controller needs: the CAs, in PEM, and the
// password. Errors are CONFIG_INVALID, and what reading a secret's file gives.
func Directory(s config.AD) (authorities []byte, password secret.String, err error) {
	authorities, err = readCAs(s.CAFile)
	if err != nil {
		return nil, password, fault.New(fault.ConfigInvalid, "the file with the CAs of the AD source cannot be read", err)
	}
	password, err = secretfile.ReadLine(s.PasswordFile)
	return authorities, password, err
}

func directoryOf(s config.AD) (*ad.Collector, error) {
	authorities, password, err := Directory(s)
	if err != nil {
		return nil, err
	}
	c := ad.Config{URL: s.URL, CACertificates: authorities, Username: s.Username, Password: password}
	if s.CaptureSYSVOL() {
		open, err := SYSVOL(s, password)
		if err != nil {
			return nil, err
		}
		c.OpenSYSVOL = func(ctx context.Context) (ad.FileSource, error) {
			tree, err := open(ctx)
			if err != nil {
				return nil, err // not the nil *Tree, which would be no nil FileSource
			}
			return tree, nil
		}
	}
	return ad.New(c)
}

// SYSVOL opens that of the same controller as the same user. Controllers sign
// what they send from there and need not encrypt it: every member of the domain
// may read it. Errors are CONFIG_INVALID.
func SYSVOL(s config.AD, password secret.String) (func(context.Context) (*smb.Tree, error), error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the URL of the AD source is malformed", err)
	}
	return func(ctx context.Context) (*smb.Tree, error) {
		return smb.OpenTree(ctx, smb.Config{
			UNC: share.UNC{Host: u.Hostname(), Share: sysvolShare}, Username: s.Username, Password: password, Transport: share.Signed,
			BusyTimeout: sysvolTimeout,
		})
	}, nil
}

func readCAs(path string) ([]byte, error) {
	return secret.File{MaxBytes: maxCABytes}.Read(context.Background(), path) // a regular file does not let it wait
}
