package build

import "runtime/debug"

// version is set by the linker, as the Makefile does:
// -ldflags "-X infrabackup/internal/build.version=v1.2.3".
var version string

// unknown is the version of a build that says nothing of itself.
const unknown = "devel"

// Version is what the linker was given; else what Go recorded: the module's version, or
// the commit with "-dirty" when files had been changed; else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return recorded(info)
}

func recorded(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if commit == "" {
		return unknown
	}
	return commit + dirty
}
