package smb

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
)

// statuses maps what servers answer (MS-ERREF 2.3.1) to the codes that operators
// see. What is not listed is SHARE_IO, with the number in the text.
var statuses = map[uint32]fault.Code{
	// The login. None of these is ever tried again with the same password.
	0xC000006D: fault.ShareAuthFailed,     // LOGON_FAILURE
	0xC000006A: fault.ShareAuthFailed,     // WRONG_PASSWORD
	0xC0000064: fault.ShareAuthFailed,     // NO_SUCH_USER
	0xC0000234: fault.ShareAccountLocked,  // ACCOUNT_LOCKED_OUT
	0xC0000072: fault.ShareAccountInvalid, // ACCOUNT_DISABLED
	0xC0000193: fault.ShareAccountInvalid, // ACCOUNT_EXPIRED
	0xC0000071: fault.ShareAccountInvalid, // PASSWORD_EXPIRED
	0xC0000224: fault.ShareAccountInvalid, // PASSWORD_MUST_CHANGE
	0xC000006E: fault.ShareAccountInvalid, // ACCOUNT_RESTRICTION
	0xC000006F: fault.ShareAccountInvalid, // INVALID_LOGON_HOURS
	0xC0000070: fault.ShareAccountInvalid, // INVALID_WORKSTATION
	0xC000015B: fault.ShareAccountInvalid, // LOGON_TYPE_NOT_GRANTED
	0xC0000413: fault.ShareAccountInvalid, // AUTHENTICATION_FIREWALL_FAILED
	0xC0000418: fault.ShareNTLMRefused,    // NTLM_BLOCKED

	// Servers that cannot check a login at the moment.
	0xC000005E: fault.ShareUnreachable, // NO_LOGON_SERVERS
	0xC0000233: fault.ShareUnreachable, // DOMAIN_CONTROLLER_NOT_FOUND
	0xC000018C: fault.ShareUnreachable, // TRUSTED_DOMAIN_FAILURE
	0xC000018D: fault.ShareUnreachable, // TRUSTED_RELATIONSHIP_FAILURE
	0xC0000133: fault.ShareUnreachable, // TIME_DIFFERENCE_AT_DC

	// Share and path.
	0xC00000CC: fault.ShareNotFound,     // BAD_NETWORK_NAME
	0xC00000BE: fault.ShareNotFound,     // BAD_NETWORK_PATH, from macOS
	0xC0000257: fault.ShareUnsupported,  // PATH_NOT_COVERED: a DFS link
	0xC0000022: fault.ShareAccessDenied, // ACCESS_DENIED
	0xC0000121: fault.ShareAccessDenied, // CANNOT_DELETE: mapped into memory, or read-only
	0xC0000034: fault.SharePathNotFound, // OBJECT_NAME_NOT_FOUND
	0xC000003A: fault.SharePathNotFound, // OBJECT_PATH_NOT_FOUND
	0xC000000F: fault.SharePathNotFound, // NO_SUCH_FILE
	0xC0000103: fault.SharePathNotFound, // NOT_A_DIRECTORY
	0xC0000035: fault.ShareExists,       // OBJECT_NAME_COLLISION
	0xC0000101: fault.ShareExists,       // DIRECTORY_NOT_EMPTY
	0xC0000033: fault.ShareInvalid,      // OBJECT_NAME_INVALID
	0xC0000039: fault.ShareInvalid,      // OBJECT_PATH_INVALID
	0xC000003B: fault.ShareInvalid,      // OBJECT_PATH_SYNTAX_BAD
	0xC0000106: fault.ShareInvalid,      // NAME_TOO_LONG

	// Room.
	0xC000007F: fault.ShareFull,         // DISK_FULL; Samba's quota too
	0xC0000044: fault.ShareFull,         // QUOTA_EXCEEDED
	0xC0000802: fault.ShareFull,         // DISK_QUOTA_EXCEEDED
	0xC0000904: fault.ShareFileTooLarge, // FILE_TOO_LARGE
	0xC0000427: fault.ShareFileTooLarge, // FILE_SYSTEM_LIMITATION
	0xC00000A2: fault.ShareReadOnly,     // MEDIA_WRITE_PROTECTED

	// In use, or too much at once.
	0xC0000043: fault.ShareBusy, // SHARING_VIOLATION
	0xC0000054: fault.ShareBusy, // FILE_LOCK_CONFLICT
	0xC0000056: fault.ShareBusy, // DELETE_PENDING
	0xC000009A: fault.ShareBusy, // INSUFFICIENT_RESOURCES
	0xC0000205: fault.ShareBusy, // INSUFF_SERVER_RESOURCES
	0xC00000D0: fault.ShareBusy, // REQUEST_NOT_ACCEPTED
	0xC00000CE: fault.ShareBusy, // TOO_MANY_SESSIONS
	0xC000011F: fault.ShareBusy, // TOO_MANY_OPENED_FILES

	// The session is gone; a new connection helps.
	0xC0000203: fault.ShareUnreachable, // USER_SESSION_DELETED
	0xC00000C9: fault.ShareUnreachable, // NETWORK_NAME_DELETED
	0xC000035C: fault.ShareUnreachable, // NETWORK_SESSION_EXPIRED
	0xC0000128: fault.ShareUnreachable, // FILE_CLOSED
	0xC0000008: fault.ShareUnreachable, // INVALID_HANDLE
	0xC000020C: fault.ShareUnreachable, // CONNECTION_DISCONNECTED
	0xC000020D: fault.ShareUnreachable, // CONNECTION_RESET
	0xC00000B5: fault.ShareUnreachable, // IO_TIMEOUT
	0xC00000C4: fault.ShareUnreachable, // UNEXPECTED_NETWORK_ERROR
	0xC0000466: fault.ShareUnreachable, // SERVER_UNAVAILABLE
	0xC0000467: fault.ShareUnreachable, // FILE_NOT_AVAILABLE
	0xC000022D: fault.ShareUnreachable, // RETRY
	0xC000026E: fault.ShareUnreachable, // VOLUME_DISMOUNTED
}

