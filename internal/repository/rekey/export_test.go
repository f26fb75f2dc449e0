package rekey

// AgeHeader begins every age file of version 1.
const AgeHeader = ageHeader
