package directory

import (
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/descriptor"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
)

// TestLabRights: rights come back as they were, with what was inherited made by the directory;
// what only came in another order is no difference; and an undo leaves what was there.
func TestLabRights(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "rights")
	backup := d.capture(t, ou)
	was := d.dump(t, ou)
	r := d.restorer(t)
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})), "nothing moved yet")
	host, inner := "CN=host,"+ou, "OU=Inner,"+ou
	d.grant(t, host, func(s *descriptor.Descriptor, _ string) { s.Control, s.Owner = 0, "s-1-5-32-544" })
	d.grant(t, inner, func(s *descriptor.Descriptor, _ string) {
		s.DACL.Entries = append(s.DACL.Entries[:len(s.DACL.Entries)-1], descriptor.Entry{Mask: 0x20, SID: "s-1-5-11"})
	})
	require.NoError(t, d.conn.Del(ldap.NewDelRequest("CN=Group ü,"+ou, nil)))
	before := d.dump(t, ou)
	p, j := labPlan(t, r, backup.source(), restore.Selection{}), &restoretest.Journal{}
	require.Empty(t, p.Refusals)
	all := writes(p)
	require.Equal(t, restore.Update, all["CN=host security descriptor"])
	require.Equal(t, restore.Update, all["OU=Inner security descriptor"])
	require.NotContains(t, all, `CN=User\, 0 security descriptor`, "what it inherits is not its own")
	for _, s := range p.Steps {
		if s.Phase == phaseRights {
			require.Equal(t, []string{"security descriptor"}, s.Fields)
		}
	}
	labApply(t, r, backup.source(), p, j, nil)
	require.Equal(t, was, d.dump(t, ou))
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})))
	undo, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	labApply(t, r, backup.source(), undo, &restoretest.Journal{}, j)
	require.Equal(t, before, d.dump(t, ou))
}

// described is a record with a descriptor, and what the fake has of it.
func described(t testing.TB, s *descriptor.Descriptor) *record.Record {
	t.Helper()
	raw, err := s.Encode()
	require.NoError(t, err)
	r := user()
	r.Attribute(securityDescriptor).Values = [][]byte{raw}
	return r
}

const ownAccount = "s-1-5-21-1-2-3-4105"

func rightsOf(sids ...string) *descriptor.Descriptor {
	s := &descriptor.Descriptor{Owner: "s-1-5-21-1-2-3-512", Group: "s-1-5-21-1-2-3-512", DACL: descriptor.List{Present: true}}
	for _, sid := range sids {
		s.DACL.Entries = append(s.DACL.Entries, descriptor.Entry{Mask: 1, SID: sid})
	}
	return s
}

// again is a descriptor as it is read when it was written.
func again(t *testing.T, s *descriptor.Descriptor) *descriptor.Descriptor {
	t.Helper()
	raw, err := s.Encode()
	require.NoError(t, err)
	s, err = descriptor.Parse(raw)
	require.NoError(t, err)
	return s
}

// TestRightsAreMapped: SIDs are those of the target, also where an account was made again there,
// and an entry that only the target's parent gives is no difference.
func TestRightsAreMapped(t *testing.T) {
	f := newFakeDC()
	f.objects[fakeHead].values["objectsid"] = []string{"\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00"}
	f.put("CN=helper,"+corp, "objectClass", "user", "objectSid", sidOf(0x77))
	live := rightsOf("s-1-5-11")
	live.DACL.Entries = append(live.DACL.Entries, descriptor.Entry{Flags: 0x10, Mask: 7, SID: "s-1-5-18"})
	raw, err := live.Encode()
	require.NoError(t, err)
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "objectsid": {sidOf(4)}, "ntsecuritydescriptor": {string(raw)}}}
	r := f.restorer(t)
	r.Names(backup.CatalogEntry{Item: backup.Item{Kind: record.Kind, ID: guidBoss, Name: "CN=helper," + corp, Aliases: []string{"sid:" + ownAccount}}})
	wants, _ := wantsOf(t, r, described(t, rightsOf("s-1-5-11", ownAccount)))
	want := wants[phaseRights]
	require.Equal(t, []string{rightsField}, want.Fields)
	require.Equal(t, []restore.Need{{Service: backup.AD, Target: "sid:" + ownAccount, Relation: record.RelationTrustee}}, want.Needs)
	before, after := bring(t, r, want, mapping.Empty())
	is, err := descriptor.Parse([]byte(f.objects[guidUser].values["ntsecuritydescriptor"][0]))
	require.NoError(t, err)
	require.True(t, descriptor.Same(again(t, rightsOf("s-1-5-11", "s-1-5-21-1-2-3-4215")), is))
	require.NotContains(t, string(after.Document), ownAccount, "the state has no names of the source")
	back(t, r, want, before, after)
	is, err = descriptor.Parse([]byte(f.objects[guidUser].values["ntsecuritydescriptor"][0]))
	require.NoError(t, err)
	require.True(t, descriptor.Same(again(t, rightsOf("s-1-5-11")), is))
}

