package ad

import (
	"slices"
	"sort"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
)

// maxPolicies bounds the group policies that are compared with their files.
const maxPolicies = 100_000

// accountClasses are the classes of objects with secrets that nobody can read.
var accountClasses = []string{"user", "inetOrgPerson", "trustedDomain", "secret"}

// remarks are what a record says besides, for the gaps.
type remarks struct {
	undescribed, account bool
	policy, version      string // name and version of the group policy that it is
}

func remarksOf(object *record.Record) remarks {
	m := remarks{
		undescribed: object.Attribute("nTSecurityDescriptor") == nil,
		account:     !object.Deleted && slices.ContainsFunc(accountClasses, func(class string) bool { return object.Has("objectClass", class) }),
	}
	if object.Has("objectClass", "groupPolicyContainer") {
		m.policy, m.version = strings.ToUpper(object.Value("cn")), object.Value("versionNumber")
		if object.Deleted {
			// The name of a deleted one has more behind the GUID (MS-ADTS 3.1.1.5.5.1.3).
			m.policy, _, _ = strings.Cut(m.policy, "\n")
		}
	}
	return m
}

// note counts what becomes a gap in the end.
func (r *reading) note(o *object, again bool) {
	switch {
	case o.policy == "":
	case o.deleted:
		delete(r.policies, o.policy)
	case len(r.policies) < maxPolicies:
		r.policies[o.policy] = o.version
	}
	if again {
		return
	}
	if o.undescribed {
		r.undescribed++
	}
	if o.account {
		r.accounts++
	}
}

// reportGaps hands over the gaps that the directory part has.
func (r *reading) reportGaps() {
	r.sink.Gap(backup.Gap{
		Code: PasswordsNotReadable, Object: "passwords of accounts, computers, trusts and secrets", Count: r.accounts,
		Reason: "A domain controller never gives them over LDAP. Accounts that are created again need new passwords, computers must join again, trusts must be renewed.",
	})
	r.sink.Gap(backup.Gap{
		Code: SACLNotCaptured, Object: "audit entries (SACL) of security descriptors",
		Reason: "Reading them needs the privilege to manage auditing, which a backup account should not have.",
	})
	if r.undescribed > 0 {
		r.sink.Gap(backup.Gap{
			Code: SecurityDescriptorNotReadable, Object: "security descriptors of objects", Count: r.undescribed,
			Reason: "The account lacks the right Read Permissions on them, or the controller keeps no permissions for them.",
		})
	}
	if !r.root.supports(oidShowRecycled) {
		r.sink.Gap(backup.Gap{
			Code: RecycledNotShown, Object: "recycled objects",
			Reason: "The domain controller has no control that shows them. They cannot be restored in any case.",
		})
	}
	elsewhere := make([]string, 0, len(r.elsewhere))
	for dn := range r.elsewhere {
		elsewhere = append(elsewhere, dn)
	}
	sort.Strings(elsewhere)
	for _, dn := range elsewhere {
		r.sink.Gap(backup.Gap{
			Code: PartitionElsewhere, Object: dn,
			Reason: "The domain controller does not hold this naming context; back up a controller that does.",
		})
	}
}
