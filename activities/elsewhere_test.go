package activities

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/mount"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// polled is a client of a server that knows so many workers with each source.
type polled struct {
	client.Client
	workers int
}

func (p polled) DescribeTaskQueue(context.Context, string, enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: make([]*taskqueuepb.PollerInfo, p.workers)}, nil
}

// TestAHostWithoutTheShareCapturesNothing where another one can do better; the only one captures, and
// waits for the share afterwards.
func TestAHostWithoutTheShareCapturesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		workers  int
		code     fault.Code
		captures bool
	}{
		"one of two":           {2, fault.ShareUnreachable, false},
		"the only one":         {1, fault.ShareUnreachable, true},
		"refused by the share": {2, fault.ShareAuthFailed, true}, // as it would be elsewhere; the upload says so
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			line, err := codec.GenerateKeyLine("k", rand.Reader)
			require.NoError(t, err)
			x.a.Keyring, err = codec.ParseKeyring([]byte(line))
			require.NoError(t, err)
			x.a.Encrypter, x.a.Host, x.a.Client = seal.FileEncrypter{}, "host", polled{x.entity, test.workers}
			x.a.stores = mount.NewPool(func(context.Context, settings.Settings) (share.Store, error) {
				return nil, fault.Newf(test.code, "no way")
			}, x.a.Now)
			x.a.collectors[backup.CA] = &large{fixed{service: backup.CA}}
			_, recipient, err := seal.DeriveIdentity([32]byte{9})
			require.NoError(t, err)
			ctx := context.WithValue(t.Context(), heartbeaterKey{}, &heartbeater{})
			out, err := x.a.Collect(ctx, flow.CollectInput{
				BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Service: backup.CA, Recipient: recipient, WorkKeyID: x.a.Keyring.Active(), Revision: 1,
			})
			if test.captures {
				require.NoError(t, err)
				require.Positive(t, out.Part.Size)
				return
			}
			require.ErrorIs(t, err, test.code)
			require.True(t, test.code.Retryable(), "another worker gets it")
		})
	}
}