// TestRightsOfTheUnknown: a SID of no account of the target is never written, and never left
// out in silence.
func TestRightsOfTheUnknown(t *testing.T) {
	f := newFakeDC()
	f.objects[fakeHead].values["objectsid"] = []string{"\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00"}
	r := f.restorer(t)
	r.Names(backup.CatalogEntry{Item: backup.Item{Kind: record.Kind, ID: fakeHead, Name: corp, Aliases: []string{"sid:s-1-5-21-1-2-3"}}})
	hidden := rightsOf("s-1-5-11")
	hidden.DACL.Entries[0].Type, hidden.DACL.Entries[0].Extra = 9, "61727478"+"0105000000000005150000000100000002000000030000000002"+"0000"
	for name, row := range map[string]struct {
		rights *descriptor.Descriptor
		detail string
	}{"an entry": {rightsOf("s-1-5-21-1-2-3-9999"), "S-1-5-21-1-2-3-9999"}, "a condition": {hidden, "S-1-5-21-1-2-3-512"}} {
		for _, there := range []bool{false, true} {
			delete(f.objects, guidUser)
			if there {
				raw, err := rightsOf().Encode()
				require.NoError(t, err)
				f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "ntsecuritydescriptor": {string(raw)}}}
			} else if name == "a condition" {
				continue // it is found when it is written
			}
			wants, _ := wantsOf(t, r, described(t, row.rights))
			live, err := r.Live(t.Context(), wants[phaseRights], mapping.Empty())
			require.NoError(t, err)
			refused := r.Verdict(wants[phaseRights], live, mapping.Empty()).Refused
			require.NotNil(t, refused, name)
			require.Equal(t, refusedSID, refused.Code)
			require.Contains(t, refused.Detail, row.detail)
		}
	}
}

// TestRightsThatCannotBeWritten: where the SIDs of the target make no descriptor, that of the source
// is not written in its place.
func TestRightsThatCannotBeWritten(t *testing.T) {
	f := newFakeDC()
	raw, err := rightsOf("s-1-5-11").Encode()
	require.NoError(t, err)
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}, "ntsecuritydescriptor": {string(raw)}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, described(t, rightsOf(ownAccount)))
	m, err := mapping.New(mapping.Pair{Old: ownAccount, New: "s-1-5-21-7-8-nine", How: mapping.Given})
	require.NoError(t, err)
	live, err := r.Live(t.Context(), wants[phaseRights], m)
	require.NoError(t, err)
	v := r.Verdict(wants[phaseRights], live, m)
	require.NotNil(t, v.Refused)
	require.Equal(t, refusedSID, v.Refused.Code)
	require.Error(t, r.Write(t.Context(), wants[phaseRights], v, live, m))
	require.Equal(t, string(raw), f.objects[guidUser].values["ntsecuritydescriptor"][0])
}

// TestRightsThatCannotBeRead: what the backup does not have, or has as junk, is a loss; what the
// target does not show is refused.
func TestRightsThatCannotBeRead(t *testing.T) {
	rec := user()
	_, losses := wantsOf(t, offline(), rec)
	codes := func() (all string) {
		for _, l := range losses {
			all += l.Code + " "
		}
		return all
	}
	require.Contains(t, codes(), lossDescriptor, "junk")
	rec.Attributes = slicesDelete(rec.Attributes, securityDescriptor)
	_, losses = wantsOf(t, offline(), rec)
	require.Contains(t, codes(), lossDescriptor, "none")

	f := newFakeDC()
	f.objects[guidUser] = &fakeObject{dn: user().DN, values: map[string][]string{"objectclass": {"user"}}}
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, described(t, rightsOf("s-1-5-11")))
	live, err := r.Live(t.Context(), wants[phaseRights], mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, refusedRights, r.Verdict(wants[phaseRights], live, mapping.Empty()).Refused.Code)
	raw, err := rightsOf().Encode()
	require.NoError(t, err)
	f.objects[guidUser].values["ntsecuritydescriptor"] = []string{string(raw)}
	f.objects[guidUser].values["sdrightseffective"] = []string{"4"}
	live, err = r.Live(t.Context(), wants[phaseRights], mapping.Empty())
	require.NoError(t, err)
	refusals, err := r.Check(t.Context(), []restore.Checked{{Want: wants[phaseRights], Live: live, Action: restore.Update}}, mapping.Empty())
	require.NoError(t, err)
	require.Len(t, refusals, 1)
	require.True(t, strings.Contains(refusals[0].Detail, "owner"))
	f.objects[guidUser].values["sdrightseffective"] = []string{"5"}
	refusals, err = r.Check(t.Context(), []restore.Checked{{Want: wants[phaseRights], Live: live, Action: restore.Update}}, mapping.Empty())
	require.NoError(t, err)
	require.Empty(t, refusals, "the owner's bit stands for the group, too")
}

func slicesDelete(all []record.Attribute, name string) (out []record.Attribute) {
	for _, a := range all {
		if a.Name != name {
			out = append(out, a)
		}
	}
	return out
}

// FuzzRights: whatever a backup and a target hold as descriptors, they are written or refused, and
// what was written is the same afterwards.
func FuzzRights(f *testing.F) {
	good, err := rightsOf("s-1-5-11", ownAccount).Encode()
	require.NoError(f, err)
	f.Add(good, good)
	f.Add(good[:30], []byte{})
	f.Fuzz(func(t *testing.T, wanted, live []byte) {
		rec := user()
		rec.Attribute(securityDescriptor).Values = [][]byte{wanted}
		wants, _ := wantsOf(t, offline(), rec)
		want, ok := wants[phaseRights]
		if !ok {
			return
		}
		b, err := decodeBody(want.Body)
		require.NoError(t, err)
		d := &document{GUID: guidUser, DN: rec.DN, Named: b.Named}
		values, err := liveRights(d, [][]byte{live})
		if err != nil {
			return
		}
		d.Attributes = []attribute{{Name: securityDescriptor, Values: values}}
		missing := b.rightsMissing(b.Attributes[0], d)
		if len(missing) == 0 {
			return
		}
		if _, written, err := ownRights(missing[0]); err == nil {
			own, err := descriptor.Parse(written)
			require.NoError(t, err)
			if own.Parts() == everyPart {
				d.Attributes[0].Values = [][]byte{written}
				require.Empty(t, b.rightsMissing(b.Attributes[0], d))
			}
		}
	})
}
