package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := release{tree: ".", compression: "xz"}
	arch := flag.String("arch", strings.Join(architectures, ","), "architectures, as Go calls them")
	flag.StringVar(&r.version, "version", "", "version, such as v1.2.3")
	flag.StringVar(&r.out, "out", "dist", "folder for the result; must not exist")
	flag.StringVar(&r.sign, "sign", "", "SSH private key that signs the sums; unsigned when left out")
	flag.BoolVar(&r.once, "once", false, "build once only, with what is in the cache and without the comparison: not for what is published")
	flag.Parse()
	r.arch = strings.Split(*arch, ",")
	if err := r.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// architectures are those that are published, as Go and Debian both call them.
var architectures = []string{"amd64", "arm64"}

// versionForm is a version as tags have it, with what git describe adds behind it.
var versionForm = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+.~][0-9A-Za-z.+~-]+)?$`)

// release is one run.
type release struct {
	tree    string // the repository
	version string
	out     string
	arch    []string
	sign    string
	once    bool
	// compression of Debian packages: the smallest that every Debian reads takes half a minute.
	compression string
}

func (r *release) run(ctx context.Context) error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	case !versionForm.MatchString(r.version):
		return fmt.Errorf("%q is no version such as v1.2.3", r.version)
	}
	for _, arch := range r.arch {
		if !slices.Contains(architectures, arch) {
			return fmt.Errorf("%q is none of %s", arch, strings.Join(architectures, ", "))
		}
	}
	if r.sign != "" { // before minutes of building
		if _, err := os.Stat(r.sign); err != nil {
			return fmt.Errorf("the signing key: %w", err)
		}
	}
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return fmt.Errorf("the folder for the result: %w", err)
	}
	if err := r.make(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(r.out)) // half a release looks like a release
	}
	return nil
}

// make builds, compares and publishes.
func (r *release) make(ctx context.Context) (err error) {
	work, err := os.MkdirTemp("", "infrabackup-release")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	first, err := r.build(ctx, filepath.Join(work, "one"))
	if err != nil {
		return err
	}
	if !r.once {
		second, err := r.build(ctx, filepath.Join(work, "two", "and-longer"))
		if err != nil {
			return err
		}
		if err := same(first, second); err != nil {
			return err
		}
	}
	return r.publish(ctx, first)
}

// publish packs what was built, and writes the sums.
func (r *release) publish(ctx context.Context, b *built) error {
	for _, arch := range r.arch {
		p, err := r.files(ctx, b, arch)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("infrabackup_%s_linux_%s", plain(r.version), arch)
		if err := p.archive(filepath.Join(r.out, name+".tar.gz"), name); err != nil {
			return err
		}
		if err := p.debian(ctx, filepath.Join(r.out, fmt.Sprintf("infrabackup_%s_%s.deb", debianVersion(r.version), arch)), arch, debianVersion(r.version), r.compression); err != nil {
			return err
		}
		if err := p.sbom(filepath.Join(r.out, name+".cdx.json"), r.version); err != nil {
			return err
		}
	}
	return r.sums(ctx)
}

// plain is a version without the letter that tags begin with.
func plain(version string) string { return strings.TrimPrefix(version, "v") }

// debianVersion is a version as Debian compares them (deb-version(7)): what comes before a
// version has a tilde, and a dash would begin a revision of Debian's own.
func debianVersion(version string) string {
	number, rest, found := strings.Cut(plain(version), "-")
	if !found {
		return number
	}
	sign := "+" // commits behind a tag, as git describe tells them
	if strings.HasPrefix(rest, "rc") || strings.HasPrefix(rest, "alpha") || strings.HasPrefix(rest, "beta") {
		sign = "~"
	}
	return number + sign + strings.ReplaceAll(rest, "-", ".")
}
