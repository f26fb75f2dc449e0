package ad

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

func TestConformance(t *testing.T) {
	t.Run("with SYSVOL", func(t *testing.T) {
		d := newFakeDC(t)
		config := d.config()
		config.OpenSYSVOL = openFakeSYSVOL(sysvolFiles())
		c, err := New(config)
		require.NoError(t, err)
		collecttest.Run(t, collecttest.Subject{Collector: c, Service: backup.AD, Secrets: []string{fakePassword}})
	})
	t.Run("with cut attributes", func(t *testing.T) {
		d := newFakeDC(t)
		d.maxValues = 3
		collecttest.Run(t, collecttest.Subject{Collector: d.collector(t), Service: backup.AD, Secrets: []string{fakePassword}})
	})
}

// newest decodes the records and keeps the last one of each object.
func newest(t *testing.T, sink *collecttest.Recorder) map[string]*record.Record {
	t.Helper()
	records := map[string]*record.Record{}
	for _, call := range sink.Calls() {
		if call.Item.Kind != record.Kind {
			continue
		}
		r, err := record.Decode(call.Document)
		require.NoError(t, err)
		require.Equal(t, call.Item.ID, r.GUID)
		require.Equal(t, call.Item.Name, r.DN)
		require.Equal(t, records[r.GUID] != nil, call.Item.Supersedes, r.DN)
		records[r.GUID] = r
	}
	return records
}

// requireWhole compares the capture with what the fake directory holds now.
func requireWhole(t *testing.T, d *fakeDC, records map[string]*record.Record) {
	t.Helper()
	require.Len(t, records, len(d.objects))
	for _, o := range d.objects {
		r := records[fakeGUIDText(o.number)]
		require.NotNil(t, r, o.dn)
		require.Equal(t, o.dn, r.DN)
		require.Equal(t, o.deleted, r.Deleted, o.dn)
		require.Equal(t, o.dn, r.Value("distinguishedName"))
		require.NotNil(t, r.Attribute("nTSecurityDescriptor"), o.dn)
		for name, values := range o.attributes {
			a := r.Attribute(name)
			require.NotNil(t, a, "%s of %s", name, o.dn)
			require.Len(t, a.Values, len(values), "%s of %s", name, o.dn)
			for i, want := range values {
				if name == "member" {
					var number int
					_, err := fmt.Sscanf(want, "%d|", &number)
					require.NoError(t, err)
					require.Equal(t, fakeGUIDText(number), a.Targets[i])
					_, want, _ = strings.Cut(want, "|")
				}
				require.Equal(t, want, string(a.Values[i]), "%s of %s", name, o.dn)
			}
		}
	}
}

func TestCollectEverything(t *testing.T) {
	for _, maxValues := range []int{0, 1, 3, 9, 10, 11} {
		t.Run(fmt.Sprintf("at most %d values in an answer", maxValues), func(t *testing.T) {
			d := newFakeDC(t)
			d.maxValues = maxValues
			sink := &collecttest.Recorder{}
			capture, err := d.collector(t).Collect(t.Context(), sink)
			require.NoError(t, err)
			requireWhole(t, d, newest(t, sink))
			require.Equal(t, map[string]string{
				"server": "dc1.corp.test", "invocationId": "00000000-0000-0000-0000-000000000001",
				"usnBefore": fmt.Sprint(d.usn), "usnCovered": fmt.Sprint(d.usn), "usnAfter": fmt.Sprint(d.usn),
				"rounds": "0", "quiet": "true",
			}, capture.Cursor)
		})
	}
}

func TestGaps(t *testing.T) {
	d := newFakeDC(t)
	d.controls = slices.DeleteFunc(d.controls, func(oid string) bool { return oid == oidShowRecycled })
	sink := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	got := map[string]int64{}
	for _, gap := range sink.Gaps() {
		got[gap.Code] = gap.Count
		if gap.Code == PartitionElsewhere {
			require.Equal(t, "DC=child,"+fakeDomain, gap.Object)
		}
	}
	require.Equal(t, map[string]int64{
		PasswordsNotReadable: 10, SACLNotCaptured: 0, RecycledNotShown: 0, PartitionElsewhere: 0, SYSVOLNotConfigured: 0,
	}, got)
}

