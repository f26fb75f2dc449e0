package ad

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// Controls of AD (MS-ADTS 3.1.1.3.4.1) that are asked for.
const (
	oidPaging          = ldap.ControlTypePaging // which package directory asks for
	oidSDFlags         = ldap.ControlTypeMicrosoftSDFlags
	oidShowDeleted     = ldap.ControlTypeMicrosoftShowDeleted
	oidExtendedDN      = "1.2.840.113556.1.4.529"
	oidShowRecycled    = "1.2.840.113556.1.4.2064"
	oidDeactivatedLink = "1.2.840.113556.1.4.2065"
)

// maxName bounds a name that is taken apart.
const maxName = 8 << 10

// maxContexts bounds the naming contexts that are read.
const maxContexts = 1000

// rootDSE is what a controller says of itself (RFC 4512, 5.1; MS-ADTS 3.1.1.3.2).
type rootDSE struct {
	contexts      []string // naming contexts in the order in which they are read
	domain        string   // default naming context
	schema        string
	configuration string
	service       string // name of the NTDS Settings object
	server        string // dnsHostName
	usn           uint64 // highestCommittedUSN
	controls      []string
}

// readRootDSE reads it and makes sure that it is a domain controller's.
func readRootDSE(ctx context.Context, l *directory.Conn) (*rootDSE, error) {
	what := "cannot read the root of " + l.Host
	e, err := l.ReadObject(ctx, what, "", []string{
		"namingContexts", "defaultNamingContext", "schemaNamingContext", "configurationNamingContext",
		"dsServiceName", "dnsHostName", "highestCommittedUSN", "supportedControl",
	})
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fault.New(fault.SourceInvalid, what, nil)
	}
	r := &rootDSE{
		domain: e.Text("defaultNamingContext"), schema: e.Text("schemaNamingContext"),
		configuration: e.Text("configurationNamingContext"),
		service:       e.Text("dsServiceName"), server: e.Text("dnsHostName"),
		controls: e.Texts("supportedControl"),
	}
	held := e.Texts("namingContexts")
	r.usn, err = strconv.ParseUint(e.Text("highestCommittedUSN"), 10, 64)
	if err != nil || r.domain == "" || r.schema == "" || r.configuration == "" || r.service == "" || len(held) == 0 {
		return nil, fault.Newf(fault.SourceInvalid, "%s is not an Active Directory domain controller: its root names no domain, schema or USN", l.Host)
	}
	for _, oid := range []string{oidPaging, oidSDFlags, oidShowDeleted, oidExtendedDN} {
		if !slices.Contains(r.controls, oid) {
			return nil, fault.Newf(fault.SourceInvalid, "%s does not support the control %s, without which a capture would have holes", l.Host, oid)
		}
	}
	if len(held) > maxContexts {
		return nil, fault.Newf(fault.LimitExceeded, "%s has more than %d naming contexts", l.Host, maxContexts)
	}
	r.contexts = inOrder(held, r.schema, r.configuration, r.domain)
	return r, nil
}

// inOrder puts the naming contexts that others rely on first, which is also the
// order of a restore, and keeps the server's order for the rest.
func inOrder(held []string, first ...string) []string {
	var all []string
	for _, dn := range first {
		if slices.Contains(held, dn) && !slices.Contains(all, dn) {
			all = append(all, dn)
		}
	}
	for _, dn := range held {
		if !slices.Contains(all, dn) {
			all = append(all, dn)
		}
	}
	return all
}

// readInvocation reads which incarnation of its database the controller has: a
// restored one has a new invocationId (MS-ADTS 3.1.1.1.5, 6.1.1.2.2.1.2.1.1).
func readInvocation(ctx context.Context, l *directory.Conn, r *rootDSE) (string, error) {
	what := "cannot read invocationId of " + l.Host
	e, err := l.ReadObject(ctx, what, r.service, []string{"invocationId"})
	if err != nil {
		return "", err
	}
	if e == nil {
		return "", fault.New(fault.SourceAccessDenied, what+": "+r.service+" is not shown to the account", nil)
	}
	id, ok := record.FormatGUID(e.Raw("invocationId"))
	if !ok {
		return "", fault.New(fault.SourceAccessDenied, what, nil)
	}
	return id, nil
}

// readLifetimes reads for how many days the forest remembers what was deleted, as far as it sets
// that, see [backup.TombstoneLifetime]. Where the account may not see it, they are left out: no item
// is missing for that.
func readLifetimes(ctx context.Context, l *directory.Conn, r *rootDSE) (map[string]string, error) {
	names := map[string]string{"tombstoneLifetime": backup.TombstoneLifetime, "msDS-DeletedObjectLifetime": backup.DeletedObjectLifetime}
	place := "CN=Directory Service,CN=Windows NT,CN=Services," + r.configuration
	e, err := l.ReadObject(ctx, "cannot read "+place+" from "+l.Host, place, slices.Sorted(maps.Keys(names)))
	if fault.CodeOf(err) == fault.SourceAccessDenied || err == nil && e == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for attribute, name := range names {
		if days, err := strconv.ParseInt(e.Text(attribute), 10, 32); err == nil { // both are integers of 32 bits (MS-ADA2, MS-ADA3)
			found[name] = strconv.FormatInt(days, 10)
		}
	}
	return found, nil
}

// readingControls are those for reading whole objects. They are critical, so that a
// server that cannot honour one says so.
func readingControls() []ldap.Control {
	return []ldap.Control{
		// 7 is owner, group and DACL. Without the control it would be 15, and without
		// the privilege for the SACL the whole descriptor would be missing in silence
		// (MS-ADTS 3.1.1.3.4.1.11).
		&ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: 7},
		// SEQUENCE { INTEGER 1 }: GUIDs and SIDs as text (MS-ADTS 3.1.1.3.4.1.5).
		ldap.NewControlString(oidExtendedDN, true, "\x30\x03\x02\x01\x01"),
	}
}

// deletedControls show deleted objects and, where known, recycled ones and links
// to and from deleted objects (MS-ADTS 3.1.1.3.4.1.14, .25, .26).
func (r *rootDSE) deletedControls() []ldap.Control {
	var controls []ldap.Control
	if r.supports(oidShowRecycled) {
		controls = append(controls, ldap.NewControlString(oidShowRecycled, true, ""))
	} else {
		controls = append(controls, ldap.NewControlString(oidShowDeleted, true, ""))
	}
	if r.supports(oidDeactivatedLink) {
		controls = append(controls, ldap.NewControlString(oidDeactivatedLink, true, ""))
	}
	return controls
}

func (r *rootDSE) supports(oid string) bool { return slices.Contains(r.controls, oid) }

// dnsDomain turns DC=corp,DC=example into corp.example, "" when it is no such name.
func dnsDomain(dn string) string {
	if len(dn) > maxName {
		return ""
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	labels := make([]string, 0, len(parsed.RDNs))
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) != 1 || !strings.EqualFold(rdn.Attributes[0].Type, "DC") {
			return ""
		}
		labels = append(labels, rdn.Attributes[0].Value)
	}
	return strings.Join(labels, ".")
}
