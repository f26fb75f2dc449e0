package unwritable

import (
	_ "embed"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// Reason is why an attribute of a record is not written with its object.
type Reason string

// The reasons. The file unwritable.txt has the first four, of MS-ADA1, MS-ADA2 and MS-ADA3,
// where each attribute's definition says systemOnly, linkID and systemFlags (MS-ADTS 2.2.10).
const (
	systemOnly Reason = "system-only" // only the directory sets it: refused with 53 or 19, or dropped in silence
	BackLink   Reason = "back-link"   // follows from the forward link of another object (MS-ADTS 3.1.1.1.6)
	computed   Reason = "computed"    // constructed when it is asked for (MS-ADTS 3.1.1.4.5)
	ownCopy    Reason = "own-copy"    // not replicated: every controller has its own value
	identity   Reason = "identity"    // given by the controller and by nobody else (MS-ADTS 3.1.1.5.2.4)
	named      Reason = "name"        // follows from the distinguished name; changed by a rename (MS-ADTS 3.1.1.5.4)
	account    Reason = "account"     // the security account manager's own (MS-SAMR 3.1.1.8)
	volatile   Reason = "volatile"    // counts or dates what accounts did; an old value would be wrong
	inState    Reason = "state"       // written by the phase for the state of accounts
	secretly   Reason = "secret"      // never given by a controller (MS-ADTS 3.1.1.4.4)
	rights     Reason = "rights"      // names SIDs: nTSecurityDescriptor has a phase of its own, the others are not mapped yet
)

// beyond is what the schema does not say, and what goes before it. Samba stores some of
// these as they are sent, so a green test there does not show that Windows takes them.
var beyond = map[string]Reason{
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
var list string

// reasons are those of all attributes that are left out, by name in lower case.
var reasons = func() map[string]Reason {
	all := map[string]Reason{}
	for line := range strings.Lines(list) {
		name, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[strings.ToLower(name)] = Reason(why)
	}
	for name, why := range beyond {
		all[name] = why
	}
	return all
}()

// ReasonOf says why an attribute of an object is left out, "" for one that is written. What
// the name of the object begins with, such as cn, follows from the name.
func ReasonOf(attribute, dn string) Reason {
	name := strings.ToLower(attribute)
	first, _ := record.SplitDN(dn)
	if kind, _, _ := strings.Cut(first, "="); strings.EqualFold(kind, name) {
		return named
	}
	if base, _, found := strings.Cut(name, ";"); found {
		name = base
	}
	return reasons[name]
}
