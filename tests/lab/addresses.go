package lab

import (
	"context"
	"errors"
	"fmt"
)

// Reserve gives the loopback interface the addresses of all servers that tests start, and returns what
// takes them back. A browser lets its requests fail when an address comes or goes meanwhile.
func Reserve(ctx context.Context) (free func(context.Context) error, err error) {
	var added []string
	free = func(ctx context.Context) error {
		var errs []error
		for _, address := range added {
			_, err := run(ctx, "", "ip", "addr", "del", address+"/8", "dev", "lo")
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for n := 20; n < 70; n++ {
		address := fmt.Sprintf("127.0.0.%d", n)
		isNew, err := addAddress(ctx, address)
		if err != nil {
			return nil, errors.Join(err, free(context.WithoutCancel(ctx)))
		}
		if isNew {
			added = append(added, address)
		}
	}
	return free, nil
}
