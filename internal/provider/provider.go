package provider

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/alert/webhook"
	"infrabackup/internal/auth"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/config"
	"infrabackup/internal/control"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/rp"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/web"
)

// Provider is a running Backup Resource Provider.
type Provider struct {
	server  *web.Server
	callers callers
	boards  []*board.Board
	follows []func(context.Context) // each lets a board follow what is done to its instance
	senders []*webhook.Sender
	plans   []*recovery.Plans
	logger  *slog.Logger
}

// firstToken is how long the token that begins the first session is good.
const firstToken = 10 * time.Minute

// New reads the files that the configuration names and listens. Namespace is the one of Temporal
// that is in use, which the configuration need not name; controllers has one for each instance, by
// name. Errors are CONFIG_INVALID faults, or say why nobody can listen.
func New(ctx context.Context, c *config.Serve, namespace string, controllers map[string]*control.Controller, logger *slog.Logger) (_ *Provider, err error) {
	p := &Provider{logger: logger}
	defer func() {
		if err != nil { // what was made sends nothing yet, and is not left behind
			err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
		}
	}()
	if p.callers, err = newCallers(ctx, c); err != nil {
		return nil, err
	}
	program, err := privsep.OwnProgram()
	if err != nil {
		return nil, fault.New(fault.Internal, "this program's own file is not known", err)
	}
	keys := privsep.NewKeyOpener(program)
	locations, instances := map[string]rp.Instance{}, []portal.Instance(nil)
	for _, i := range c.Instances {
		controller := controllers[i.Name]
		if controller == nil {
			return nil, fault.Newf(fault.Internal, "nothing controls instance %s", i.Name)
		}
		known := backup.Instance{Name: i.Name, FQDN: i.FQDN, Region: i.Region, DeploymentID: strings.ToLower(i.DeploymentID)}
		shown, err := p.board(ctx, c, known, controller)
		if err != nil {
			return nil, err
		}
		acts := actor{controller, known, shown}
		plans := recovery.NewPlans(controller, keys, time.Now, afterFunc)
		p.plans = append(p.plans, plans)
		compared := recovery.Diffs{Control: controller, Keys: keys}
		locations[i.Location] = rp.Instance{Board: shown, Control: acts, Restore: restorer(i.Restore, controller, keys), Plans: plans, Diffs: compared}
		instances = append(instances, portal.Instance{Name: i.Name, Board: shown, Control: pageActor{acts}, Plans: plans, Restoring: acts, Drills: acts, Diffs: compared})
	}
	api, err := rp.New(rp.Options{
		BaseURL: c.BaseURL, SubscriptionID: strings.ToLower(c.SubscriptionID), Instances: locations, Caller: Caller, Tokens: APITokens(p.callers.tokens), Logger: logger, Metadata: metadata(c),
	})
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the API cannot be served", err)
	}
	page, err := p.page(c, namespace, instances)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the page cannot be served", err)
	}
	p.server, err = web.NewServer(web.Config{
		Address: c.Listen, CertificateFile: c.Certificate.CertFile, KeyFile: c.Certificate.KeyFile, Hosts: hosts(c), Region: strings.ToUpper(c.Instances[0].Region),
		Authenticator: p.callers.authenticator, Certificates: p.callers.certificates, Sessions: p.callers.sessions, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	p.server.Handle(api, page)
	return p, nil
}

// afterFunc is [time.AfterFunc].
func afterFunc(in time.Duration, do func()) (stop func() bool) { return time.AfterFunc(in, do).Stop }

// restorer restores into the target that the configuration names, nil where it names none.
func restorer(c *config.ServedRestore, controller *control.Controller, keys *privsep.KeyOpener) rp.Restorer {
	if c == nil {
		return nil
	}
	return recovery.Restorer{Control: controller, Keys: keys, Target: c.Target, Production: c.Production}
}

// board makes the board of an instance, and what tells of its alerts.
func (p *Provider) board(ctx context.Context, c *config.Serve, instance backup.Instance, controller *control.Controller) (*board.Board, error) {
	options := board.Options{Now: time.Now, After: time.After, Complete: thumbprint}
	if c.Webhook != nil {
		hook, err := (webhook.Config{URL: c.Webhook.URL, SecretFile: c.Webhook.SecretFile, CAFile: c.Webhook.CAFile}).Options(ctx)
		if err != nil {
			return nil, err
		}
		hook.Instance, hook.Log = instance.Name, p.logger
		sender, err := webhook.New(hook)
		if err != nil {
			return nil, err
		}
		p.senders = append(p.senders, sender)
		options.OnAlerts = func(opened, closed []alert.Alert) {
			if err := errors.Join(sender.Send(webhook.Opened, opened...), sender.Send(webhook.Closed, closed...)); err != nil {
				p.logger.Warn("alerts were not told", "instance", instance.Name, "error", err)
			}
		}
	}
	b := board.New(facts.Source{Controller: controller}, options)
	b.Apply(func(s *board.Snapshot) { s.Instance = instance })
	p.boards = append(p.boards, b)
	p.follows = append(p.follows, func(ctx context.Context) {
		follow(ctx, controller.Pulse, b.Refresh, func(err error) {
			p.logger.Warn("it is not noticed what others do to the instance", "instance", instance.Name, "error", err)
		})
	})
	return b, nil
}

// thumbprint adds the certificate that a backup was encrypted to, where the settings tell.
func thumbprint(b *board.Backup, s *board.Snapshot) {
	b.Thumbprint = s.Settings.Certificate(b.StartedAt)
}

// page makes the page, with the ways in before it.
func (p *Provider) page(c *config.Serve, namespace string, instances []portal.Instance) (http.Handler, error) {
	options := portal.Options{
		Instances: instances, Session: session(time.Now), Login: http.HandlerFunc(p.callers.login), Logout: http.HandlerFunc(p.callers.sessions.Logout),
		TokenLogin: p.callers.sessions.HasTokens(), Alive: p.callers.sessions.Alive, TemporalUI: namespaceIn(c.TemporalUI, namespace), Logger: p.logger,
	}
	if p.callers.sessions.HasIssuer() {
		options.IssuerLogin = issuerPath
	}
	page, err := portal.New(options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.HandleFunc("GET "+issuerPath, p.callers.sessions.OIDCLogin)
	mux.HandleFunc("GET "+callbackPath, p.callers.sessions.Callback)
	return mux, nil
}

// namespaceIn is the address of a namespace in Temporal's Web UI, empty where there is no Web UI.
func namespaceIn(ui, namespace string) string {
	if ui == "" {
		return ""
	}
	return strings.TrimSuffix(ui, "/") + "/namespaces/" + url.PathEscape(namespace)
}

// issuerPath is where a login at the issuer begins.
const issuerPath = "/login/issuer"

// metadata is what clients ask for before their first request.
func metadata(c *config.Serve) rp.Metadata {
	m := rp.Metadata{Portal: c.BaseURL}
	if c.Issuer != nil {
		m.Login, m.Audiences, m.TenantID = c.Issuer.URL, c.Issuer.Audiences, c.Issuer.Tenant
	}
	return m
}

// hosts are the names that callers may use.
func hosts(c *config.Serve) []string {
	out := slices.Clone(c.Hosts)
	if base, err := url.Parse(c.BaseURL); err == nil { // it was validated
		out = append(out, base.Hostname())
	}
	return out
}

// Measure reports the open alerts of all instances as metrics. An instance of which nothing was read
// yet reports none, which is not that it has none.
func (p *Provider) Measure(t *telemetry.Telemetry) error {
	return t.ObserveAlerts(func(see func(string, []alert.Alert)) {
		for _, b := range p.boards {
			if s := b.Snapshot(); !s.AsOf.IsZero() || s.Fault != nil {
				see(s.Instance.Name, s.Alerts)
			}
		}
	})
}

// Addr is where it listens.
func (p *Provider) Addr() net.Addr { return p.server.Addr() }

// FirstToken makes a token that begins one session of an owner, when there is no other
// token and no issuer: else nobody could come in. Empty when it is not needed.
func (p *Provider) FirstToken(ctx context.Context) (string, error) {
	all, err := p.callers.tokens.List(ctx)
	if err != nil || p.callers.sessions.HasIssuer() {
		return "", err
	}
	for _, t := range all {
		if !t.Once && !t.Ended(time.Now()) {
			return "", nil
		}
	}
	_, text, err := p.callers.tokens.Create(ctx, auth.NewToken{Name: "first login", Role: auth.Owner, Owner: "console", Lifetime: firstToken, Once: true})
	if err != nil {
		return "", err
	}
	return text.Reveal(), nil
}

// Run serves until ctx ends, and returns why it has ended otherwise.
func (p *Provider) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for _, b := range p.boards {
		all.Go(func() {
			if err := b.Run(ctx); err != nil && ctx.Err() == nil {
				p.logger.Error("a board is not refreshed any more", "error", err)
			}
		})
	}
	for _, follows := range p.follows {
		all.Go(func() { follows(ctx) })
	}
	all.Go(func() {
		p.callers.tokens.Run(ctx, func(err error) { p.logger.Warn("the last use of tokens was not written", "error", err) })
	})
	err := p.server.Run(ctx)
	stop()
	all.Wait()
	return errors.Join(err, p.close(context.WithoutCancel(ctx)))
}

// close wipes the keys that are held, and hands over what still waits to be told.
func (p *Provider) close(ctx context.Context) error {
	for _, plans := range p.plans {
		plans.Close()
	}
	bounded, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	var errs []error
	for _, sender := range p.senders {
		errs = append(errs, sender.Close(bounded))
	}
	return errors.Join(errs...)
}

// closeTime is how long the end waits for notifications.
const closeTime = 5 * time.Second
