package activities

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// TestSealingFitsIntoTemporal: with as many gaps of as many words as there can be, and lists
// of items as long as they may be, the input stays below what Temporal takes of one.
func TestSealingFitsIntoTemporal(t *testing.T) {
	const most = 2 << 20 // Temporal's limit.blobSize.error
	var gaps []backup.Gap
	for i := range 10_000 {
		gaps = append(gaps, backup.Gap{Code: fmt.Sprintf("CODE_%d", i%5), Object: strings.Repeat("/subscriptions/x", 50), Reason: strings.Repeat("why ", 250)})
	}
	in := flow.SealBackupInput{}
	services := backup.Services()
	for _, service := range services {
		in.Services = append(in.Services, backup.ServiceResult{Service: service, Gaps: backup.BoundGaps(gaps, maxGaps, maxGapBytes)})
		in.Indexes = append(in.Indexes, flow.ServiceIndex{Service: service, Data: make([]byte, flow.MaxIndexData/len(services))})
	}
	encoded, err := json.Marshal(in)
	require.NoError(t, err)
	require.Less(t, len(encoded), most*3/4)
	t.Logf("%d KiB of %d", len(encoded)>>10, most>>10)
}
