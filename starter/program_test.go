package main

import (
	"os"
	"testing"
)

// programVariable makes the test binary the program itself.
const programVariable = "INFRABACKUP_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main() // it does not return
	}
	os.Exit(m.Run())
}