// loginRefused are the codes after which no login is tried again with this
// configuration, so that no account gets locked.
var loginRefused = map[fault.Code]bool{
	fault.ShareAuthFailed: true, fault.ShareAccountLocked: true, fault.ShareAccountInvalid: true,
	fault.ShareNTLMRefused: true, fault.ShareGuest: true,
}

// statusError is an NTSTATUS as an error.
type statusError uint32

func (e statusError) Error() string { return fmt.Sprintf("NTSTATUS %#08x", uint32(e)) }

// Is gives the two kinds that the port promises.
func (e statusError) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return statuses[uint32(e)] == fault.SharePathNotFound
	case fs.ErrExist:
		return statuses[uint32(e)] == fault.ShareExists
	}
	return false
}

// statusOf finds the status in an error of the library, 0 when there is none. The
// library reports three kinds of status as errors of package os instead.
func statusOf(err error) uint32 {
	var response *smb2.ResponseError
	switch {
	case errors.As(err, &response):
		return response.Code
	case errors.Is(err, fs.ErrNotExist):
		return 0xC0000034
	case errors.Is(err, fs.ErrExist):
		return 0xC0000035
	case errors.Is(err, fs.ErrPermission):
		return 0xC0000022
	}
	return 0
}

// statusFault makes a fault of a status.
func statusFault(what string, status uint32) *fault.Fault {
	code, ok := statuses[status]
	if !ok {
		code = fault.ShareIO
	}
	return fault.New(code, what, statusError(status))
}

// isConnectionBroken tells errors of the library after which its connection must not be used
// again: everything that is not a server's plain answer, and answers that say so.
func isConnectionBroken(err error) bool {
	status := statusOf(err)
	return status == 0 || statuses[status] == fault.ShareUnreachable
}

// classify makes a fault of an error of the library that is not explained by the
// end of its connection.
func classify(what string, err error) *fault.Fault {
	if status := statusOf(err); status != 0 {
		return statusFault(what, status)
	}
	var invalid *smb2.InvalidResponseError
	var transport *smb2.TransportError
	var ended *smb2.ContextError
	switch {
	case errors.As(err, &invalid):
		return fault.New(fault.ShareProtocol, what, err)
	case errors.As(err, &transport):
		return fault.New(fault.ShareUnreachable, what, transport.Err)
	case errors.As(err, &ended):
		return fault.New(fault.ShareUnreachable, what, ended.Err)
	}
	return fault.New(fault.ShareIO, what, err)
}
