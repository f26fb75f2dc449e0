package ad

// Codes of the gaps that a capture of AD can have.
const (
	// PasswordsNotReadable: unicodePwd, dBCSPwd, ntPwdHistory, lmPwdHistory,
	// supplementalCredentials, trustAuthIncoming, trustAuthOutgoing, currentValue,
	// priorValue, initialAuthIncoming and initialAuthOutgoing are never given to
	// anybody over LDAP (MS-ADTS 3.1.1.4.4). Counts accounts, trusts and secrets.
	PasswordsNotReadable = "PASSWORDS_NOT_READABLE"
	// SecurityDescriptorNotReadable counts objects that came without one: the account
	// lacks READ_CONTROL, or the controller keeps none, as Samba for its containers of
	// deleted objects.
	SecurityDescriptorNotReadable = "SECURITY_DESCRIPTOR_NOT_READABLE"
	// SACLNotCaptured: audit settings need a privilege that a backup account should
	// not have (ACCESS_SYSTEM_SECURITY, MS-ADTS 3.1.1.4.4).
	SACLNotCaptured = "SACL_NOT_CAPTURED"
	// RecycledNotShown: the controller knows no control that shows recycled objects.
	RecycledNotShown = "RECYCLED_OBJECTS_NOT_SHOWN"
	// PartitionElsewhere names a naming context that the controller refers to and
	// does not hold, such as that of a child domain.
	PartitionElsewhere = "PARTITION_ELSEWHERE"

	// SYSVOLNotConfigured: group policy files are not captured at all.
	SYSVOLNotConfigured = "SYSVOL_NOT_CONFIGURED"
	// SYSVOLACL: access control lists of the files in SYSVOL, which the SMB library
	// cannot read. Counts files.
	SYSVOLACL = "SYSVOL_ACL"
	// SYSVOLNotAFile counts links in SYSVOL, which are not followed.
	SYSVOLNotAFile = "SYSVOL_NOT_A_FILE"
	// SYSVOLUnreadable names a file in SYSVOL that could not be read, though others could:
	// removed meanwhile, not readable for the account, or in use for too long.
	SYSVOLUnreadable = "SYSVOL_UNREADABLE"
	// GPOFilesMissing names a policy that has no GPT.INI in SYSVOL.
	GPOFilesMissing = "GPO_FILES_MISSING"
	// GPOVersionMismatch names a policy whose versionNumber in the directory is not
	// the one in its GPT.INI: one half is newer (MS-GPOL 2.2.4).
	GPOVersionMismatch = "GPO_VERSION_MISMATCH"
)
