package share

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// Limits of a UNC path, in bytes. A DNS name has at most 253 (RFC 1035), a share
// name at most 80 characters (MS-SRVS 2.2.4.23, NetShareAdd), a path element 255.
// The folder is kept short so that it and a Store's longest path stay far below
// what file servers accept.
const (
	maxHost    = 253
	maxShare   = 80
	maxElement = 255
	maxFolder  = 400
	maxUNC     = 1024
)

// UNC names a folder on a file server: \\host\share\path. The zero value names
// nothing; [ParseUNC] is the only way to a valid one.
type UNC struct {
	// Host is a DNS name, a NetBIOS name or an IP address, without a port.
	Host string
	// Share is the share's name, without separators.
	Share string
	// Path is the folder within the share with backslashes between its elements
	// and none at its ends. It is empty for the share's own folder.
	Path string
}

// String writes the UNC path with backslashes.
func (u UNC) String() string {
	s := `\\` + u.Host + `\` + u.Share
	if u.Path != "" {
		s += `\` + u.Path
	}
	return s
}

// Parent is the folder above, false for the share's own folder, which has none.
func (u UNC) Parent() (UNC, bool) {
	if u.Path == "" {
		return UNC{}, false
	}
	u.Path = u.Path[:max(0, strings.LastIndexByte(u.Path, '\\'))]
	return u, true
}

// ParseUNC reads \\host\share[\path] or //host/share[/path]; one separator at
// the end is forgiven. It refuses with SHARE_INVALID what no SMB server could
// mean (ports, empty elements, "." and "..", characters that Windows does not
// allow, device names, over-long parts), and with SHARE_UNSUPPORTED what names a
// cloud's storage account: Azure Files, blobs, and every http(s) URL.
func ParseUNC(text string) (UNC, error) {
	if len(text) > maxUNC {
		return UNC{}, fault.Newf(fault.ShareInvalid, "the share's path is longer than %d bytes", maxUNC)
	}
	if isCloudStorage(text) {
		return UNC{}, fault.Newf(fault.ShareUnsupported, "%s is cloud storage, not a file server's share", shown(text))
	}
	separator := `\`
	switch {
	case strings.HasPrefix(text, `\\`):
	case strings.HasPrefix(text, "//"):
		separator = "/"
	default:
		return UNC{}, fault.Newf(fault.ShareInvalid, `%s does not start with \\`, shown(text))
	}
	elements := strings.Split(strings.TrimSuffix(text[2:], separator), separator)
	if len(elements) < 2 {
		return UNC{}, fault.Newf(fault.ShareInvalid, "%s names no share", shown(text))
	}
	unc := UNC{Host: elements[0], Share: elements[1], Path: strings.Join(elements[2:], `\`)}
	if why := hostFlaw(unc.Host); why != "" {
		return UNC{}, fault.Newf(fault.ShareInvalid, "the host of %s %s", shown(text), why)
	}
	if why := shareFlaw(unc.Share); why != "" {
		return UNC{}, fault.Newf(fault.ShareInvalid, "the share of %s %s", shown(text), why)
	}
	if len(unc.Path) > maxFolder {
		return UNC{}, fault.Newf(fault.ShareInvalid, "the folder of %s is longer than %d bytes", shown(text), maxFolder)
	}
	for _, element := range elements[2:] {
		if why := elementFlaw(element, maxElement, `"*/:<>?\|`); why != "" {
			return UNC{}, fault.Newf(fault.ShareInvalid, "the folder %s of %s %s", shown(element), shown(text), why)
		}
	}
	return unc, nil
}

// storageKinds are the second labels of a storage account's endpoints.
var storageKinds = map[string]bool{"file": true, "blob": true, "dfs": true, "queue": true, "table": true, "web": true}

// isCloudStorage recognises URLs and the host names of storage accounts:
// <account>.<kind>.core.<cloud's suffix> in public and sovereign clouds,
// <account>.<zone>.<kind>.storage.azure.net with DNS zones, the same names
// behind a private link, and <account>.<kind>.<region>.<…azurestack…> on Azure
// Stack. A private cloud under a domain of its own, <account>.file.<region>.corp,
// looks like any file server and is not recognised.
func isCloudStorage(text string) bool {
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		return true
	}
	host := strings.TrimLeft(lower, `\/`)
	if end := strings.IndexAny(host, `\/`); end >= 0 {
		host = host[:end]
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for i := 1; i+2 < len(labels); i++ {
		if !storageKinds[labels[i]] {
			continue
		}
		if labels[i+1] == "core" || labels[i+1] == "storage" && labels[i+2] == "azure" {
			return true
		}
		for _, label := range labels[i+1:] {
			if strings.Contains(label, "azurestack") {
				return true
			}
		}
	}
	return false
}

// hostFlaw says what is wrong with a host, "" when nothing is.
func hostFlaw(host string) string {
	if host == "" {
		return "is empty"
	}
	if address, err := netip.ParseAddr(host); err == nil {
		if address.Zone() != "" || address.IsUnspecified() || address.IsMulticast() {
			return "is not the address of one server"
		}
		return ""
	}
	if len(host) > maxHost {
		return "is longer than a DNS name may be"
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "is not a DNS name: each label has 1 to 63 characters"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "is not a DNS name: a label starts or ends with a hyphen"
		}
		for _, c := range []byte(label) {
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return "has a character that no host name has (a port cannot be given: SMB is on 445)"
			}
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "looks like an IP address and is none"
	}
	return ""
}

// shareFlaw says what is wrong with a share's name, "" when nothing is. The
// characters are those that MS-FSCC 2.1.6 excludes.
func shareFlaw(name string) string {
	if strings.EqualFold(name, "IPC$") {
		return "is the server's pipe share, which holds no files"
	}
	return elementFlaw(name, maxShare, `"*+,/:;<=>?[\]|`)
}

// elementFlaw says what is wrong with one element of a path on the server.
func elementFlaw(name string, limit int, refused string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > limit:
		return "is too long"
	case name == "." || name == "..":
		return "is a relative step"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case strings.ContainsAny(name, refused):
		return "has one of the characters " + refused
	case strings.HasPrefix(name, " "):
		return "starts with a space"
	case strings.HasSuffix(name, " ") || strings.HasSuffix(name, "."):
		return "ends with a space or a dot"
	case isDevice(name):
		return "is the name of a device on Windows"
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "has a character that cannot be printed"
		}
	}
	return ""
}

// shown is text for a message: bounded, and fit for a terminal.
func shown(text string) string {
	const limit = 120
	return printable.Text(printable.Clip(text, limit))
}
