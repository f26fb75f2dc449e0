package directory

import (
	"strings"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/restore/directory/sysvol"
)

// Codes of losses.
const (
	lossNotYet      = "NOT_YET"
	lossIdentity    = "IDENTITY"
	lossPassword    = "PASSWORD"
	lossBackLinks   = "BACK_LINKS"
	lossSchema      = "SCHEMA"
	lossSystemClass = "SYSTEM_CLASS"
	lossDescriptor  = "DESCRIPTOR"
	lossServersDNS  = "SERVERS_OWN"
)

// Codes of refusals.
const (
	refusedOwn        = "OWN"
	refusedBuiltIn    = "BUILT_IN"
	refusedNameTaken  = "NAME_TAKEN"
	refusedNoPassword = "NO_PASSWORD"
	refusedSchema     = "SCHEMA_MISSING"
	refusedContext    = "OTHER_DOMAIN"
	refusedRights     = "NOT_PERMITTED"
	refusedSID        = "SID_UNKNOWN"
	refusedServers    = "SERVERS_OWN"
)

// loss is why nothing of an object is written.
type loss struct{ code, detail string }

// systemClasses are made by the system alone: their definitions say systemOnly (MS-ADSC), or
// a controller refuses them over LDAP (MS-ADTS 3.1.1.5.2.2).
var systemClasses = func() map[string]bool {
	all := map[string]bool{}
	for _, class := range []string{
		"trustedDomain", "secret", "rIDSet", "rIDManager", "samServer", "builtinDomain", "domainDNS", "infrastructureUpdate", "lostAndFound", "crossRef", "crossRefContainer",
		"nTDSDSA", "nTDSDSARO", "nTDSConnection", "server", "serversContainer", "nTDSService", "configuration", "dMD", "foreignSecurityPrincipal", "msDS-QuotaContainer", "domainPolicy",
		"linkTrackObjectMoveTable", "linkTrackVolumeTable", "fileLinkTracking", "nTFRSSubscriptions", "nTFRSSubscriber", "msDFSR-LocalSettings", "msDFSR-Subscriber", "msDFSR-Subscription",
	} {
		all[strings.ToLower(class)] = true
	}
	return all
}()

// never says why an object is left as the target has it, nil for one that is written.
func (r *Restorer) never(rec *record.Record) *loss {
	dn := strings.ToLower(rec.DN)
	context := strings.ToLower(rec.NamingContext)
	class := ""
	if a := rec.Attribute("objectClass"); a != nil {
		class = string(a.Values[len(a.Values)-1])
	}
	switch {
	case class == "":
		return &loss{lossSystemClass, "its record has no class"}
	case strings.HasPrefix(context, "cn=schema,"):
		return &loss{lossSchema, "the schema is not written: extend it with the tool of the product that needs it"}
	case strings.HasPrefix(context, "dc=domaindnszones,"), strings.HasPrefix(context, "dc=forestdnszones,"), dnsrecord.Of(class):
		if _, _, ok := dnsrecord.Place(rec.DN); !ok || !dnsrecord.Of(class) {
			return &loss{lossSystemClass, "only the directory makes what partitions of DNS have besides zones"}
		}
		if why := dnsrecord.ServersOwn(rec.DN, rec.NamingContext, r.isController); why != "" {
			return &loss{lossServersDNS, why}
		}
		return nil
	case !strings.HasPrefix(context, "dc="):
		return &loss{lossNotYet, "this version writes the domain only, and not " + rec.NamingContext}
	case dn == context:
		return &loss{lossNotYet, "this version does not write settings of the domain's head, such as the policy for passwords"}
	case ofPolicies(rec) && r.files != nil:
		_, policy, _ := strings.Cut(rdn(rec.DN), "=")
		if path := rec.Value("gPCFileSysPath"); sysvol.Elsewhere(path, dnsrecord.Domain(rec.NamingContext), policy) {
			return &loss{lossNotYet, "clients would take its files from " + path + ", which is not its own folder in SYSVOL: find out why, and make the policy by hand"}
		}
		return nil
	case ofPolicies(rec):
		return &loss{lossNotYet, noFiles + "copy the files from the backup, and make the policy by hand"}
	case record.Below(dn, "cn=system,"+context) && dn != "cn=system,"+context:
		return &loss{lossNotYet, "this version does not write what lies below CN=System, such as settings for passwords"}
	case systemClasses[strings.ToLower(class)]:
		return &loss{lossSystemClass, "only the directory makes objects of the class " + class}
	}
	return nil
}

// guard is the code with which writes of an object are refused, "" for none.
func (r *Restorer) guard(rec *record.Record) string {
	switch {
	case r.isOwn(rec):
		return refusedOwn
	case ofPolicies(rec): // the default ones have settings like others
	case strings.EqualFold(rec.Value("isCriticalSystemObject"), "TRUE"), identifier.WellKnown([]byte(rec.Value("objectSid"))):
		return refusedBuiltIn
	}
	return ""
}

// isOwn reports whether an object is an account that is left alone.
func (r *Restorer) isOwn(rec *record.Record) bool {
	sid, _ := record.FormatSID([]byte(rec.Value("objectSid")))
	for _, own := range r.options.Own {
		for _, name := range []string{rec.DN, rec.GUID, rec.Value("userPrincipalName"), sid} {
			if name != "" && strings.EqualFold(own, name) {
				return true
			}
		}
		// user@realm also names an account without a principal name, and any domain is
		// taken for this one: rather one too many is left alone.
		_, short, down := strings.Cut(own, `\`)
		if !down {
			short, _, _ = strings.Cut(own, "@")
		}
		if strings.EqualFold(short, rec.Value("sAMAccountName")) {
			return true
		}
	}
	return false
}
