package ad

import (
	"context"
	"fmt"
	"strings"

	"infrabackup/internal/fault"
)

// sysvolCodes says what failures of an SMB share mean for a source.
var sysvolCodes = map[fault.Code]fault.Code{
	fault.ShareAuthFailed:     fault.SourceAuthFailed,
	fault.ShareAccountLocked:  fault.SourceAuthFailed,
	fault.ShareAccountInvalid: fault.SourceAuthFailed,
	fault.ShareNTLMRefused:    fault.SourceAuthFailed,
	fault.ShareGuest:          fault.SourceAuthFailed,
	fault.ShareAccessDenied:   fault.SourceAccessDenied,
	fault.ShareNotFound:       fault.SourceInvalid,
	fault.SharePathNotFound:   fault.SourceInvalid,
	fault.ShareDialect:        fault.SourceInvalid,
	fault.ShareUnsupported:    fault.SourceInvalid,
	fault.ShareInvalid:        fault.SourceInvalid,
	fault.ShareNotEncrypted:   fault.SourceInvalid,
	fault.ShareCorrupted:      fault.SourceChanging,
	fault.LimitExceeded:       fault.LimitExceeded,
}

// explainSYSVOL makes a source's fault of an error of a [FileSource].
func explainSYSVOL(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	f, ok := fault.Of(err)
	if ok && strings.HasPrefix(string(f.Code), "SOURCE_") {
		return err
	}
	code := fault.SourceUnreachable
	if ok && sysvolCodes[f.Code] != "" {
		code = sysvolCodes[f.Code]
	}
	return fault.New(code, what, err)
}
