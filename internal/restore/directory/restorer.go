package directory

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/sysvol"
	"infrabackup/internal/roots"
	"infrabackup/internal/secret"
)

// Options say which controller is written to, as whom.
type Options struct {
	// URL is ldaps://host or ldaps://host:port.
	URL string
	// CACertificates are the CAs, in PEM, and the only ones, that the controller's
	// certificate may come from.
	CACertificates []byte
	// Username is user@realm, DOMAIN\user or a distinguished name; the account is left alone.
	Username string
	Password secret.String
	// SYSVOL opens that of the controller with an account that may write; nil when files of group
	// policies are not written.
	SYSVOL func(ctx context.Context) (sysvol.Share, error)
	// Own are further accounts that are left alone, in the same forms, or by objectGUID or SID.
	Own []string
}

const (
	dialTimeout  = 15 * time.Second
	stallTimeout = 150 * time.Second // longer than a controller's own limit, MS-ADTS 3.1.1.3.4.6
	pageSize     = 500
)

// Restorer brings objects of a domain back. It implements [restore.Restorer] and
// [restore.Namer].
type Restorer struct {
	options     Options
	config      directory.Config
	files       *sysvol.Files // nil when they are not written
	places      sync.Map      // GUID of the backup's objects by name, both in lower case
	heads       sync.Map      // SIDs of the backup's domains
	controllers sync.Map      // names of the backup's domain controllers
	accounts    sync.Map      // [principal] of the backup by SID

	mu     sync.Mutex // one request at a time: parallel writes make a controller slower
	conn   *directory.Conn
	domain *domain
	asked  map[string][]string // rights, see check.go
	sids   map[string]string   // of the source, in the target, see identities.go
}

var (
	_ restore.Restorer = (*Restorer)(nil)
	_ restore.Namer    = (*Restorer)(nil)
)

// New checks the options without connecting. Errors are CONFIG_INVALID.
func New(o Options) (*Restorer, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.ConfigInvalid, "the URL of the AD target is not ldaps://host[:port]", err)
	}
	authorities, err := roots.Pool(o.CACertificates)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the file with the CA certificates of the AD target cannot be used", err)
	}
	if o.Username == "" || o.Password.IsZero() {
		return nil, fault.New(fault.ConfigInvalid, "the AD target has no user name or no password", nil)
	}
	o.Own = append([]string{o.Username}, o.Own...)
	r := &Restorer{options: o, config: configOf(u, authorities, o), asked: map[string][]string{}, sids: map[string]string{}}
	if o.SYSVOL != nil {
		r.files = sysvol.New(o.SYSVOL)
	}
	return r, nil
}

func configOf(u *url.URL, authorities *x509.CertPool, o Options) directory.Config {
	port := u.Port()
	if port == "" {
		port = "636"
	}
	return directory.Config{Address: net.JoinHostPort(u.Hostname(), port), Host: u.Hostname(), Authorities: authorities, Username: o.Username, Password: o.Password,
		DialTimeout: dialTimeout, StallTimeout: stallTimeout, DialContext: (&net.Dialer{}).DialContext}
}

// Service implements [restore.Restorer].
func (r *Restorer) Service() backup.Service { return backup.AD }

// Lanes implements [restore.Restorer]: parallel writes make a controller slower.
func (r *Restorer) Lanes() int { return 1 }

// Close gives up the connections.
func (r *Restorer) Close() {
	if r.files != nil {
		r.files.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hangUp()
}

func (r *Restorer) hangUp() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// Domain is the distinguished name and the SID of the target's domain. Errors are faults with
// TARGET_… codes.
func (r *Restorer) Domain(ctx context.Context) (name, sid string, err error) {
	err = r.talk(ctx, func() error { name, sid = r.domain.name, r.domain.sid; return nil })
	return name, sid, err
}

// talk calls fn with a connection, and gives it up when fn fails for another reason than an
// answer of the controller.
func (r *Restorer) talk(ctx context.Context, fn func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		conn, err := directory.Dial(ctx, r.config)
		if err != nil {
			return targetFault(err)
		}
		r.conn = conn
		r.conn.Limit = directory.MaxMessage // objects with large links come
	}
	var err error
	if r.domain == nil {
		r.domain, err = learnDomain(ctx, r.conn)
	}
	if err == nil {
		err = fn()
	}
	var answer *ldap.Error
	if err != nil && (!errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork) {
		r.hangUp()
	}
	return targetFault(err)
}

// targetCodes are what causes of a source mean for a target.
var targetCodes = map[fault.Code]fault.Code{
	fault.SourceUnreachable: fault.TargetUnreachable, fault.SourceTLS: fault.TargetUnreachable, fault.SourceAuthFailed: fault.TargetAuthFailed,
	fault.SourceAccessDenied: fault.TargetAccessDenied, fault.SourceInvalid: fault.TargetFailed, fault.SourceIncomplete: fault.TargetFailed,
}

// answers are what results of a controller (RFC 4511, A.2) mean. All others that are answers
// are final: the same request would get them again.
var answers = map[uint16]fault.Code{
	ldap.LDAPResultBusy: fault.TargetThrottled, ldap.LDAPResultUnavailable: fault.TargetUnreachable, ldap.LDAPResultTimeLimitExceeded: fault.TargetFailed,
	ldap.LDAPResultAdminLimitExceeded: fault.TargetFailed, ldap.LDAPResultInsufficientAccessRights: fault.TargetAccessDenied,
	ldap.LDAPResultInvalidCredentials: fault.TargetAuthFailed, ldap.LDAPResultStrongAuthRequired: fault.TargetAuthFailed,
}

// targetFault gives an error of the connection the code of a target.
func targetFault(err error) error {
	f, ok := fault.Of(err)
	if !ok || strings.HasPrefix(string(f.Code), "TARGET_") {
		return err
	}
	var answer *ldap.Error
	if errors.As(err, &answer) && answer.ResultCode < ldap.ErrorNetwork {
		code, known := answers[answer.ResultCode]
		if !known {
			code = fault.TargetRefused
		}
		return fault.New(code, f.What, f.Err)
	}
	if code, known := targetCodes[f.Code]; known {
		return fault.New(code, f.What, f.Err)
	}
	return err
}

// unreadable is a fault for an answer that makes no sense.
func unreadable(format string, args ...any) error {
	return fault.New(fault.TargetFailed, fmt.Sprintf(format, args...), nil)
}
