package wire_test

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/seal"
	"infrabackup/internal/seal/sealtest"
)

const (
	ownPlans    = "/api/v1/locations/local/restores"
	planPattern = "/api/v1/locations/{location}/restores"
)

// somePlan is the ID of a plan that nothing knows.
var somePlan = strings.Repeat("c0ffee00", 8)

// plans are those of the harness, whose clock ends keys when a test says so.
func plans(h *harness) *recovery.Plans {
	return recovery.NewPlans(h.control, ownProcess{}, h.clock, func(time.Duration, func()) func() bool { return func() bool { return true } })
}

func (c *fakeControl) BeginRestorePlan(_ context.Context, in flow.RestorePlanInput) (control.Begun, error) {
	return c.begin(operation.Plan, func(string) fakeOperation {
		c.planned = append(c.planned, in)
		id := fmt.Sprintf("%064x", len(c.planned))
		p := &restore.Plan{Header: restore.Header{PlanID: id, Kind: restore.OfBackup, Undoes: in.Undoes, Origin: restore.Origin{BackupID: in.BackupID},
			CreatedAt: c.now(), Expires: c.now().Add(time.Hour), Target: restore.Fingerprint{Name: in.Target, DeploymentID: "the-id"}, Counts: restore.Counts{Steps: 3, Create: 1, Irreversible: 1}}}
		if in.Undoes != "" {
			p.Header.Kind = restore.OfUndo
		}
		for i, action := range []restore.Action{restore.Create, restore.Update, restore.Skip} {
			grade := restore.Reversible
			if action == restore.Update {
				grade = restore.Irreversible
			}
			p.Steps = append(p.Steps, restore.Step{N: i, Key: restore.Key{Service: backup.AD, Kind: "user", ID: fmt.Sprint("CN=", i)}, Action: action, Reason: restore.ReasonDiffers, Live: "canary-digest",
				Fields: []string{"mail"}, AddedBy: restore.Selected, Reversible: restore.Reversibility{Grade: grade}})
		}
		p.Refusals = []restore.Refusal{{Key: p.Steps[0].Key, Code: "NAME_TAKEN", Detail: "it is taken"}}
		p.Losses = []restore.Loss{{Key: p.Steps[0].Key, Code: "PASSWORD", Detail: "it is in no backup"}}
		c.kept[id] = p
		return fakeOperation{done: operation.Operation{Plan: &flow.RestorePlan{PlanID: id, Counts: p.Header.Counts}}}
	})
}

func (c *fakeControl) Restores(_ context.Context, in restores.Input) (restores.Output, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in.Instance = "local"
	if err := in.Check("local"); err != nil {
		return restores.Output{}, err
	}
	if c.away != nil {
		return restores.Output{}, c.away
	}
	if in.PlanID == "" {
		var out restores.Output
		for _, id := range slices.Sorted(maps.Keys(c.kept)) {
			row := restore.Listed{PlanID: id, State: "for another key"}
			if _, keyed := in.Keys[id]; keyed {
				row = restore.Listed{PlanID: id, Kind: c.kept[id].Header.Kind, BackupID: c.kept[id].Header.Origin.BackupID, Target: "site-b", State: "planned"}
			}
			out.List = append(out.List, row)
		}
		return out, nil
	}
	keys, err := seal.ParseIdentities([]byte(in.Keys[in.PlanID].Reveal()))
	switch {
	case err != nil || keys[0].Public() != c.backupKey:
		return restores.Output{}, fault.Newf(fault.KeyDoesNotFit, "the key opens no plan")
	case c.kept[in.PlanID] == nil:
		return restores.Output{}, fault.Newf(fault.ItemNotFound, "there is no restore %s", in.PlanID)
	}
	page := planpage.Of(c.kept[in.PlanID], "planned", in.Section, in.From, in.Count)
	return restores.Output{Page: &page}, nil
}

func planKey() map[string]any {
	return map[string]any{"pfx": pfx, "password": sealtest.PFXPassword}
}

func planBody() map[string]any {
	return map[string]any{"backup": "latest", "target": "site-b", "key": planKey()}
}

// made plans, and returns the plan's ID as the operation tells it.
func (h *harness) made(body any) string {
	h.t.Helper()
	return h.planOf(h.do("POST", ownPlans+"/plans", "", body))
}

// planOf is the plan that an operation ends with.
func (h *harness) planOf(a answer) string {
	h.t.Helper()
	require.Equal(h.t, 202, a.status, a.text)
	for range 20 {
		end := h.do("GET", a.header.Get("Location"), "", nil)
		require.Equal(h.t, 200, end.status, end.text)
		if end.property("status") != "Running" {
			holds(h.t, served(h.t, h).schema(h.t, "/api/v1/locations/{location}/operations/{operation}", "get", "200"), end.text)
			require.Equal(h.t, []any{"restorePlan", "Succeeded"}, []any{end.property("kind"), end.property("status")})
			return end.property("result", "plan", "planId").(string)
		}
	}
	h.t.Fatal("the plan is not made")
	return ""
}

