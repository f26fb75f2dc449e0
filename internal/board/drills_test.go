package board

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
)

// TestDrills: the newest drill is told, and the newest that has proven a backup; that they cannot be
// read takes away neither what is known nor the snapshot.
func TestDrills(t *testing.T) {
	of := func(trust drill.Trust, result drill.Result, id backup.ID) drill.Listed {
		return drill.Listed{DrillID: id, Trust: trust, Brief: &drill.Brief{Result: result, BackupID: "a", Verified: result == drill.Passed && id != "0"}}
	}
	run(t, func(t *testing.T, b *Board, s *source) {
		require.Nil(t, b.Snapshot().NewestDrill())
		s.set(func(s *source) {
			s.drills = []drill.Listed{{DrillID: "0", Trust: drill.Refused}, of(drill.Unchecked, drill.Passed, "1"), of(drill.Believed, drill.NotPassed, "2"), of(drill.Believed, drill.Passed, "3"), of(drill.Believed, drill.Passed, "4")}
		})
		after(standEvery + ReadUnseen)
		require.EqualValues(t, "1", b.Snapshot().NewestDrill().DrillID)
		require.EqualValues(t, "3", b.Snapshot().ProvenBy("a").DrillID, "not refused, not unchecked, not failed")
		require.Nil(t, b.Snapshot().ProvenBy("b"))
		s.set(func(s *source) { s.fails["Drills"] = fault.Newf(fault.NoWorker, "none") })
		before, at := b.Snapshot().AsOf, b.Snapshot().DrillsAt
		after(standEvery + ReadUnseen)
		require.EqualValues(t, "1", b.Snapshot().NewestDrill().DrillID)
		require.Equal(t, []any{fault.NoWorker, true}, []any{b.Snapshot().DrillsFault.Code, b.Snapshot().DrillsAt.Equal(at)}, "it is told that they are old")
		require.Nil(t, b.Snapshot().Fault)
		require.True(t, b.Snapshot().AsOf.After(before))

		// A share that hangs holds the rest back for a moment only.
		hung := make(chan struct{})
		s.set(func(s *source) { s.hold["Drills"] = hung })
		before = b.Snapshot().AsOf
		after(standEvery + ReadUnseen + drillsTimeout)
		require.True(t, b.Snapshot().AsOf.After(before))
		require.Equal(t, fault.NoWorker, b.Snapshot().DrillsFault.Code)
		s.set(func(s *source) { delete(s.hold, "Drills"); delete(s.fails, "Drills") })
		after(standEvery + ReadUnseen)
		require.Nil(t, b.Snapshot().DrillsFault)
		require.True(t, b.Snapshot().DrillsAt.After(at))
	})
}