func TestChangesDuringCapture(t *testing.T) {
	const ou = "OU=Staff," + fakeDomain
	onPage := func(d *fakeDC, page int, do func()) {
		done := false
		d.onSearch = func(q *fakeQuery) (bool, error) {
			if q.base == fakeDomain && q.page == page && !done {
				done = true
				do()
			}
			return false, nil
		}
	}
	rename := func(d *fakeDC) {
		d.change(ou, func(o *fakeObject) { o.dn = "OU=People," + fakeDomain })
		d.mu.Lock() // other naming contexts are being read
		defer d.mu.Unlock()
		for _, o := range d.objects { // their USNs stay, as in AD
			o.dn = strings.Replace(o.dn, ",OU=Staff,", ",OU=People,", 1)
		}
		for _, o := range d.objects {
			for i, link := range o.attributes["member"] {
				o.attributes["member"][i] = strings.Replace(link, ",OU=Staff,", ",OU=People,", 1)
			}
		}
	}
	tests := map[string]func(d *fakeDC){
		"container renamed": rename,
		"object added": func(d *fakeDC) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.add("CN=new,"+ou, map[string][]string{"objectClass": {"top", "user"}})
		},
		"object deleted": func(d *fakeDC) {
			d.change("CN=user0,"+ou, func(o *fakeObject) {
				o.dn, o.deleted = `CN=user0\0ADEL:2,CN=Deleted Objects,`+fakeDomain, true
				o.attributes["isDeleted"] = []string{"TRUE"}
			})
			d.change("CN=All,"+ou, func(o *fakeObject) { o.attributes["member"] = o.attributes["member"][1:] })
		},
		"value changed": func(d *fakeDC) {
			d.change("CN=user3,"+ou, func(o *fakeObject) { o.attributes["description"] = []string{"\x00\xff", ""} })
		},
	}
	for name, change := range tests {
		for page := range 4 {
			t.Run(fmt.Sprintf("%s before page %d", name, page), func(t *testing.T) {
				d := newFakeDC(t)
				d.maxValues = 4
				onPage(d, page, func() { change(d) })
				sink := &collecttest.Recorder{}
				capture, err := d.collector(t).Collect(t.Context(), sink)
				require.NoError(t, err)
				requireWhole(t, d, newest(t, sink))
				require.Equal(t, "true", capture.Cursor["quiet"])
				require.Equal(t, "1", capture.Cursor["rounds"])
			})
		}
	}
}

func TestBusyDirectory(t *testing.T) {
	d := newFakeDC(t)
	d.onSearch = func(q *fakeQuery) (bool, error) {
		d.change("CN=user1,OU=Staff,"+fakeDomain, func(*fakeObject) {})
		return false, nil
	}
	capture, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
	require.NoError(t, err)
	require.Equal(t, "false", capture.Cursor["quiet"])
	require.Equal(t, "5", capture.Cursor["rounds"])
	require.Less(t, capture.Cursor["usnBefore"], capture.Cursor["usnCovered"])
	require.Less(t, capture.Cursor["usnCovered"], capture.Cursor["usnAfter"])
}

func TestMembersChangeBetweenRanges(t *testing.T) {
	d := newFakeDC(t)
	d.maxValues = 3
	changes := 0
	d.onRange = func() {
		if changes < 2 {
			changes++
			d.change("CN=All,OU=Staff,"+fakeDomain, func(o *fakeObject) { o.attributes["member"] = o.attributes["member"][1:] })
		}
	}
	sink := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Equal(t, 2, changes)
	requireWhole(t, d, newest(t, sink))
}

func TestRestoredController(t *testing.T) {
	for name, restore := range map[string]func(d *fakeDC){
		"another invocationId": func(d *fakeDC) { d.invocation++ },
		"a lower USN":          func(d *fakeDC) { d.usn -= 10 },
	} {
		t.Run(name, func(t *testing.T) {
			d := newFakeDC(t)
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if q.base == fakeDomain && q.page == 1 {
					d.mu.Lock()
					defer d.mu.Unlock()
					restore(d)
				}
				return false, nil
			}
			_, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
			require.ErrorIs(t, err, fault.SourceRestored)
		})
	}
}

func TestADCS(t *testing.T) {
	d := newFakeDC(t)
	c := d.collector(t)
	refuse := func(string, []byte) error { return errors.New("unexpected") }
	require.NoError(t, c.ADCS(t.Context(), refuse), "a directory without AD CS has no objects")
	services := "CN=Services," + fakeConfig
	d.add(services, map[string][]string{"objectClass": {"container"}})
	d.add("CN=Public Key Services,"+services, map[string][]string{"objectClass": {"container"}})
	d.add("CN=AIA,CN=Public Key Services,"+services, map[string][]string{"objectClass": {"container"}, "cACertificate": {"\x30\x00"}})
	var names []string
	require.NoError(t, c.ADCS(t.Context(), func(dn string, document []byte) error {
		r, err := record.Decode(document)
		require.NoError(t, err)
		require.Equal(t, dn, r.DN)
		names = append(names, dn)
		return nil
	}))
	require.Equal(t, []string{"CN=Public Key Services," + services, "CN=AIA,CN=Public Key Services," + services}, names)
	own := errors.New("own")
	require.Same(t, own, c.ADCS(t.Context(), func(string, []byte) error { return own }))
}
