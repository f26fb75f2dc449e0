package directory

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

func TestNew(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	good := Options{URL: "ldaps://dc.example.com", CACertificates: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), Username: "svc@example.com", Password: secret.New("canary")}
	r, err := New(good)
	require.NoError(t, err)
	require.Equal(t, "dc.example.com:636", r.config.Address)
	require.Equal(t, []string{"svc@example.com"}, r.options.Own, "the account that writes is left alone")
	for name, change := range map[string]func(*Options){
		"plain LDAP":  func(o *Options) { o.URL = "ldap://dc.example.com" },
		"path":        func(o *Options) { o.URL = "ldaps://dc.example.com/x" },
		"junk for CA": func(o *Options) { o.CACertificates = []byte("junk") },
		"no user":     func(o *Options) { o.Username = "" },
		"no password": func(o *Options) { o.Password = secret.String{} },
	} {
		bad := good
		change(&bad)
		_, err := New(bad)
		require.ErrorIs(t, err, fault.ConfigInvalid, name)
		require.NotContains(t, err.Error(), "canary")
	}
}

// TestTargetFault: what is final is told from what may pass.
func TestTargetFault(t *testing.T) {
	answer := func(code uint16) error {
		return fault.New(fault.SourceIncomplete, "cannot change CN=x", ldap.NewError(code, errors.New("why")))
	}
	for name, row := range map[string]struct {
		err  error
		code fault.Code
	}{
		"unwilling":       {answer(ldap.LDAPResultUnwillingToPerform), fault.TargetRefused},
		"taken":           {answer(ldap.LDAPResultEntryAlreadyExists), fault.TargetRefused},
		"moved meanwhile": {answer(ldap.LDAPResultNoSuchAttribute), fault.TargetRefused},
		"rights":          {answer(ldap.LDAPResultInsufficientAccessRights), fault.TargetAccessDenied},
		"busy":            {answer(ldap.LDAPResultBusy), fault.TargetThrottled},
		"unavailable":     {answer(ldap.LDAPResultUnavailable), fault.TargetUnreachable},
		"no answer":       {fault.New(fault.SourceIncomplete, "cannot change CN=x", errors.New("EOF")), fault.TargetFailed},
		"silent":          {fault.New(fault.SourceUnreachable, "cannot change CN=x", errors.New("silent")), fault.TargetUnreachable},
		"login":           {fault.New(fault.SourceAuthFailed, "dc refused svc", ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("no"))), fault.TargetAuthFailed},
		"a target's own":  {fault.New(fault.TargetRefused, "no", nil), fault.TargetRefused},
	} {
		t.Run(name, func(t *testing.T) {
			got := targetFault(row.err)
			require.Equal(t, row.code, fault.CodeOf(got))
			require.Equal(t, strings.Contains(row.err.Error(), "CN=x"), strings.Contains(got.Error(), "CN=x"))
		})
	}
	require.NoError(t, targetFault(nil))
	require.ErrorIs(t, targetFault(context.Canceled), context.Canceled)
}

// FuzzNames: names that a controller may give never break the parts that take them apart.
func FuzzNames(f *testing.F) {
	f.Add("<GUID=" + guidUser + ">;<SID=S-1-5-21-1>;CN=a,DC=b")
	f.Add("<GUID=" + guidUser + ">;<")
	f.Add(`CN=a\`)
	f.Add("member;range=0-99999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		guid, dn := splitName(text)
		require.True(t, guid == "" && dn == text || strings.HasSuffix(text, dn))
		first, rest := record.SplitDN(text)
		require.True(t, first == text && rest == "" || first+","+rest == text)
		if low, high, ok := rangeOf(text, "member"); ok {
			require.True(t, low >= 0 && (high == -1 || high >= low))
		}
	})
}