// TestPlansOfRestores: planned, read page by page, agreed to, applied, and taken back.
func TestPlansOfRestores(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	d := served(t, h)
	made := h.made(map[string]any{"backup": "latest", "target": "site-b", "services": []string{"AD", "ca"}, "items": []string{"CN=1"}, "patterns": []string{"*/x-*"},
		"policy": "skip", "policies": map[string]any{"ca": "fail"}, "key": planKey()})
	in := h.control.planned[0]
	require.Equal(t, []any{id, "site-b", "test|operator"}, []any{in.BackupID, in.Target, in.RequestedBy})
	require.Equal(t, restore.Selection{Services: []backup.Service{backup.AD, backup.CA}, Items: []string{"CN=1"}, Patterns: []string{"*/x-*"}}, in.Selection)
	require.Equal(t, []restore.Policy{restore.PolicyFail, restore.PolicySkip}, []restore.Policy{in.Policies[backup.CA], in.Policies[backup.RBAC]})
	require.Equal(t, []string{public}, in.Recipients)

	at := ownPlans + "/plans/" + made
	read := func(query string) answer {
		a := h.do("GET", at+query, "", nil)
		require.Equal(t, 200, a.status, a.text)
		holds(t, d.schema(t, planPattern+"/plans/{plan}", "get", "200"), a.text)
		require.NotContains(t, a.text, "canary-digest")
		return a
	}
	a := read("")
	require.Len(t, a.property("steps"), 3)
	require.Equal(t, []any{"the-id", string(id)}, []any{a.property("target", "id"), a.property("backupId")})
	require.Equal(t, float64(1), read("?count=1").property("next"))
	require.Len(t, read("?section=changes&from=1&count=500").property("steps"), 1)
	require.Len(t, read("?section=refused").property("refused"), 1)
	require.Len(t, read("?section=lost").property("lost"), 1)
	require.Len(t, h.do("GET", ownPlans+"/plans/"+strings.ToUpper(made), "", nil).property("steps"), 3)
	for _, query := range []string{"?section=values", "?from=-1", "?from=x", "?count=0", "?count=501"} {
		a = h.do("GET", at+query, "", nil)
		require.Equal(t, []any{400, "InvalidQueryParameter"}, []any{a.status, a.code()}, query)
	}

	consent := func(c map[string]any) answer {
		return h.do("POST", at+"/apply", "", map[string]any{"consent": c})
	}
	require.Equal(t, 400, h.do("POST", at+"/apply", "", map[string]any{}).status)
	for _, c := range []map[string]any{{}, {"target": "site-c", "irreversible": []string{"all"}}, {"target": "site-b"}, {"target": "site-b", "irreversible": []string{"AD user CN=0"}}} {
		a = consent(c)
		require.Equal(t, []any{403, "PlanConsent", "consent"}, []any{a.status, a.code(), a.property("error", "target")}, "%v", c)
	}
	require.Empty(t, h.control.restored)
	begun := consent(map[string]any{"target": "site-b", "irreversible": []string{"AD user CN=1"}})
	require.Equal(t, 202, begun.status, begun.text)
	run := path.Base(begun.header.Get("Location"))
	h.control.settle()
	require.Equal(t, "restore", h.do("GET", begun.header.Get("Location"), "", nil).property("kind"), run)
	applied := h.control.restored[0]
	require.Equal(t, []any{made, id, "site-b", []string{"AD user CN=1"}}, []any{applied.PlanID, applied.BackupID, applied.Target, applied.Consent.Irreversible})

	h.control.kept[made].Header.Production = true
	a = consent(map[string]any{"target": "site-b", "irreversible": []string{"all"}})
	require.Equal(t, []any{403, "TargetProduction", "consent.production"}, []any{a.status, a.code(), a.property("error", "target")})
	require.Equal(t, 202, consent(map[string]any{"target": "site-b", "irreversible": []string{"all"}, "production": "the-id"}).status)
	h.control.settle()

	undo := h.planOf(h.do("POST", ownPlans+"/"+made+"/undo", "", nil))
	require.Equal(t, made, h.control.planned[1].Undoes)
	require.Equal(t, 400, h.do("POST", ownPlans+"/"+undo+"/undo", "", nil).status, "an undo is not undone")

	a = h.do("GET", ownPlans, "", nil)
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, planPattern, "get", "200"), a.text)
	require.Len(t, a.property("value"), 2)
	h.control.away = fault.Newf(fault.NoWorker, "none")
	require.Equal(t, 503, h.do("GET", ownPlans, "", nil).status)
}

