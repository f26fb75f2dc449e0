package record

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/fault"
)

// Records gives directory records to fn, each object once, in its newest version,
// and returns fn's errors as they are. Several calls give the same records.
type Records func(fn func(*Record) error) error

// ImportOptions choose what [WriteImportLDIF] writes.
type ImportOptions struct {
	// Select, when not nil, says which objects are written. The schema is taken from
	// all records in any case.
	Select func(*Record) bool
	// OmitLinks leaves out the second half, which ldbadd refuses.
	OmitLinks bool
	// OmitObjects leaves out the first half, for objects that are there again.
	OmitObjects bool
	// LinksTo, when not nil, also writes links of objects that are not selected: those
	// to distinguished names for which it is true.
	LinksTo func(dn string) bool
	// Explain adds comments that say what is lost.
	Explain bool
}

// maxSchemaDefinitions bounds what is kept of the schema, of attributes and of classes. AD
// has about 1,500 attributes.
const maxSchemaDefinitions = 100_000

// permissiveModify makes adding a value that is there no error (MS-ADTS
// 3.1.1.3.4.1.8).
const permissiveModify = "1.2.840.113556.1.4.1413"

// WriteImportLDIF writes LDIF that creates objects again in a domain that lost
// them: first the objects, parents before children, then their links, when every
// target is there. `ldapmodify -c` takes all of it; `ldbadd` takes it with
// OmitLinks.
//
// It leaves out what a server gives by itself or refuses: attributes that the
// schema marks as system-only, constructed or not replicated, back links, those of
// the security account manager (ownAttributes), objects that every domain has, are
// of classes that only the system makes, or were deleted, and the schema. Security
// descriptors are left out too: objects that are created again have new SIDs, so
// that old permissions would mean nobody or somebody else. Accounts are disabled,
// since their passwords are not in the backup.
//
// It reads the records once for the schema, once for each level of the tree, and
// once for the links, so that memory does not grow with them. ITEM_NOT_FOUND when
// they hold no schema.
func WriteImportLDIF(w io.Writer, records Records, o ImportOptions) error {
	s, err := learn(records, o.Select)
	if err != nil {
		return err
	}
	s.linksTo = o.LinksTo
	l := newLDIF(w)
	if o.Explain {
		l.preamble()
	}
	if !o.OmitObjects {
		for _, level := range s.levels {
			err := records(func(r *Record) error {
				switch {
				case depth(r.DN) != level:
				case s.creatable(r):
					if o.Explain {
						s.explain(l, r)
					}
					s.writeObject(l, r)
				case o.Explain && (s.selected == nil || s.selected(r)):
					s.explainMissing(l, r)
				}
				return l.err
			})
			if err != nil {
				return err
			}
		}
	}
	if !o.OmitLinks {
		err := records(func(r *Record) error {
			s.writeLinks(l, r)
			return l.err
		})
		if err != nil {
			return err
		}
	}
	return l.flush()
}

// ownAttributes are those that the directory or the security account manager sets
// by itself and refuses from others, beyond what the schema says (MS-ADTS 3.1.1.5.2,
// MS-SAMR 3.1.1.8), and those that mean nothing for a new object.
var ownAttributes = lower(
	"objectGUID", "objectSid", "sIDHistory", "distinguishedName", "name", "instanceType", "objectCategory",
	"whenCreated", "whenChanged", "uSNCreated", "uSNChanged", "nTSecurityDescriptor", "isCriticalSystemObject",
	"isDeleted", "isRecycled", "lastKnownParent", "systemFlags", "dSCorePropagationData",
	"sAMAccountType", "primaryGroupID", "adminCount", "pwdLastSet", "lastLogon", "lastLogoff", "lastLogonTimestamp",
	"logonCount", "badPwdCount", "badPasswordTime", "lockoutTime", "creationTime", "modifiedCount", "rid",
)

func lower(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[strings.ToLower(name)] = true
	}
	return set
}

