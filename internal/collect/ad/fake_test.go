package ad

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/secret"
)

const (
	fakeUser     = `CORP\backup`
	fakePassword = "canary-of-the-directory"
	fakeDomain   = "DC=corp,DC=test"
	fakeConfig   = "CN=Configuration," + fakeDomain
	fakeSchema   = "CN=Schema," + fakeConfig
	fakeService  = "CN=NTDS Settings,CN=DC1,CN=Servers," + fakeConfig
)

// fakeObject is an object of the fake directory. Links are written with their
// target's number in front: "7|CN=x".
type fakeObject struct {
	number     int
	dn         string
	attributes map[string][]string
	usn        int
	deleted    bool
}

// fakeDC is a small LDAPS server that behaves like a domain controller as far as
// the collector asks, and can be told to misbehave.
type fakeDC struct {
	mu         sync.Mutex
	objects    []*fakeObject
	usn        int
	invocation byte
	controls   []string // supportedControl
	maxValues  int      // values of member in one answer, 0 for all
	binds      atomic.Int32
	searches   atomic.Int32

	// onSearch, when not nil, is asked before each answer to a search of whole
	// objects. It may answer itself and say so, or end the connection by returning
	// an error.
	onSearch func(q *fakeQuery) (answered bool, err error)
	// onObject, when not nil, is asked before each answer to a search of one object. It may answer
	// itself and say so.
	onObject func(base string, conn net.Conn, id int64) (answered bool, err error)
	// onBind, when not nil, answers a login.
	onBind func(conn net.Conn, id int64) error

	// afterEntry, when not nil, is called after each entry of such a search.
	afterEntry func(q *fakeQuery, sent int) error

	// onLast, when not nil, is called after the last page of such a search.
	onLast func(q *fakeQuery)

	onEnd func() // when not nil, called at the end of each connection
	// onSchema, when not nil, is called when all definitions of attributes are read.
	onSchema func()

	// onRange, when not nil, is called before each answer to a further range.
	onRange func()
	// hidden, when not nil, tells which objects nobody gets by their GUID.
	hidden func(guid string) bool

	listener net.Listener
	ca       []byte
}

// fakeQuery is one search that the server was asked.
type fakeQuery struct {
	id         int64
	base       string
	scope      int64
	filter     string
	attributes []string
	cookie     string
	size       int
	paged      bool
	deleted    bool
	page       int // 0 for the first
	conn       net.Conn
}

func (q *fakeQuery) whole() bool { return q.scope == ldap.ScopeWholeSubtree }

func newFakeDC(t *testing.T) *fakeDC {
	t.Helper()
	cert, ca := fakeCertificate(t)
	return newFakeDCWith(t, cert, ca)
}

func newFakeDCWith(t *testing.T, cert tls.Certificate, ca []byte) *fakeDC {
	t.Helper()
	d := &fakeDC{usn: 1000, invocation: 1, controls: []string{oidPaging, oidSDFlags, oidShowDeleted, oidExtendedDN, oidShowRecycled}}
	d.ca = ca
	var err error
	d.listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := d.listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { d.serve(conn) })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, d.listener.Close())
		running.Wait()
	})
	d.fill()
	return d
}

// fill makes a schema, the controller's own object, and some users and groups.
func (d *fakeDC) fill() {
	head := func(dn string) { d.add(dn, map[string][]string{"objectClass": {"top", "domainDNS"}}) }
	head(fakeDomain)
	head(fakeConfig)
	head(fakeSchema)
	for _, a := range [][2]string{{"member", "2.5.5.1"}, {"distinguishedName", "2.5.5.1"}, {"description", "2.5.5.12"}, {"wellKnownObjects", "2.5.5.7"}} {
		d.add("CN="+a[0]+","+fakeSchema, map[string][]string{
			"objectClass": {"top", "attributeSchema"}, "lDAPDisplayName": {a[0]}, "attributeSyntax": {a[1]},
		})
	}
	d.add(fakeService, map[string][]string{"objectClass": {"top", "nTDSDSA"}})
	d.add("OU=Staff,"+fakeDomain, map[string][]string{"objectClass": {"top", "organizationalUnit"}})
	var members []string
	for i := range 10 {
		o := d.add(fmt.Sprintf("CN=user%d,OU=Staff,%s", i, fakeDomain), map[string][]string{
			"objectClass": {"top", "user"}, "description": {" <GUID=not-one>;text "},
		})
		members = append(members, fmt.Sprintf("%d|%s", o.number, o.dn))
	}
	d.add("CN=All,OU=Staff,"+fakeDomain, map[string][]string{"objectClass": {"top", "group"}, "member": members})
	d.add(`CN=gone\0ADEL:1,CN=Deleted Objects,`+fakeDomain, map[string][]string{"objectClass": {"top", "user"}, "isDeleted": {"TRUE"}}).deleted = true
}