// TestPlansNeedTheirKey: what is not held for a caller has to be given, in one of two forms; each
// way in which it is wrong is refused at its member, and nothing of it is repeated.
func TestPlansNeedTheirKey(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	made := h.made(planBody())
	at := ownPlans + "/plans/" + made
	h.mu.Lock()
	h.now = h.now.Add(2 * recovery.HeldFor)
	h.mu.Unlock()
	for _, request := range [][2]string{{"GET", at}, {"POST", at + "/apply"}, {"POST", ownPlans + "/" + made + "/undo"}} {
		var body any
		if strings.HasSuffix(request[1], "/apply") {
			body = map[string]any{"consent": map[string]any{"target": "site-b", "irreversible": []string{"all"}}}
		}
		a := h.do(request[0], request[1], "", body)
		require.Equal(t, []any{409, "KeyNotHeld", "key"}, []any{a.status, a.code(), a.property("error", "target")}, request[1])
	}
	for name, test := range map[string]struct {
		key          any
		code, target string
	}{
		"a wrong password":     {map[string]any{"pfx": pfx, "password": password}, "KeyPassword", "key.password"},
		"no key":               {map[string]any{"identity": canaryKey[:40] + "canary"}, "KeyInvalid", "key"},
		"no base64":            {map[string]any{"pfx": "canary!"}, "InvalidRequestContent", "key.pfx"},
		"both":                 {map[string]any{"pfx": pfx, "identity": canaryKey}, "InvalidRequestContent", "key"},
		"neither":              {map[string]any{}, "InvalidRequestContent", "key"},
		"a password too many":  {map[string]any{"identity": canaryKey, "password": password}, "InvalidRequestContent", "key.password"},
		"a text":               {canaryKey, "InvalidRequestContent", "key"},
		"an unknown member":    {map[string]any{"file": canaryKey}, "InvalidRequestContent", "key.file"},
		"a number as password": {map[string]any{"pfx": pfx, "password": 7}, "InvalidRequestContent", "key.password"},
		"nothing":              {nil, "InvalidRequestContent", "key"},
	} {
		for _, request := range []struct {
			path string
			body map[string]any
		}{{at + "/open", map[string]any{"backup": string(id), "key": test.key}}, {ownPlans + "/plans", map[string]any{"backup": string(id), "target": "site-b", "key": test.key}}} {
			a := h.do("POST", request.path, "", request.body)
			require.Equal(t, []any{test.code, test.target}, []any{a.code(), a.property("error", "target")}, "%s: %s", name, a.text)
			require.NotContains(t, a.text, "canary")
		}
	}
	mine, file := h.control.backupKey, h.control.keyAge
	_, other, err := seal.GenerateIdentity(false, h.now)
	require.NoError(t, err)
	h.control.backupKey, h.control.keyAge, err = seal.MakeWrappedKey([]string{other.Text})
	require.NoError(t, err)
	a := h.do("POST", at+"/open", "", map[string]any{"key": planKey()})
	require.Equal(t, []any{400, "KeyDoesNotFit", "key"}, []any{a.status, a.code(), a.property("error", "target")}, "another's key: %s", a.text)
	h.control.backupKey, h.control.keyAge = mine, file
	a = h.do("POST", at+"/open", "", map[string]any{"key": planKey()})
	require.Equal(t, 200, a.status, a.text)
	holds(t, served(t, h).schema(t, planPattern+"/plans/{plan}/open", "post", "200"), a.text)
	require.Equal(t, 200, h.do("GET", at, "", nil).status, "it is held again")
	h.mu.Lock()
	h.now = h.now.Add(2 * recovery.HeldFor)
	h.mu.Unlock()
	a = h.do("POST", at+"/apply", "", map[string]any{"consent": map[string]any{"target": "site-b", "irreversible": []string{"all"}}, "backup": string(id), "key": planKey()})
	require.Equal(t, 202, a.status, "the key comes with the call: %s", a.text)

	for name, body := range map[string]map[string]any{
		"no backup":      {"target": "site-b", "key": planKey()},
		"no such backup": {"backup": "../x", "target": "site-b", "key": planKey()},
		"no target":      {"backup": "latest", "key": planKey()},
		"no such target": {"backup": "latest", "target": "../x", "key": planKey()},
		"no service":     {"backup": "latest", "target": "site-b", "services": []string{"DNS"}, "key": planKey()},
		"a bad pattern":  {"backup": "latest", "target": "site-b", "patterns": []string{"["}, "key": planKey()},
		"a bad policy":   {"backup": "latest", "target": "site-b", "policy": "delete", "key": planKey()},
		"no list":        {"backup": "latest", "target": "site-b", "items": "x", "key": planKey()},
		"many items":     {"backup": "latest", "target": "site-b", "items": slices.Repeat([]string{"x"}, 201), "key": planKey()},
	} {
		require.Equal(t, 400, h.do("POST", ownPlans+"/plans", "", body).status, name)
	}
	require.Len(t, h.control.planned, 1)
	for _, canary := range []string{password, pfx[:60], canaryKey[:40], h.control.planned[0].Key.Reveal(), sealtest.PFXPassword} {
		require.NotContains(t, h.log.String(), canary)
	}
}
