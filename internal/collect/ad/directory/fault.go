package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// resultCodes maps LDAP result codes (RFC 4511, 4.1.9 and A.2) to causes. Others
// are SOURCE_INCOMPLETE: an answer that did not come.
var resultCodes = map[uint16]fault.Code{
	ldap.LDAPResultStrongAuthRequired:           fault.SourceAuthFailed,
	ldap.LDAPResultAuthMethodNotSupported:       fault.SourceAuthFailed,
	ldap.LDAPResultConfidentialityRequired:      fault.SourceAuthFailed,
	ldap.LDAPResultInappropriateAuthentication:  fault.SourceAuthFailed,
	ldap.LDAPResultInvalidCredentials:           fault.SourceAuthFailed,
	ldap.LDAPResultInsufficientAccessRights:     fault.SourceAccessDenied,
	ldap.LDAPResultBusy:                         fault.SourceUnreachable,
	ldap.LDAPResultUnavailable:                  fault.SourceUnreachable,
	ldap.LDAPResultReferral:                     fault.SourceInvalid, // the controller does not hold what it was asked for
	ldap.LDAPResultNoSuchObject:                 fault.SourceInvalid,
	ldap.LDAPResultProtocolError:                fault.SourceInvalid,
	ldap.LDAPResultUnavailableCriticalExtension: fault.SourceInvalid,
	ldap.LDAPResultInvalidDNSyntax:              fault.SourceInvalid,
}

// notBound is how a controller begins the text of an operationsError when the
// login does not count (ERROR_DS_… 0x4DC, "not authenticated").
const notBound = "000004DC"

// explain makes a fault of an error of the library. The end of ctx comes first.
func explain(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if _, ok := fault.Of(err); ok {
		return err
	}
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork {
		return fault.New(fault.SourceIncomplete, what, err)
	}
	code, ok := resultCodes[answer.ResultCode]
	if !ok {
		code = fault.SourceIncomplete
	}
	if answer.ResultCode == ldap.LDAPResultOperationsError && strings.HasPrefix(answer.Err.Error(), notBound) {
		code = fault.SourceAccessDenied
	}
	return fault.New(code, what, err)
}

// explainDial tells a certificate that does not verify from a network that does
// not carry.
func explainDial(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	var (
		unverified *tls.CertificateVerificationError
		authority  x509.UnknownAuthorityError
		hostname   x509.HostnameError
		invalid    x509.CertificateInvalidError
		plain      tls.RecordHeaderError
		alert      tls.AlertError
	)
	for _, target := range []any{&unverified, &authority, &hostname, &invalid, &plain, &alert} {
		if errors.As(err, target) {
			return fault.New(fault.SourceTLS, what, err)
		}
	}
	return fault.New(fault.SourceUnreachable, what, err)
}
