package ad

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
)

// maxSchemaAttributes bounds what is kept of the schema. AD has about 1,500.
const maxSchemaAttributes = 100_000

// dnSyntaxes are the attributeSyntax values whose values hold a distinguished name
// (MS-ADTS 3.1.1.2.2.2): Object(DS-DN), Object(DN-Binary), Object(DN-String).
var dnSyntaxes = map[string]bool{"2.5.5.1": true, "2.5.5.7": true, "2.5.5.14": true}

// everywhere are attributes with such a syntax that every directory has. Who does not
// see them sees no schema, and could not tell names from text.
var everywhere = []string{"distinguishedName", "member"}

// nameAttributes are those whose values the extended DN control changes, by name in
// lower case. Values of all others are left alone, even those that look alike. They do
// not change once they are made.
type nameAttributes map[string]bool

// knownSchema is what was found out about a schema, and up to which USN of which
// database it holds.
type knownSchema struct {
	schema, invocation string
	usn                uint64
	names              nameAttributes
}

// attributeNames finds them. Reading some 1,500 definitions costs a controller as much
// as a third of all the other objects of a small directory, so they are read once, and
// again only when the schema has changed. Root is what the controller said of itself
// before, and invocation which database it has.
func (c *Collector) attributeNames(ctx context.Context, l *directory.Conn, root *rootDSE, invocation string) (nameAttributes, error) {
	known := c.schema.Load()
	if known != nil && known.schema == root.schema && known.invocation == invocation && known.usn <= root.usn {
		same, err := schemaIsUnchanged(ctx, l, root, known.usn, c.config.PageSize)
		if err != nil {
			return nil, err
		}
		if same {
			c.schema.Store(&knownSchema{schema: root.schema, invocation: invocation, usn: root.usn, names: known.names})
			return known.names, nil
		}
	}
	names, err := readSchema(ctx, l, root, c.config.PageSize)
	if err != nil {
		return nil, err
	}
	c.schema.Store(&knownSchema{schema: root.schema, invocation: invocation, usn: root.usn, names: names})
	return names, nil
}

// schemaIsUnchanged reports whether nothing of the schema is newer than a USN. The same
// answer has to show attributes that are always there, because an account that sees no
// schema any more would see no change either.
func schemaIsUnchanged(ctx context.Context, l *directory.Conn, root *rootDSE, usn uint64, pageSize int) (bool, error) {
	filter := fmt.Sprintf("(|(uSNChanged>=%d)", usn+1)
	for _, name := range everywhere {
		filter += "(lDAPDisplayName=" + name + ")"
	}
	shown, newer := 0, false
	err := eachDefinition(ctx, l, root, filter+")", "uSNChanged", pageSize, func(_, changed string) {
		shown++
		n, err := strconv.ParseUint(changed, 10, 64)
		newer = newer || err != nil || n > usn
	})
	return err == nil && !newer && shown == len(everywhere), err
}

// readSchema finds the attributes that hold names.
func readSchema(ctx context.Context, l *directory.Conn, root *rootDSE, pageSize int) (nameAttributes, error) {
	names := nameAttributes{}
	err := eachDefinition(ctx, l, root, "(objectClass=attributeSchema)", "attributeSyntax", pageSize, func(name, syntax string) {
		if dnSyntaxes[syntax] {
			names[name] = true
		}
	})
	if err != nil {
		return nil, err
	}
	for _, name := range everywhere {
		if !names[strings.ToLower(name)] {
			return nil, fault.New(fault.SourceAccessDenied, "cannot read the schema from "+l.Host+": the account does not see the attributes' definitions", nil)
		}
	}
	return names, nil
}

// eachDefinition calls fn with the name, in lower case, of each definition in the schema
// that a filter finds, and with the value of one of its attributes.
func eachDefinition(ctx context.Context, l *directory.Conn, root *rootDSE, filter, attribute string, pageSize int, fn func(name, value string)) error {
	known := map[string]bool{}
	return l.Run(ctx, directory.Search{
		What: "cannot read the schema from " + l.Host, Base: root.schema, Scope: ldap.ScopeSingleLevel, Filter: filter,
		Attributes: []string{"lDAPDisplayName", attribute}, PageSize: pageSize,
		Entry: func(e *directory.Entry) (bool, error) {
			name := strings.ToLower(e.Text("lDAPDisplayName"))
			if known[name] {
				return false, nil
			}
			if known[name] = true; len(known) > maxSchemaAttributes {
				return false, fault.Newf(fault.LimitExceeded, "the schema has more than %d attributes", maxSchemaAttributes)
			}
			fn(name, e.Text(attribute))
			return true, nil
		},
	})
}
