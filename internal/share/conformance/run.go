package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Case is one promise of the port.
type Case struct {
	// Name is a short lower-case phrase with hyphens.
	Name string
	// Promise says what the case holds the store to, as a sentence for people.
	Promise string

	check func(ctx context.Context, store share.Store, folder string) error
}

// Check holds store to the promise, within folder, which exists and is empty.
// What it leaves there is removed by the caller.
func (c Case) Check(ctx context.Context, store share.Store, folder string) error {
	return c.check(ctx, store, folder)
}

// Result is how a store did in one case.
type Result struct {
	Name     string
	Promise  string
	Err      error // nil when the promise was kept
	Duration time.Duration
}

// Run checks every case in turn, each in a folder of its own below scratch, a
// path that must not exist yet. Scratch, and those of its parents that Run had to
// make, are removed at the end; the last result, "clean-up", tells whether that
// worked, also when ctx has ended before.
func Run(ctx context.Context, store share.Store, scratch string) []Result {
	var made []string
	results := []Result{timed("scratch-folder", "A new folder can be made for the checks.", func() (err error) {
		made, err = makeScratch(ctx, store, scratch)
		return err
	})}
	if results[0].Err == nil {
		for _, c := range Cases() {
			folder := scratch + "/" + c.Name
			results = append(results, timed(c.Name, c.Promise, func() error {
				if err := store.MkdirAll(ctx, folder); err != nil {
					return err
				}
				return c.Check(ctx, store, folder)
			}))
		}
	}
	return append(results, timed("clean-up", "What the checks have written can be removed.", func() error {
		return cleanUp(ctx, store, made)
	}))
}

func timed(name, promise string, f func() error) Result {
	start := time.Now()
	err := f()
	return Result{Name: name, Promise: promise, Err: err, Duration: time.Since(start)}
}

// makeScratch makes the folder and returns which folders are new, outermost
// first.
func makeScratch(ctx context.Context, store share.Store, scratch string) ([]string, error) {
	if err := share.CheckPath(scratch); err != nil {
		return nil, err
	}
	var missing []string
	elements := strings.Split(scratch, "/")
	for i := range elements {
		folder := strings.Join(elements[:i+1], "/")
		_, err := store.Stat(ctx, folder)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, folder)
		case err != nil:
			return nil, err
		}
	}
	if len(missing) == 0 {
		return nil, fault.New(fault.ShareExists, "the scratch folder "+scratch+" is there already", fs.ErrExist)
	}
	return missing, store.MkdirAll(ctx, scratch)
}

// cleanUp removes the folders that makeScratch made, the innermost with all that
// is in it. It outlives ctx by a bounded time.
func cleanUp(ctx context.Context, store share.Store, made []string) error {
	if len(made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := Clear(ctx, store, made[len(made)-1])
	for i := len(made) - 1; i >= 0; i-- {
		if removeErr := store.Remove(ctx, made[i]); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			return errors.Join(err, removeErr)
		}
	}
	return err
}

// Clear removes everything in a folder, but not the folder. It goes on after a
// failure and returns all of them.
func Clear(ctx context.Context, store share.Store, folder string) error {
	entries, err := store.List(ctx, folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	var failures []error
	for _, entry := range entries {
		path := folder + "/" + entry.Name
		if entry.IsDir {
			failures = append(failures, Clear(ctx, store, path))
		}
		if err := store.Remove(ctx, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// broken makes a case's own finding: the store did something else than promised.
func broken(format string, args ...any) error {
	return fault.New(fault.ShareIO, "the share does not keep the contract", fmt.Errorf(format, args...))
}
