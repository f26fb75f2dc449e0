package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"infrabackup/tests/lab"
)

const usage = `usage: lab COMMAND [flags]

  check [flags]            say what is missing for the lab to run here
  install [flags]          install it (Debian packages as root, the Temporal server)
  test [flags] -- CMD ...  run CMD while the lab runs
  up [flags]               run lab, codec server and worker until interrupted
  demo [flags]             take, verify and open a backup, and explain it

flags: --dir DIR  --seed N  --ad-users N  --resources N  --dangling N  --bin DIR
       --cluster postgres  a Temporal cluster on PostgreSQL, with client certificates and tokens
`

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	options := lab.Options{Out: os.Stderr}
	flags.StringVar(&options.Dir, "dir", ".lab", "")
	flags.Int64Var(&options.Seed, "seed", 7, "")
	flags.IntVar(&options.ADUsers, "ad-users", lab.DefaultADUsers, "")
	flags.IntVar(&options.Resources, "resources", lab.DefaultResources, "")
	flags.IntVar(&options.Dangling, "dangling", 0, "")
	flags.StringVar(&options.Cluster, "cluster", "", "")
	bin := flags.String("bin", "bin", "")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	var err error
	switch os.Args[1] {
	case "check":
		return check(options)
	case "install":
		err = lab.Install(ctx, options, os.Stderr)
	case "test":
		return around(ctx, options, flags.Args())
	case "up":
		err = up(ctx, options, *bin, os.Stdout)
	case "demo":
		err = demo(ctx, options, *bin, os.Stdout)
	default:
		flags.Usage()
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return 0
}

func check(options lab.Options) int {
	problems := lab.MissingFor(options)
	for _, p := range problems {
		fmt.Printf("missing: %s\n  %s\n", p.What, p.Remedy)
	}
	if len(problems) > 0 {
		return 1
	}
	fmt.Println("the lab can run here")
	return 0
}

// around runs a command with the lab's variables and returns its exit code. Where the
// lab cannot run, the command runs without it, and its tests say what they skip.
func around(ctx context.Context, options lab.Options, command []string) int {
	if len(command) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if problems := lab.MissingFor(options); len(problems) > 0 && os.Getenv(lab.RequireVariable) != "1" && os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "lab: not root, so tests that need real servers are skipped")
		return execute(ctx, command, nil)
	}
	free, err := lab.Reserve(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() {
		if err := free(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
	}()
	l, err := lab.Start(ctx, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	variables := l.Env()
	err = lab.WriteEnv(filepath.Join(l.Dir(), "env"), variables)
	code := 1
	if err == nil {
		code = execute(ctx, command, map[string]string{lab.EnvVariable: l.Dir(), lab.RequireVariable: "1"})
	}
	if err := errors.Join(err, l.Stop(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return max(code, 1)
	}
	return code
}

func execute(ctx context.Context, command []string, variables map[string]string) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for key, value := range variables {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	return 1
}

// up runs everything until it is interrupted.
func up(ctx context.Context, options lab.Options, bin string, out io.Writer) error {
	options.Fixed = true
	s, err := lab.StartStack(ctx, options, bin)
	if err != nil {
		return err
	}
	env := filepath.Join(s.Dir(), "env")
	err = lab.WriteEnv(env, s.Env())
	if err == nil {
		_, err = fmt.Fprintf(out, "ready\n\nIn another shell:\n\n  . %s\n  %s\n  bin/infrabackup backup start --wait\n\n%s\nTemporal Web UI: %s\nCtrl-C stops everything.\n",
			env, s.EnableCommand(), page(s.Env()), cmp.Or(s.Env()["LAB_UI_URL"], "none; beside a cluster it is a program of its own"))
	}
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, s.Stop(ctx))
}