// add makes an object. The caller holds the lock or is alone.
func (d *fakeDC) add(dn string, attributes map[string][]string) *fakeObject {
	d.usn++
	o := &fakeObject{number: len(d.objects) + 1, dn: dn, attributes: attributes, usn: d.usn}
	d.objects = append(d.objects, o)
	return o
}

// change makes an object newer.
func (d *fakeDC) change(dn string, fn func(o *fakeObject)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.objects {
		if o.dn == dn {
			d.usn++
			o.usn = d.usn
			fn(o)
			return
		}
	}
	panic("no object " + dn)
}

func fakeGUID(number int) []byte { return append(make([]byte, 15), byte(number)) }

func fakeGUIDText(number int) string {
	text, _ := record.FormatGUID(fakeGUID(number))
	return text
}

// config connects a collector to the server.
func (d *fakeDC) config() Config {
	return Config{
		URL: "ldaps://" + d.listener.Addr().String(), CACertificates: d.ca, Username: fakeUser,
		Password: secret.New(fakePassword), PageSize: 4, StallTimeout: 5 * time.Second,
	}
}

func (d *fakeDC) collector(t *testing.T) *Collector {
	t.Helper()
	c, err := New(d.config())
	require.NoError(t, err)
	return c
}

func (d *fakeDC) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		if d.onEnd != nil {
			d.onEnd()
		}
	}()
	in := bufio.NewReader(conn)
	for {
		packet, err := ber.ReadPacket(in)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		id, _ := packet.Children[0].Value.(int64)
		op := packet.Children[1]
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			d.binds.Add(1)
			if d.onBind != nil {
				if err := d.onBind(conn, id); err != nil {
					return
				}
				continue
			}
			code := 0
			if op.Children[1].Value != fakeUser || op.Children[2].Data.String() != fakePassword {
				code = ldap.LDAPResultInvalidCredentials
			}
			err = send(conn, id, result(ldap.ApplicationBindResponse, code))
		case ldap.ApplicationSearchRequest:
			d.searches.Add(1)
			err = d.search(conn, id, packet)
		default:
			return
		}
		if err != nil {
			return
		}
	}
}

func (d *fakeDC) search(conn net.Conn, id int64, packet *ber.Packet) error {
	op := packet.Children[1]
	filter, err := ldap.DecompileFilter(op.Children[6])
	if err != nil {
		return err
	}
	q := &fakeQuery{id: id, base: op.Children[0].Value.(string), scope: op.Children[1].Value.(int64), filter: filter, conn: conn}
	for _, a := range op.Children[7].Children {
		q.attributes = append(q.attributes, a.Value.(string))
	}
	if len(packet.Children) > 2 {
		for _, c := range packet.Children[2].Children {
			control, err := ldap.DecodeControl(c)
			if err != nil {
				return err
			}
			switch c := control.(type) {
			case *ldap.ControlPaging:
				q.paged, q.size, q.cookie = true, int(c.PagingSize), string(c.Cookie)
			default:
				q.deleted = q.deleted || c.GetControlType() == oidShowRecycled
			}
		}
	}
	start := 0
	if q.cookie != "" {
		if start, err = strconv.Atoi(strings.TrimPrefix(q.cookie, "from ")); err != nil {
			return err
		}
		q.page = start / q.size
	}
	if d.onSearch != nil && q.whole() {
		if answered, err := d.onSearch(q); answered || err != nil {
			return err
		}
	}
	if d.onObject != nil && q.scope == ldap.ScopeBaseObject {
		if answered, err := d.onObject(q.base, conn, id); answered || err != nil {
			return err
		}
	}
	if d.onSchema != nil && q.filter == "(objectClass=attributeSchema)" && q.page == 0 {
		d.onSchema()
	}
	if d.onRange != nil && slices.ContainsFunc(q.attributes, func(a string) bool { return strings.Contains(a, ";range=") }) {
		d.onRange()
	}
	if guid, byGUID := strings.CutPrefix(q.base, "<GUID="); d.hidden != nil && byGUID && d.hidden(strings.TrimSuffix(guid, ">")) {
		return send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, 0))
	}
	return d.answer(q, start)
}

