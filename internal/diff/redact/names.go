package redact

import (
	"regexp"
	"strings"
)

// endings are how names of properties end that hold a secret, in small letters and without
// what is neither letter nor digit. What lies below such a property is secret as a whole.
var endings = []string{
	"password", "passwd", "pwd", "passphrase", "passwordorkey", "secret", "secretvalue", "sharedkey", "presharedkey", "accesskey", "accountkey",
	"primarykey", "secondarykey", "masterkey", "privatekey", "apikey", "authorizationkey", "connectionstring", "connectionstrings",
	"token", "sastoken", "sasuri", "sasurl", "customdata", "userdata", "protectedsettings", "credential", "credentials", "unattendcontent",
}

// names are such names as a whole, which are too short to be looked for at the end of others.
var names = map[string]bool{"sas": true, "psk": true, "accountsas": true, "containersas": true, "accesssas": true, "pass": true}

// attributes are the attributes of a directory that hold secrets (MS-ADTS 3.1.1.4.4, and those of LAPS,
// BitLocker, credential roaming and key distribution), in small letters.
var attributes = lowered(
	"unicodePwd", "dBCSPwd", "userPassword", "unixUserPassword", "ntPwdHistory", "lmPwdHistory", "supplementalCredentials", "currentValue", "priorValue",
	"initialAuthIncoming", "initialAuthOutgoing", "trustAuthIncoming", "trustAuthOutgoing", "pekList", "ms-Mcs-AdmPwd", "ms-Mcs-AdmPwdHistory",
	"msLAPS-Password", "msLAPS-EncryptedPassword", "msLAPS-EncryptedPasswordHistory", "msLAPS-EncryptedDSRMPassword", "msLAPS-EncryptedDSRMPasswordHistory",
	"msDS-ManagedPassword", "msDS-ManagedPasswordPreviousId", "msFVE-RecoveryPassword", "msFVE-KeyPackage", "msTPM-OwnerInformation",
	"msPKIAccountCredentials", "msPKIDPAPIMasterKeys", "msPKI-CredentialRoamingTokens", "msKds-RootKeyData", "msDS-ExecuteScriptPassword",
	"msSFU30Password", "sambaNTPassword", "sambaLMPassword", "sambaPasswordHistory", "krb5Key", "krbPrincipalKey", "msNPSavedCallingStationID",
)

func lowered(all ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range all {
		set[strings.ToLower(name)] = true
	}
	return set
}

// folded is a name in small letters, without what is neither letter nor digit.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 0x7f:
			return r
		}
		return -1
	}, name)
}

// Property reports whether a property of that name in a JSON document holds a secret.
func Property(name string) bool {
	name = folded(name)
	if names[name] {
		return true
	}
	for _, ending := range endings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// Attribute reports whether an attribute of that name in a directory holds a secret. Options
// behind a semicolon do not matter (RFC 4512, 2.5).
func Attribute(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ";")
	if attributes[name] {
		return true
	}
	name = folded(name)
	for _, ending := range []string{"password", "passwd", "passphrase", "secret", "privatekey"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// secretText matches texts that carry a secret with its name: connection strings, command
// lines, addresses with an account or a signature, keys in PEM, tokens.
var secretText = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`(?:account|access|shared|api|private|primary|secondary|master)[-_ ]?(?:access)?[-_ ]?key["']?\s*[=:]\s*\S`,
	`(?:password|passwd|passphrase|passwort|kennwort|\bpwd|\bpass|secret|\btoken|credential)["']?\s*[=:]\s*\S`,
	`(?:^|\s)[-/]{1,2}[a-z-]*(?:password|passwd|pwd|pass|secret|token|accountkey|accesskey)[\s=:]+\S`,
	`[?&;]sig=`,
	`-----BEGIN [A-Z0-9 ]*PRIVATE KEY`,
	`://[^/\s:@]+:[^/\s@]+@`,
	`\b(?:bearer|basic)\s+[a-z0-9+/=_.~-]{12,}`,
	`\beyJ[a-z0-9_-]{8,}\.[a-z0-9_-]{4,}`,
	`AGE-SECRET-KEY-`,
	`ConvertTo-SecureString\s`,
}, "|"))

// Text reports whether a text carries a secret, by what it looks like.
func Text(text string) bool {
	if len(text) < 6 || !strings.ContainsAny(text, "=:-. /") {
		return false
	}
	return secretText.MatchString(text)
}
