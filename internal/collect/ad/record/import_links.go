package record

import (
	"strings"

	"infrabackup/internal/printable"
)

// writeLinks writes the forward links of an object, each in a modify record of its own.
// It adds and never replaces, so links that are there stay. A server refuses a link that
// is there already, whatever it is told: Windows heeds the permissive control for links,
// Samba does not. Then it refuses the whole record, so that a record holds no more than
// one link, and ldapmodify -c goes on with the next.
func (s *definitions) writeLinks(l *ldif, r *Record) {
	if r.Deleted || r.Has("objectClass", "attributeSchema") || r.Has("objectClass", "classSchema") {
		return
	}
	wanted := s.wanted(r)
	if !wanted && s.linksTo == nil {
		return
	}
	for _, a := range r.Attributes {
		name := strings.ToLower(a.Name)
		d := s.attributes[name]
		if d.refused || d.link == 0 || d.link%2 != 0 || ownAttributes[name] {
			continue
		}
		for _, value := range a.Values {
			if strings.Contains(string(value), deletedMark) || !wanted && !s.linksTo(linkedName(value)) {
				continue
			}
			l.line("dn", []byte(r.DN))
			l.text("control: " + permissiveModify + " true\nchangetype: modify\nadd: " + a.Name + "\n")
			l.line(a.Name, value)
			l.text("-\n\n")
		}
	}
}

// maxCommentName bounds a name in a comment.
const maxCommentName = 300

// explain writes in front of an object what of it is left out.
func (s *definitions) explain(l *ldif, r *Record) {
	var left []string
	for _, a := range r.Attributes {
		if s.leaves(a.Name) && s.attributes[strings.ToLower(a.Name)].link%2 == 0 {
			left = append(left, a.Name)
		}
	}
	l.comment("")
	l.comment("Of this object a server gives by itself, or refuses, and therefore is left out: " + strings.Join(left, ", ") + ".")
	if r.Attribute("userAccountControl") != nil {
		l.comment("The account is disabled, since its password is not in the backup: set a new one, then enable it.")
	}
}

// explainMissing says why an object is not created.
func (s *definitions) explainMissing(l *ldif, r *Record) {
	why := "only the system creates objects of its class"
	switch {
	case r.Deleted:
		why = "it was deleted when the backup was created"
	case r.DN == r.NamingContext:
		why = "it is the head of its naming context, which every such domain has"
	case strings.EqualFold(r.Value("isCriticalSystemObject"), "TRUE"):
		why = "every domain has it"
	case r.Has("objectClass", "attributeSchema"), r.Has("objectClass", "classSchema"):
		why = "the schema is not changed by an import"
	}
	l.comment("")
	l.comment(printable.Plain(r.DN, maxCommentName) + " is not created: " + why + ".")
}

// preamble says what an import cannot bring back.
func (l *ldif) preamble() {
	for _, text := range []string{
		"For ldapmodify -c, which goes on after what is refused because it is there already.",
		"Lost: objectGUID and objectSid (new ones are given), with them permissions on and by these objects; passwords; security descriptors.",
		"An object that is still in the domain's recycle bin is better restored from there, with its identity.",
		"Links come last, each in a change of its own: those of these objects, and those of others to them, such as memberships.",
	} {
		l.comment(text)
	}
}

// comment writes text in lines of at most ldifLine bytes.
func (l *ldif) comment(text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > ldifLine && line != "#" {
			l.text(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	l.text(line + "\n")
}