// answer sends one page.
func (d *fakeDC) answer(q *fakeQuery, start int) error {
	d.mu.Lock()
	entries := d.find(q)
	d.mu.Unlock()
	end := len(entries)
	if q.paged {
		end = min(len(entries), start+q.size)
	}
	for i, e := range entries[min(start, len(entries)):end] {
		if err := send(q.conn, q.id, e); err != nil {
			return err
		}
		if d.afterEntry != nil && q.whole() {
			if err := d.afterEntry(q, i+1); err != nil {
				return err
			}
		}
	}
	if q.whole() && q.base == fakeDomain && !q.hasMore(end, len(entries)) {
		for _, place := range []string{fakeConfig, "DC=child," + fakeDomain} {
			if err := send(q.conn, q.id, reference("ldaps://corp.test/"+place)); err != nil {
				return err
			}
		}
	}
	if !q.paged {
		return send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, 0))
	}
	if end < len(entries) {
		return q.done(fmt.Sprintf("from %d", end))
	}
	if d.onLast != nil && q.whole() {
		defer d.onLast(q)
	}
	return q.done("")
}

func (q *fakeQuery) hasMore(end, all int) bool { return q.paged && end < all }

// done ends a page.
func (q *fakeQuery) done(cookie string) error {
	paging := ldap.NewControlPaging(0)
	paging.SetCookie([]byte(cookie))
	return send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, 0), paging)
}

func (d *fakeDC) find(q *fakeQuery) []*ber.Packet {
	if q.base == "" {
		return []*ber.Packet{entry("", [][2]any{
			{"namingContexts", []string{fakeDomain, fakeConfig, fakeSchema}},
			{"defaultNamingContext", []string{fakeDomain}}, {"schemaNamingContext", []string{fakeSchema}},
			{"configurationNamingContext", []string{fakeConfig}}, {"dsServiceName", []string{fakeService}},
			{"dnsHostName", []string{"dc1.corp.test"}}, {"highestCommittedUSN", []string{strconv.Itoa(d.usn)}},
			{"supportedControl", d.controls},
		})}
	}
	least := 0
	if _, number, ok := strings.Cut(q.filter, "(uSNChanged>="); ok {
		number, _, _ = strings.Cut(number, ")")
		least, _ = strconv.Atoi(number)
	}
	var found []*ber.Packet
	for _, o := range d.objects {
		named := len(o.attributes["lDAPDisplayName"]) > 0 && strings.Contains(q.filter, "(lDAPDisplayName="+o.attributes["lDAPDisplayName"][0]+")")
		if o.usn < least && !named || o.deleted && !q.deleted || !d.inScope(q, o) {
			continue
		}
		if q.filter == "(objectClass=attributeSchema)" && o.attributes["lDAPDisplayName"] == nil {
			continue
		}
		found = append(found, d.entry(q, o))
	}
	return found
}

func (d *fakeDC) inScope(q *fakeQuery, o *fakeObject) bool {
	base := q.base
	if guid, ok := strings.CutPrefix(base, "<GUID="); ok {
		for _, other := range d.objects {
			if fakeGUIDText(other.number) == strings.TrimSuffix(guid, ">") {
				base = other.dn
			}
		}
	}
	if q.scope == ldap.ScopeBaseObject || o.dn == base {
		return o.dn == base
	}
	if !strings.HasSuffix(o.dn, ","+base) {
		return false
	}
	for _, inner := range []string{fakeConfig, fakeSchema} { // other naming contexts
		if len(base) < len(inner) && strings.HasSuffix(o.dn, inner) {
			return false
		}
	}
	return true
}

func (d *fakeDC) entry(q *fakeQuery, o *fakeObject) *ber.Packet {
	all := [][2]any{
		{"objectGUID", []string{string(fakeGUID(o.number))}}, {"uSNChanged", []string{strconv.Itoa(o.usn)}},
		{"nTSecurityDescriptor", []string{"\x01\x00\x04\x80"}},
		{"distinguishedName", []string{extended(o.number, o.dn)}},
	}
	if o.dn == fakeService {
		all = append(all, [2]any{"invocationId", []string{string(append(make([]byte, 15), d.invocation))}})
	}
	for name, values := range o.attributes {
		if name == "member" {
			if list := d.members(q, values); list != nil {
				all = append(all, list...)
			}
			continue
		}
		all = append(all, [2]any{name, values})
	}
	return entry(extended(o.number, o.dn), all)
}
