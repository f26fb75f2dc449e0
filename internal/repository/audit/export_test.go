package audit

// UnfinishedMessage is said of a backup whose key was being replaced.
const UnfinishedMessage = unfinishedMessage