// Bits of an attributeSchema's systemFlags (MS-ADTS 2.2.10).
const (
	flagNotReplicated = 0x1
	flagConstructed   = 0x4
)

// accountDisable is a bit of userAccountControl (MS-ADTS 2.2.16).
const accountDisable = 0x2

// definition is what matters of an attribute's definition.
type definition struct {
	refused bool // system-only, constructed, or not replicated
	link    int  // linkID: even ones are forward links, odd ones back links (MS-ADTS 3.1.1.1.6)
}

// definitions is the schema, by names in lower case.
type definitions struct {
	attributes map[string]definition
	system     map[string]bool // classes that only the system instantiates
	selected   func(*Record) bool
	linksTo    func(dn string) bool
	levels     []int // depths of creatable objects, ascending
}

func learn(records Records, selected func(*Record) bool) (*definitions, error) {
	s := &definitions{attributes: map[string]definition{}, system: map[string]bool{}, selected: selected}
	levels := map[int]bool{}
	err := records(func(r *Record) error {
		name := strings.ToLower(r.Value("lDAPDisplayName"))
		only := strings.EqualFold(r.Value("systemOnly"), "TRUE")
		switch {
		case len(s.attributes) > maxSchemaDefinitions || len(s.system) > maxSchemaDefinitions:
			return fault.Newf(fault.LimitExceeded, "the backup's schema has more than %d definitions", maxSchemaDefinitions)
		case r.Deleted:
		case r.Has("objectClass", "attributeSchema"):
			s.attributes[name] = definition{
				refused: only || number(r.Value("systemFlags"))&(flagNotReplicated|flagConstructed) != 0,
				link:    int(number(r.Value("linkID"))),
			}
		case r.Has("objectClass", "classSchema") && only:
			s.system[name] = true
		}
		// Those of which nothing will be written cost a reading, and nothing else.
		if selected == nil && !r.Deleted || selected != nil && selected(r) {
			levels[depth(r.DN)] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, ok := s.attributes["member"]; !ok {
		return nil, fault.New(fault.ItemNotFound, "the records hold no schema, so it is unknown what a server would refuse", nil)
	}
	for level := range levels {
		s.levels = append(s.levels, level)
	}
	slices.Sort(s.levels)
	return s, nil
}

// number reads an INTEGER (MS-ADTS 3.1.1.2.2.2); 0 for one that is missing.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (s *definitions) wanted(r *Record) bool {
	return !r.Deleted && (s.selected == nil || s.selected(r))
}

// creatable reports whether a client may create the object.
func (s *definitions) creatable(r *Record) bool {
	classes := r.Attribute("objectClass")
	switch {
	case !s.wanted(r) || classes == nil || r.DN == r.NamingContext:
		return false
	case strings.EqualFold(r.Value("isCriticalSystemObject"), "TRUE"):
		return false
	case r.Has("objectClass", "attributeSchema"), r.Has("objectClass", "classSchema"):
		return false
	}
	// The most specific class comes last (MS-ADTS 3.1.1.1.4).
	class := string(classes.Values[len(classes.Values)-1])
	return !s.system[strings.ToLower(class)]
}

// leaves reports whether an attribute is no part of an add record.
func (s *definitions) leaves(attribute string) bool {
	name := strings.ToLower(attribute)
	d, known := s.attributes[name]
	return name != "objectclass" && (!known || d.refused || d.link != 0 || ownAttributes[name])
}

// writeObject writes an add record with the attributes that are no links.
func (s *definitions) writeObject(l *ldif, r *Record) {
	l.line("dn", []byte(r.DN))
	l.text("changetype: add\n")
	for _, a := range r.Attributes {
		name := strings.ToLower(a.Name)
		if s.leaves(a.Name) {
			continue
		}
		for _, value := range a.Values {
			if name == "useraccountcontrol" {
				value = strconv.AppendInt(nil, number(string(value))|accountDisable, 10)
			}
			l.line(a.Name, value)
		}
	}
	l.text("\n")
}
