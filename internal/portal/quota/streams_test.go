package quota_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/quota"
)

func TestStreamsAreBounded(t *testing.T) {
	s := quota.NewStreams()
	var ends []func()
	for range quota.StreamsPerSubject {
		end, ok := s.Open("noor")
		require.True(t, ok)
		ends = append(ends, end)
	}
	_, ok := s.Open("noor")
	require.False(t, ok)
	for n := range quota.MaxStreams - quota.StreamsPerSubject {
		_, ok = s.Open(fmt.Sprint("person", n))
		require.True(t, ok)
	}
	_, ok = s.Open("mika")
	require.False(t, ok)
	ends[0]()
	_, ok = s.Open("noor")
	require.True(t, ok)
}
