// Command version prints the build's version, for a test that links it.
package main

import (
	"fmt"

	"infrabackup/internal/build"
)

func main() { fmt.Println(build.Version()) }
