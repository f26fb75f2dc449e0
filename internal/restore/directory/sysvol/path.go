package sysvol

import "strings"

// devices are names that Windows takes for devices, whatever follows them behind a dot.
var devices = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "conin$": true, "conout$": true}

// replication is the folder that replication keeps for itself.
const replication = "dfsrprivate"

// plain reports whether a path is one that a policy or a script can have below the domain's folder.
// Others would name a stream of another file (x:y), a device, the folder above or a file by a second
// name (Windows cuts dots and spaces off): a backup that was tampered with may have them.
func plain(path string) bool {
	parts := strings.Split(path, "/")
	for _, part := range parts {
		low, _, _ := strings.Cut(strings.ToLower(part), ".")
		low = strings.TrimRight(low, " ")
		port, numbered := strings.CutPrefix(low, "com")
		if !numbered {
			port, numbered = strings.CutPrefix(low, "lpt")
		}
		switch {
		case part == "", strings.HasSuffix(part, "."), strings.HasSuffix(part, " "), strings.ContainsAny(part, `<>:"\|?*`):
			return false
		case strings.ContainsFunc(part, func(c rune) bool { return c < ' ' }):
			return false
		case devices[low], numbered && len([]rune(port)) == 1 && strings.Contains("0123456789¹²³", port), low == replication:
			return false
		}
	}
	return len(parts) > 1
}

// Elsewhere reports whether the path of a policy's files (gPCFileSysPath) is another one than that of
// its own folder in its domain's SYSVOL (MS-GPOL 2.2.4): clients take the policy from there, be it from
// another host. An empty one is of an object that has no files.
func Elsewhere(unc, domain, policy string) bool {
	unc = strings.TrimRight(strings.ReplaceAll(unc, "/", `\`), `\`)
	return unc != "" && !strings.EqualFold(unc, `\\`+domain+`\SysVol\`+domain+`\Policies\`+policy)
}
