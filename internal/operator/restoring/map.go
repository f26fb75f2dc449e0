package restoring

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// LoadMap reads the file of a map. Errors are MAP_INVALID.
func LoadMap(file string) (*mapping.Site, error) { return config.LoadMap(file) }

// mapOf makes the map of a restore, and refuses one that was made for another one.
func mapOf(s *mapping.Site, cloud, target restore.Fingerprint) (*mapping.Map, error) {
	m, err := mapping.For(s)
	if err != nil {
		return nil, fault.New(fault.MapInvalid, "the map", err)
	}
	if s == nil {
		return m, nil
	}
	for _, side := range []struct {
		name string
		of   mapping.Cloud
		is   restore.Fingerprint
	}{{"source", s.Source, cloud}, {"target", s.Target, target}} {
		if !strings.EqualFold(side.of.FQDN, side.is.FQDN) || !strings.EqualFold(side.of.DeploymentID, side.is.DeploymentID) {
			return nil, fault.Newf(fault.MapForeign, "the %s of the map is %s (%s), and that of this restore is %s (%s)", side.name, side.of.FQDN, side.of.DeploymentID, side.is.FQDN, side.is.DeploymentID)
		}
	}
	if target.DomainSID == "" || len(s.Domains) == 0 {
		return m, nil
	}
	for _, d := range s.Domains {
		if strings.EqualFold(d.Target.SID, target.DomainSID) {
			return m, nil
		}
	}
	return nil, fault.Newf(fault.MapForeign, "no domain of the map becomes %s, which is that of the target", target.DomainSID)
}

// Template writes a map to be completed: from the names that the chosen items of a backup have
// to those of the target, of which nothing but its own lists is read.
func Template(ctx context.Context, b Backup, t *Target, selection restore.Selection) ([]byte, error) {
	cloud := b.Cloud()
	source := &finding{Found: mapping.NewFound(mapping.Cloud{FQDN: cloud.FQDN, DeploymentID: cloud.DeploymentID})}
	from := b.source()
	entries := map[[2]string]backup.CatalogEntry{} // the last record of an item counts
	var order [][2]string
	err := from.Catalog(ctx, func(e backup.CatalogEntry) error {
		if e.Service == backup.AD {
			for _, alias := range e.Aliases {
				add(&source.accounts, strings.ToUpper(alias))
			}
		}
		key := [2]string{string(e.Service) + " " + e.Kind, e.ID}
		if _, ok := entries[key]; !ok {
			order = append(order, key)
		}
		entries[key] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range order {
		e := entries[key]
		if !selection.Takes(e) && !always(e) {
			continue
		}
		data, err := from.Item(ctx, e)
		if err != nil {
			return nil, err
		}
		source.look(e, data)
	}
	source.settle(t.learns())
	target := &finding{Found: mapping.NewFound(mapping.Cloud{FQDN: t.Fingerprint.FQDN, DeploymentID: t.Fingerprint.DeploymentID})}
	if err := target.live(ctx, t); err != nil {
		return nil, err
	}
	if t.domain != "" {
		target.Domains = []mapping.DomainNames{{DNS: t.domain, SID: t.Fingerprint.DomainSID}}
	}
	target.settle(false)
	return mapping.Template(source.Found, target.Found), nil
}

// always are items that a template needs whatever is chosen: what they say is about all.
func always(e backup.CatalogEntry) bool {
	switch e.Kind {
	case "tenant", "user-subscription":
		return e.Service == backup.ARM
	case record.Kind:
		return isDomain(e.Name) || strings.Contains(strings.ToLower(e.Name), partitions)
	}
	return false
}

const partitions = ",cn=partitions,cn=configuration,"

// isDomain reports whether a name is that of a domain itself.
func isDomain(dn string) bool {
	for part := range strings.SplitSeq(strings.ToLower(dn), ",") {
		if !strings.HasPrefix(part, "dc=") || part == "dc=domaindnszones" || part == "dc=forestdnszones" {
			return false
		}
	}
	return true
}

func dnsOf(dn string) string {
	return strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(dn), "dc="), ",dc=", ".")
}

// finding collects names.
type finding struct {
	*mapping.Found
	mentioned map[string]bool   // tenants
	accounts  map[string]bool   // SIDs that the backup has
	netbios   map[string]string // by DNS name
}

