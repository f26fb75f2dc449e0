package ad

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"

	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/fault"
)

// Check implements [collect.Collector]: it logs in, and makes sure that the account
// sees the schema, security descriptors and deleted objects, and SYSVOL when that is
// configured.
func (c *Collector) Check(ctx context.Context) error {
	r, err := c.begin(ctx, nil)
	if err != nil {
		return err
	}
	r.conn.Close()
	if c.config.OpenSYSVOL == nil {
		return nil
	}
	return c.checkSYSVOL(ctx, dnsDomain(r.root.domain))
}

var errEnough = errors.New("one file is enough")

func (c *Collector) checkSYSVOL(ctx context.Context, domain string) (err error) {
	files, err := c.openSYSVOL(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := closeSYSVOL(ctx, files); err == nil {
			err = closeErr
		}
	}()
	err = files.Walk(ctx, domain, func(string, fs.FileInfo) error { return errEnough })
	if err != nil && !errors.Is(err, errEnough) {
		return explainSYSVOL(ctx, "cannot list SYSVOL of "+domain, err)
	}
	return nil
}

// begin logs in and finds out what a capture needs. The caller closes the
// connection.
func (c *Collector) begin(ctx context.Context, sink collect.Sink) (r *reading, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	root, err := readRootDSE(ctx, conn)
	if err != nil {
		return nil, err
	}
	r = newReading(c, conn, root, sink)
	if r.invocation, err = readInvocation(ctx, conn, root); err != nil {
		return nil, err
	}
	if r.names, err = c.attributeNames(ctx, conn, root, r.invocation); err != nil {
		return nil, err
	}
	if r.lifetimes, err = readLifetimes(ctx, conn, root); err != nil {
		return nil, err
	}
	for _, dn := range root.contexts {
		if err := r.checkRights(ctx, dn); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// deletedObjects is the GUID of the well-known container (MS-ADTS 6.1.1.4).
const deletedObjects = "B:32:18E2EA80684F11D2B9AA00C04F79F805:"

// checkRights makes sure that a naming context is readable with everything that is
// left out in silence when rights are missing.
func (r *reading) checkRights(ctx context.Context, dn string) error {
	what := "cannot read " + dn + " from " + r.conn.Host
	head, err := r.conn.ReadObject(ctx, what, dn, []string{"wellKnownObjects", "nTSecurityDescriptor"},
		&ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: 7})
	if err != nil {
		return err
	}
	if head == nil {
		return fault.New(fault.SourceAccessDenied, what+": the account does not see it", nil)
	}
	if len(head.Raw("nTSecurityDescriptor")) == 0 {
		return fault.New(fault.SourceAccessDenied, what+": the account lacks the right Read Permissions, so security descriptors would be missing", nil)
	}
	for _, value := range head.Texts("wellKnownObjects") {
		if len(value) <= len(deletedObjects) || !strings.EqualFold(value[:len(deletedObjects)], deletedObjects) {
			continue
		}
		container, err := r.conn.ReadObject(ctx, what, value[len(deletedObjects):], []string{"objectGUID"}, r.root.deletedControls()...)
		if err != nil {
			return err
		}
		// Windows hides the container from those who may not look into it, Samba shows
		// its name without attributes.
		if container == nil || len(container.Raw("objectGUID")) == 0 {
			return fault.New(fault.SourceAccessDenied, what+": the account lacks the rights List Contents and Read Property on "+value[len(deletedObjects):], nil)
		}
	}
	return nil
}

// Collect implements [collect.Collector]. The cursor has server, invocationId,
// usnBefore, usnCovered (everything up to here is in the part), usnAfter, rounds and
// quiet (whether nothing had changed in the end), and where the forest sets them
// [backup.TombstoneLifetime] and [backup.DeletedObjectLifetime].
func (c *Collector) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	capture := collect.Capture{Start: c.config.Now().UTC()}
	r, err := c.begin(ctx, sink)
	if err != nil {
		return capture, err
	}
	r.conn.Limit = directory.MaxMessage // from now on, objects with large links come
	group, inner := errgroup.WithContext(ctx)
	files := r.newPolicyFiles()
	group.Go(func() error { return files.readAhead(inner) })
	err = r.write(inner, files)
	group.Go(func() error { return err }) // the first error counts, whoever has it
	err = group.Wait()
	r.close()
	files.close()
	if err != nil {
		return capture, err
	}
	// Calls of the sink may have hidden that the time is over.
	if ctx.Err() != nil {
		return capture, fmt.Errorf("capturing AD from %s: %w", c.host, ctx.Err())
	}
	r.reportGaps()
	capture.End = c.config.Now().UTC()
	capture.Cursor = r.cursor
	maps.Copy(capture.Cursor, r.lifetimes)
	return capture, nil
}

// write writes the directory and then the files. All calls of the sink come from here
// and from whoever called.
func (r *reading) write(ctx context.Context, files *policyFiles) error {
	if err := r.everything(ctx); err != nil {
		return err
	}
	r.close()
	return files.write(ctx)
}

// ADCS calls fn once for each object of AD Certificate Services: everything below
// CN=Public Key Services,CN=Services of the Configuration naming context (MS-WCCE
// 2.2.2.11), with its name and its [Record] as JSON, in the controller's order. Fn's
// errors are returned as they are.
func (c *Collector) ADCS(ctx context.Context, fn func(dn string, document []byte) error) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	root, err := readRootDSE(ctx, conn)
	if err != nil {
		return err
	}
	r := newReading(c, conn, root, nil)
	if r.invocation, err = readInvocation(ctx, conn, root); err != nil {
		return err
	}
	if r.names, err = c.attributeNames(ctx, conn, root, r.invocation); err != nil {
		return err
	}
	base := "CN=Public Key Services,CN=Services," + root.configuration
	r.controls = readingControls()
	head, err := conn.ReadObject(ctx, "cannot read "+base, base, []string{"objectGUID"})
	if err != nil || head == nil {
		return err
	}
	r.emit = func(o *object, _ bool) error { return fn(o.name, o.document) }
	return r.readTree(ctx, base, root.configuration, "(objectClass=*)")
}
