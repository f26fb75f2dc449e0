package wire

import "infrabackup/internal/flow"

// Percent tells how far a backup is. It counts services, since their sizes are known late: half for
// capture, half for upload.
func Percent(p *flow.Progress) float64 {
	if len(p.Services) == 0 {
		return 0
	}
	sum := 0.0
	for _, s := range p.Services {
		part := 0.0
		if s.TotalBytes > 0 {
			part = min(1, float64(s.Bytes)/float64(s.TotalBytes))
		}
		switch s.Phase {
		case flow.PhaseCapture:
			sum += part / 2
		case flow.PhaseUpload, flow.PhaseReadBack:
			sum += 0.5 + part/2
		case flow.PhaseDone, flow.PhaseFailed:
			sum++
		}
	}
	return float64(int(sum/float64(len(p.Services))*1000)) / 10
}
