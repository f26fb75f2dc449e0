package backup

// Status is the state of a backup or of one service in it. The words are Azure
// Stack's (Microsoft.Backup.Admin, OperationStatus).
type Status string

// The states. Creating, Queued and Running are on the way; the others are final.
const (
	Creating         Status = "Creating"
	Queued           Status = "Queued"
	Running          Status = "Running"
	Deleted          Status = "Deleted"
	Failed           Status = "Failed"
	PartialSucceeded Status = "PartialSucceeded"
	Succeeded        Status = "Succeeded"
)

// Final reports whether a backup in this state will not change any more by
// itself.
func (s Status) Final() bool {
	switch s {
	case Succeeded, PartialSucceeded, Failed, Deleted:
		return true
	}
	return false
}

// Overall derives the status of a backup from its finished services: Succeeded
// when all succeeded, Failed when none did, PartialSucceeded in between.
func Overall(results []ServiceResult) Status {
	good := 0
	for _, r := range results {
		if r.Status == Succeeded {
			good++
		}
	}
	switch {
	case good == 0:
		return Failed
	case good < len(results):
		return PartialSucceeded
	default:
		return Succeeded
	}
}
