package directory

import (
	_ "embed"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// reason is why an attribute of a record is not written with its object.
type reason string

// The reasons. The file unwritable.txt has the first four, of MS-ADA1, MS-ADA2 and MS-ADA3,
// where each attribute's definition says systemOnly, linkID and systemFlags (MS-ADTS 2.2.10).
const (
	systemOnly reason = "system-only" // only the directory sets it: refused with 53 or 19, or dropped in silence
	backLink   reason = "back-link"   // follows from the forward link of another object (MS-ADTS 3.1.1.1.6)
	computed   reason = "computed"    // constructed when it is asked for (MS-ADTS 3.1.1.4.5)
	ownCopy    reason = "own-copy"    // not replicated: every controller has its own value
	identity   reason = "identity"    // given by the controller and by nobody else (MS-ADTS 3.1.1.5.2.4)
	named      reason = "name"        // follows from the distinguished name; changed by a rename (MS-ADTS 3.1.1.5.4)
	account    reason = "account"     // the security account manager's own (MS-SAMR 3.1.1.8)
	volatile   reason = "volatile"    // counts or dates what accounts did; an old value would be wrong
	inState    reason = "state"       // written by the phase for the state of accounts
	secretly   reason = "secret"      // never given by a controller (MS-ADTS 3.1.1.4.4)
	rights     reason = "rights"      // names SIDs: nTSecurityDescriptor has a phase of its own, the others are not mapped yet
)

// beyond is what the schema does not say, and what goes before it. Samba stores some of
// these as they are sent, so a green test there does not show that Windows takes them.
var beyond = map[string]reason{
	"objectsid": identity, "objectguid": identity, "sidhistory": identity, // sIDHistory: only DsAddSidHistory (MS-DRSR 4.1.2)
	"name": named, "distinguishedname": named, "isdeleted": named, "isrecycled": named, "lastknownparent": named, "msds-lastknownrdn": named,
	"objectclass": systemOnly, "objectcategory": systemOnly, "instancetype": systemOnly, "systemflags": systemOnly, "dscorepropagationdata": systemOnly,
	"iscriticalsystemobject": account, "samaccounttype": account, "rid": account, "modifiedcount": account, "creationtime": account, "ms-ds-creatorsid": account,
	"useraccountcontrol": inState, "primarygroupid": inState,
	"pwdlastset": volatile, "badpwdcount": volatile, "badpasswordtime": volatile, "lastlogon": volatile, "lastlogoff": volatile, "lastlogontimestamp": volatile,
	"logoncount": volatile, "lockouttime": volatile, "admincount": volatile, "operatorcount": volatile,
	"unicodepwd": secretly, "dbcspwd": secretly, "supplementalcredentials": secretly, "ntpwdhistory": secretly, "lmpwdhistory": secretly,
	"ntsecuritydescriptor": rights, "msds-allowedtoactonbehalfofotheridentity": rights, "msds-groupmsamembership": rights,
}

//go:embed unwritable.txt
var unwritable string

// reasons are those of all attributes that are left out, by name in lower case.
var reasons = func() map[string]reason {
	all := map[string]reason{}
	for line := range strings.Lines(unwritable) {
		name, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[strings.ToLower(name)] = reason(why)
	}
	for name, why := range beyond {
		all[name] = why
	}
	return all
}()

// reasonOf says why an attribute of an object is left out, "" for one that is written. What
// the name of the object begins with, such as cn, follows from the name.
func reasonOf(attribute, dn string) reason {
	name := strings.ToLower(attribute)
	if kind, _, _ := strings.Cut(rdn(dn), "="); strings.EqualFold(kind, name) {
		return named
	}
	if base, _, found := strings.Cut(name, ";"); found {
		name = base
	}
	return reasons[name]
}

// rdn is the first element of a distinguished name, and parent the rest.
func rdn(dn string) string { first, _ := record.SplitDN(dn); return first }

func parent(dn string) string { _, rest := record.SplitDN(dn); return rest }
