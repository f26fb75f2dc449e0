package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
)

// namespace is a Temporal whose namespace keeps closed runs for so long, or does not say.
type namespace struct {
	workflowservice.WorkflowServiceClient
	kept time.Duration
	err  error
}

// behind is the client of such a Temporal.
type behind struct {
	client.Client
	namespace
}

// WorkflowService implements client.Client.
func (b behind) WorkflowService() workflowservice.WorkflowServiceClient { return b.namespace }

// DescribeNamespace implements workflowservice.WorkflowServiceClient.
func (n namespace) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest, ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(n.kept)}}, n.err
}

// A namespace that forgets soon is told, and is no failure.
func TestRetentionIsTold(t *testing.T) {
	for kept, want := range map[time.Duration]string{
		24 * time.Hour:       "keeps closed runs for 24 hours; 720 are recommended",
		minRetention - 1:     "keeps closed runs for 719 hours; 720 are recommended",
		minRetention:         "keeps closed runs for 720 hours",
		365 * 24 * time.Hour: "keeps closed runs for 8760 hours",
	} {
		check := (&Activities{Dependencies: Dependencies{Client: behind{namespace: namespace{kept: kept}}}}).diagnoseRetention(t.Context())
		require.True(t, check.OK)
		require.True(t, strings.HasPrefix(check.Message, want), check.Message)
		require.Equal(t, kept < minRetention, strings.Contains(check.Message, "--retention 30d"))
	}
	check := (&Activities{Dependencies: Dependencies{Client: behind{namespace: namespace{err: errors.New("not allowed")}}}}).diagnoseRetention(t.Context())
	require.True(t, check.OK, "a worker need not be allowed to ask")
}

// The spool has to have room for a backup like the newest.
func TestSpoolSpaceIsComparedWithTheNewestBackup(t *testing.T) {
	const instance = "t-0ec3988e"
	spooled, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, spooled.Close()) })
	a := &Activities{Dependencies: Dependencies{Spool: spooled}}
	folder := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("..", "tests", "compat", "testdata", "v1", "share"))))
	store, err := dir.Open(folder)
	require.NoError(t, err)

	check := a.diagnoseSpool(t.Context(), repository.New(store, "nobody"))
	require.True(t, check.OK, check.Message)
	require.Contains(t, check.Message, "plan for one backup")

	repo := repository.New(store, instance)
	check = a.diagnoseSpool(t.Context(), repo)
	require.True(t, check.OK, check.Message)
	require.Contains(t, check.Message, "a backup is expected to need 0 MiB")

	// The newest backup was an exbibyte.
	listing, err := repo.List(t.Context(), 1)
	require.NoError(t, err)
	file := filepath.Join(folder, filepath.FromSlash(listing.Backups[0].Path), "manifest.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	const part, total, more = 102_148, 203_908, 1 << 60
	larger := strings.NewReplacer(fmt.Sprint(part), fmt.Sprint(part+more), fmt.Sprint(total), fmt.Sprint(total+more)).Replace(string(text))
	require.NoError(t, os.WriteFile(file, []byte(larger), 0o600))
	check = a.diagnoseSpool(t.Context(), repo)
	require.False(t, check.OK)
	require.Equal(t, string(fault.SpoolFull), check.Code, check.Message)
}