// live reads the lists of the target's own resource managers.
func (f *finding) live(ctx context.Context, t *Target) (err error) {
	if t.config.Azure == nil {
		return nil
	}
	captured, err := t.Capture(ctx, []backup.Service{backup.ARM})
	if err != nil {
		return err
	}
	for _, s := range captured.Services() {
		if s.Missing != "" {
			return fault.Newf(fault.TargetFailed, "the names of the target cannot be read: %s", s.Missing)
		}
	}
	part, err := captured.Open(ctx, backup.ARM)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	return captured.Catalog(ctx, func(e backup.CatalogEntry) error {
		var data strings.Builder
		if err := part.ReadItem(e, &data); err != nil {
			return err
		}
		f.look(e, []byte(data.String()))
		return nil
	})
}

var (
	guids        = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`) })
	regions      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) })
	accountSIDs  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^s-1-5-21(-[0-9]{1,10}){4}$`) })
	notOneRegion = map[string]bool{"global": true, "": true}
)

// look notes the names of an item. What cannot be read is for the plan to refuse.
func (f *finding) look(e backup.CatalogEntry, data []byte) {
	if e.Service == backup.AD {
		f.object(e, data)
		return
	}
	if e.Service == backup.CA {
		return
	}
	var envelope resource.Envelope
	var document any
	if json.Unmarshal(data, &envelope) != nil || json.Unmarshal(envelope.Bytes(), &document) != nil {
		return
	}
	top, _ := document.(map[string]any)
	text := func(name string) string { s, _ := top[name].(string); return strings.ToLower(s) }
	switch e.Kind {
	case "tenant":
		if id := text("tenantId"); guids().MatchString(id) {
			f.Tenants[id] = true
		}
	case "location":
		if name := text("name"); regions().MatchString(name) {
			f.Regions[name] = true
		}
	case "user-subscription":
		if id := text("subscriptionId"); guids().MatchString(id) {
			name, _ := top["displayName"].(string)
			f.Subscriptions[id] = mapping.Subscription{Name: name, Operator: text("routingResourceManagerType") == "admin"}
		}
	}
	f.walk("", document)
	f.walk("", e.ID)
}

func (f *finding) walk(member string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			f.walk(strings.ToLower(name), inner)
		}
	case []any:
		for _, inner := range v {
			f.walk(member, inner)
		}
	case string:
		f.text(member, strings.ToLower(v))
	}
}

func (f *finding) text(member, low string) {
	switch region := mapping.Region(low); {
	case member == "tenantid" && guids().MatchString(low):
		add(&f.mentioned, low)
	case member == "location" && !notOneRegion[region] && regions().MatchString(region):
		f.Regions[region] = true
	case (member == "principalid" || member == "objectid") && accountSIDs().MatchString(low):
		f.Principals[strings.ToUpper(low)] = true
	}
	for rest := low; ; {
		_, after, ok := strings.Cut(rest, "/subscriptions/")
		if !ok {
			return
		}
		id, _, _ := strings.Cut(after, "/")
		if _, known := f.Subscriptions[id]; !known && guids().MatchString(id) {
			f.Subscriptions[id] = mapping.Subscription{}
		}
		rest = after
	}
}

func add(set *map[string]bool, name string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[name] = true
}

// object notes what an object of the directory tells.
func (f *finding) object(e backup.CatalogEntry, data []byte) {
	if !always(e) {
		return
	}
	r, err := record.Decode(data)
	if err != nil {
		return
	}
	if isDomain(r.DN) {
		sid, _ := record.FormatSID([]byte(r.Value("objectSid")))
		f.Domains = append(f.Domains, mapping.DomainNames{DNS: dnsOf(r.DN), SID: sid})
	} else if name := r.Value("nETBIOSName"); name != "" {
		if f.netbios == nil {
			f.netbios = map[string]string{}
		}
		f.netbios[dnsOf(r.Value("nCName"))] = name
	}
}

// settle ends the collection. Accounts that the restore learns from the directory need no
// place in a map.
func (f *finding) settle(learns bool) {
	for i := range f.Domains {
		f.Domains[i].NetBIOS = f.netbios[f.Domains[i].DNS]
	}
	for id := range f.mentioned {
		if !f.Tenants[id] {
			f.Guests[id] = true
		}
	}
	for sid := range f.Principals {
		if learns && f.accounts[sid] {
			delete(f.Principals, sid)
		}
	}
}
