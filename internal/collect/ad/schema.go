package ad

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// maxSchemaAttributes bounds what is kept of the schema. AD has about 1,500.
const maxSchemaAttributes = 100_000

// dnSyntaxes are the attributeSyntax values whose values hold a distinguished name
// (MS-ADTS 3.1.1.2.2.2): Object(DS-DN), Object(DN-Binary), Object(DN-String).
var dnSyntaxes = map[string]bool{"2.5.5.1": true, "2.5.5.7": true, "2.5.5.14": true}

// nameAttributes are those whose values the extended DN control changes, by name in
// lower case. Values of all others are left alone, even those that look alike.
type nameAttributes map[string]bool

// readSchema finds them.
func (l *connection) readSchema(ctx context.Context, root *rootDSE, pageSize int) (nameAttributes, error) {
	what := "cannot read the schema from " + l.host
	known := map[string]bool{}
	names := nameAttributes{}
	err := l.run(ctx, search{
		what: what, base: root.schema, scope: ldap.ScopeSingleLevel, filter: "(objectClass=attributeSchema)",
		attributes: []string{"lDAPDisplayName", "attributeSyntax"}, pageSize: pageSize,
		entry: func(e *ldapEntry) (bool, error) {
			name := strings.ToLower(e.text("lDAPDisplayName"))
			if known[name] {
				return false, nil
			}
			if known[name] = true; len(known) > maxSchemaAttributes {
				return false, fault.Newf(fault.LimitExceeded, "the schema has more than %d attributes", maxSchemaAttributes)
			}
			if dnSyntaxes[e.text("attributeSyntax")] {
				names[name] = true
			}
			return true, nil
		},
	})
	if err != nil {
		return nil, err
	}
	// Every directory has distinguishedName and member: without them the account
	// sees no schema, and names could not be told from text.
	if !names["distinguishedname"] || !names["member"] {
		return nil, fault.New(fault.SourceAccessDenied, what+": the account does not see the attributes' definitions", nil)
	}
	return names, nil
}
