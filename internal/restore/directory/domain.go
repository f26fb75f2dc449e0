package directory

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// domain is what is known of the target as long as a restorer lives.
type domain struct {
	name, configuration string
	// contexts are the naming contexts that the controller holds and that are written, in lower
	// case; controllers the names of the domain's controllers.
	contexts, controllers []string
	sid                   string
	schema                map[string]definition // by lDAPDisplayName in lower case
	// undeletes says that tombstones can be brought back.
	undeletes bool
}

// definition is what matters of an attribute's.
type definition struct{ multi, closed bool }

const (
	flagNotReplicated = 0x1 // systemFlags of an attribute's definition, MS-ADTS 2.2.10
	flagConstructed   = 0x4

	maxDefinitions = 100_000

	// recycleBin is the GUID of the feature (MS-ADTS 3.1.1.9.1).
	recycleBin = "766ddcd8-acd0-445e-f3b9-a7f9b6744f2a"
)

func extendedDN() ldap.Control {
	return ldap.NewControlString("1.2.840.113556.1.4.529", true, "\x30\x03\x02\x01\x01") // GUIDs and SIDs as text, MS-ADTS 3.1.1.3.4.1.5
}

func showDeleted() ldap.Control { return ldap.NewControlMicrosoftShowDeleted() }

// learnDomain reads it, and makes sure that the account sees deleted objects: otherwise what
// was deleted would be made again with a new identity.
func learnDomain(ctx context.Context, conn *directory.Conn) (*domain, error) {
	what := "cannot read the root of " + conn.Host
	root, err := conn.ReadObject(ctx, what, "", []string{"defaultNamingContext", "schemaNamingContext", "configurationNamingContext", "namingContexts", "vendorName"})
	if err != nil {
		return nil, err
	}
	if root == nil || root.Text("defaultNamingContext") == "" || root.Text("schemaNamingContext") == "" {
		return nil, unreadable("%s: it is no domain controller's", what)
	}
	d := &domain{name: root.Text("defaultNamingContext"), configuration: root.Text("configurationNamingContext"), schema: map[string]definition{}}
	for _, context := range append(root.Texts("namingContexts"), d.name) {
		if low := strings.ToLower(context); low == strings.ToLower(d.name) || strings.HasPrefix(low, "dc=domaindnszones,") || strings.HasPrefix(low, "dc=forestdnszones,") {
			d.contexts = append(d.contexts, low)
		}
	}
	head, err := conn.ReadObject(ctx, "cannot read "+d.name, d.name, []string{"objectSid", "wellKnownObjects"})
	if err != nil {
		return nil, err
	}
	if head == nil {
		return nil, fault.New(fault.TargetAccessDenied, "the account does not see "+d.name, nil)
	}
	d.sid, _ = record.FormatSID(head.Raw("objectSid"))
	bin, err := conn.ReadObject(ctx, "cannot read CN=Partitions", "CN=Partitions,"+d.configuration, []string{"msDS-EnabledFeature"}, extendedDN())
	if err != nil {
		return nil, err
	}
	d.undeletes = true
	if bin != nil && strings.Contains(root.Text("vendorName"), "Samba") {
		for _, feature := range bin.Texts("msDS-EnabledFeature") {
			// Samba cannot undelete with the recycle bin on: noSuchAttribute, isRecycled.
			if strings.Contains(strings.ToLower(feature), recycleBin) || strings.Contains(feature, "CN=Recycle Bin Feature,") {
				d.undeletes = false
			}
		}
	}
	if err := d.seesDeleted(ctx, conn, head); err != nil {
		return nil, err
	}
	if err := d.readControllers(ctx, conn); err != nil {
		return nil, err
	}
	return d, d.readSchema(ctx, conn, root.Text("schemaNamingContext"))
}

// deletedObjects is the GUID of the well-known container (MS-ADTS 6.1.1.4).
const deletedObjects = "B:32:18E2EA80684F11D2B9AA00C04F79F805:"

func (d *domain) seesDeleted(ctx context.Context, conn *directory.Conn, head *directory.Entry) error {
	for _, value := range head.Texts("wellKnownObjects") {
		if len(value) <= len(deletedObjects) || !strings.EqualFold(value[:len(deletedObjects)], deletedObjects) {
			continue
		}
		container, err := conn.ReadObject(ctx, "cannot look for deleted objects", value[len(deletedObjects):], []string{"objectGUID"}, showDeleted())
		if err != nil {
			return err
		}
		if container != nil && len(container.Raw("objectGUID")) > 0 {
			return nil
		}
	}
	return fault.New(fault.TargetAccessDenied, "the account does not see deleted objects, so that they could not be brought back with their identity", nil)
}

// maxControllers bounds the domain controllers of a domain; MS recommends at most 1,200.
const maxControllers = 10_000

func (d *domain) readControllers(ctx context.Context, conn *directory.Conn) error {
	err := conn.Run(ctx, directory.Search{
		What: "cannot look for domain controllers", Base: "OU=Domain Controllers," + d.name, Scope: ldap.ScopeSingleLevel, Filter: "(objectClass=computer)", Attributes: []string{"cn"}, PageSize: pageSize,
		Entry: func(e *directory.Entry) (bool, error) {
			if len(d.controllers) < maxControllers {
				d.controllers = append(d.controllers, strings.ToLower(strings.TrimPrefix(rdn(e.DN), "CN=")))
			}
			return true, nil
		},
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil // they lie elsewhere, and are found as members of their group only
	}
	return err
}

func (d *domain) readSchema(ctx context.Context, conn *directory.Conn, base string) error {
	err := conn.Run(ctx, directory.Search{
		What: "cannot read the schema from " + conn.Host, Base: base, Scope: ldap.ScopeSingleLevel, Filter: "(objectClass=attributeSchema)", PageSize: pageSize,
		Attributes: []string{"lDAPDisplayName", "isSingleValued", "systemFlags", "systemOnly", "linkID"},
		Entry: func(e *directory.Entry) (bool, error) {
			name := strings.ToLower(e.Text("lDAPDisplayName"))
			if _, known := d.schema[name]; known || name == "" {
				return false, nil
			}
			if len(d.schema) == maxDefinitions {
				return false, unreadable("the target's schema has more than %d attributes", maxDefinitions)
			}
			flags, _ := strconv.ParseInt(e.Text("systemFlags"), 10, 64) // left out it is 0
			link, _ := strconv.ParseInt(e.Text("linkID"), 10, 64)
			d.schema[name] = definition{multi: !strings.EqualFold(e.Text("isSingleValued"), "TRUE"),
				closed: strings.EqualFold(e.Text("systemOnly"), "TRUE") || flags&(flagNotReplicated|flagConstructed) != 0 || link%2 != 0}
			return true, nil
		},
	})
	if err == nil && len(d.schema) == 0 {
		err = fault.New(fault.TargetAccessDenied, "the account does not see the target's schema", nil)
	}
	return err
}

// guidFilter finds an object by its GUID, whose first three fields are little-endian in the
// directory (MS-DTYP 2.3.4.2).
func guidFilter(guid string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(guid, "-", ""))
	if err != nil || len(raw) != 16 {
		return ""
	}
	order := []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
	var out strings.Builder
	for _, i := range order {
		out.WriteString(`\` + hex.EncodeToString(raw[i:i+1]))
	}
	return "(objectGUID=" + out.String() + ")"
}
