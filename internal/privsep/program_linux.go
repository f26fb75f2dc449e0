package privsep

// OwnProgram is the file that this process runs: the very same, also after an update
// has put another in its place.
func OwnProgram() (string, error) { return "/proc/self/exe", nil }
