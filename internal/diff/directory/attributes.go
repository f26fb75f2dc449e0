package directory

import "strings"

// Reasons for which a difference does not count.
const (
	ReasonBookkeeping = "bookkeeping of replication"
	ReasonController  = "state of a domain controller"
	ReasonLogon       = "logon counters"
	ReasonPassword    = "when a password was set"
	ReasonBackLink    = "back link, which follows from a link"
	ReasonDerived     = "derived by the directory"
	ReasonDefault     = "absent and the default are the same"
	ReasonDNS         = "serial number and time stamp of DNS"
	ReasonPolicy      = "version of a group policy"
	ReasonTarget      = "name of a link's target"
	ReasonOrder       = "order of values"
	ReasonOrigin      = "whether owner and group were defaulted"
	ReasonDeleted     = "objects that are deleted"
	ReasonParent      = "moved with what it lies below"
	ReasonInherited   = "permissions inherited from what changed"
)

// volatile are attributes that do not count, in small letters, with the reason.
var volatile = table(map[string]string{
	ReasonBookkeeping: "uSNChanged uSNCreated uSNDSALastObjRemoved uSNLastObjRem uSNIntersite uSNSource whenChanged whenCreated replPropertyMetaData " +
		"replUpToDateVector repsFrom repsTo replInterval dSCorePropagationData dSASignature msDS-ReplAttributeMetaData msDS-ReplValueMetaData " +
		"msDS-NCReplCursors msDS-NCReplInboundNeighbors msDS-NCReplOutboundNeighbors retiredReplDSASignatures msDS-RetiredReplNCSignatures " +
		"modifiedCount modifiedCountAtLastProm lSAModifiedCount serverState schemaInfo prefixMap partialAttributeDeletionList partialAttributeSet operatorCount",
	ReasonController: "invocationId rIDAllocationPool rIDPreviousAllocationPool rIDNextRID rIDUsedPool rIDAvailablePool nextRid msDS-RevealedUsers",
	ReasonLogon: "lastLogon lastLogoff lastLogonTimestamp logonCount badPwdCount badPasswordTime msDS-FailedInteractiveLogonCount " +
		"msDS-FailedInteractiveLogonCountAtLastSuccessfulLogon msDS-LastSuccessfulInteractiveLogonTime msDS-LastFailedInteractiveLogonTime",
	ReasonPassword: "pwdLastSet msDS-UserPasswordExpiryTimeComputed",
	ReasonBackLink: "memberOf directReports managedObjects isPrivilegeHolder queryPolicyBL masteredBy msDs-masteredBy msDS-PSOApplied msDS-EnabledFeatureBL " +
		"msDS-RevealedDSAs msDS-RevealedList msDS-IsPartialReplicaFor msDS-IsFullReplicaFor msDS-IsDomainFor msDS-AuthenticatedToAccountlist msSFU30PosixMemberOf msDFSR-ComputerReferenceBL",
	ReasonDerived: "instanceType sAMAccountType lastKnownParent msDS-LastKnownRDN isRecycled structuralObjectClass allowedAttributes createTimeStamp modifyTimeStamp " +
		"subSchemaSubEntry objectGUID",
})

func table(byReason map[string]string) map[string]string {
	all := map[string]string{}
	for reason, names := range byReason {
		for name := range strings.FieldsSeq(names) {
			all[strings.ToLower(name)] = reason
		}
	}
	return all
}

// reasonFor is why an attribute does not count, "" when it does. Names in the schema end in BL
// when they are back links.
func reasonFor(name string, policy bool) string {
	lower := strings.ToLower(name)
	switch reason := volatile[lower]; {
	case reason != "":
		return reason
	case strings.HasSuffix(name, "BL"):
		return ReasonBackLink
	case policy && lower == "versionnumber":
		return ReasonPolicy
	}
	return ""
}

// defaults are values that mean the same as none.
var defaults = map[string][]string{
	"admincount": {"0"}, "lockouttime": {"0"}, "operatorcount": {"0"}, "countrycode": {"0"}, "codepage": {"0"},
	"accountexpires": {"0", "9223372036854775807"},
}

// sids are attributes whose values are SIDs.
var sids = map[string]bool{"objectsid": true, "sidhistory": true, "ms-ds-creatorsid": true, "securityidentifier": true}

// Attributes that are read.
const (
	descriptorAttribute = "ntsecuritydescriptor"
	dnsAttribute        = "dnsrecord"
	accountControl      = "useraccountcontrol"
)
