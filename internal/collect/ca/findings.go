package ca

import (
	"fmt"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/printable"
)

// Codes of the gaps that a capture can have. The first group is about what the
// part does not hold or holds in another form, the second about what does not fit
// together in the CA itself; those files are captured as they are.
const (
	KeyNotContained   = "KEY_NOT_CONTAINED"   // private key is missing, outside of the folder, or in a hardware module
	KeyEncrypted      = "KEY_ENCRYPTED"       // captured encrypted, therefore not checked; its passphrase is not in the part
	FileNotRecognised = "FILE_NOT_RECOGNISED" // captured as it is, though nothing knows what it is
	FileRenamed       = "FILE_RENAMED"        // captured under another name, since its own is not printable UTF-8, or too long
	NotReadable       = "FILE_NOT_READABLE"   // file or folder that is not the CA's, and that the worker's account may not read
	TooLarge          = "FILE_TOO_LARGE"      // file that is not the CA's, larger than a backup has room for
	FileChanging      = "FILE_CHANGING"       // file that is not the CA's and was written to while it was read: captured as it was then
	SymlinkOutside    = "SYMLINK_OUTSIDE"     // link is captured, its target is not: outside of the folder, or missing
	SpecialFile       = "SPECIAL_FILE"        // device, socket or FIFO: it has no content that could be kept

	CertificateMissing     = "CA_CERTIFICATE_MISSING"        // no CA certificate was found
	CertificateNotCA       = "CA_CERTIFICATE_NOT_CA"         // basicConstraints or keyUsage do not let it sign certificates and CRLs
	CertificateExpired     = "CA_CERTIFICATE_EXPIRED"        // even the newest generation has expired
	CertificateNotYetValid = "CA_CERTIFICATE_NOT_YET_VALID"  // no generation is valid yet
	ChainIncomplete        = "CA_CHAIN_INCOMPLETE"           // issuer of the CA certificate is not in the folder
	KeyMismatch            = "CA_KEY_MISMATCH"               // CA key belongs to none of the CA certificates
	KeyUnreadable          = "CA_KEY_UNREADABLE"             // CA key could not be read, so not checked
	DatabaseMissing        = "CA_DATABASE_MISSING"           // no index of issued certificates
	DatabaseMalformed      = "CA_DATABASE_MALFORMED"         // a row or number that openssl would refuse
	DatabaseNotChecked     = "CA_DATABASE_NOT_CHECKED"       // database of another CA in the same folder
	SerialMissing          = "CA_SERIAL_MISSING"             // sequential serial numbers without serial file
	SerialBehind           = "CA_SERIAL_BEHIND"              // next serial number was already used
	SerialDuplicate        = "CA_SERIAL_DUPLICATE"           // serial number was used twice
	IssuedMissing          = "CA_CERT_MISSING"               // index has it, no file does
	IssuedNotInIndex       = "CA_ROW_MISSING"                // file has it, the index does not
	IssuedDiffers          = "CA_ROW_DIFFERS"                // index and certificate give different expiry
	IssuedUnreadable       = "CA_CERT_UNREADABLE"            // not a certificate, or one that cannot be parsed
	IssuedMisnamed         = "CA_CERT_MISNAMED"              // file name is not the serial number
	IssuedForeign          = "CA_CERT_FOREIGN"               // among the issued ones, from another issuer
	SignatureInvalid       = "CA_CERT_SIGNATURE_INVALID"     // no generation of the CA verifies it
	SignatureNotChecked    = "CA_CERT_SIGNATURE_NOT_CHECKED" // algorithm or key size that is not supported, such as MD5
	CRLMissing             = "CA_CRL_MISSING"                // something is revoked or a CRL was issued, none is here
	CRLUnreadable          = "CA_CRL_UNREADABLE"             // cannot be parsed, or too large to be checked
	CRLSignatureInvalid    = "CA_CRL_SIGNATURE_INVALID"      // no generation of the CA verifies it
	CRLExpired             = "CA_CRL_EXPIRED"                // nextUpdate has passed, or is missing
	CRLNotYetValid         = "CA_CRL_NOT_YET_VALID"          // thisUpdate lies ahead
	CRLNumberMissing       = "CA_CRLNUMBER_MISSING"          // CRLs are numbered, the file with the next number is not there
	CRLNumberBehind        = "CA_CRLNUMBER_BEHIND"           // next CRL number was already used
	CRLNewerElsewhere      = "CA_CRL_NEWER_ELSEWHERE"        // a newer CRL was issued and is not in the folder
	RevokedNotOnCRL        = "CA_REVOKED_NOT_ON_CRL"         // revoked in the index, not on the newest CRL
	OnCRLNotRevoked        = "CA_ON_CRL_NOT_REVOKED"         // on the newest CRL, not revoked in the index
)

// maxNamed bounds how many gaps of one code are named one by one: gaps stand in
// the manifest, whose size is limited. The others are counted.
const maxNamed = 20

// maxObjectBytes bounds the text that names an object in a gap.
const maxObjectBytes = 300

// findings collects gaps, in the order in which the codes first came up.
type findings struct {
	order  []string
	byCode map[string]*backup.GapList
}

func newFindings() *findings { return &findings{byCode: map[string]*backup.GapList{}} }

func (f *findings) add(code, object, format string, args ...any) {
	list, ok := f.byCode[code]
	if !ok {
		list = &backup.GapList{MaxListed: maxNamed}
		f.byCode[code] = list
		f.order = append(f.order, code)
	}
	list.Add(backup.Gap{
		Code: code, Object: printable.Line(object, maxObjectBytes), Reason: printable.Line(fmt.Sprintf(format, args...), 2*maxObjectBytes),
	})
}

// report hands all gaps to sink.
func (f *findings) report(sink collect.Sink) {
	for _, code := range f.order {
		for _, gap := range f.byCode[code].All() {
			sink.Gap(gap)
		}
	}
}
