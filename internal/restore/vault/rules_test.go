package vault_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const soft = `,"enableSoftDelete":true`

// items are the IDs of the items whose ID has a part.
func (c *captured) items(part string) restore.Selection {
	s := restore.Selection{}
	for _, e := range c.entries {
		if strings.Contains(e.ID, part) {
			s.Items = append(s.Items, e.ID)
		}
	}
	return s
}

// TestNothingToDo: a vault with all that the backup has is left alone, also when a secret was
// set and a certificate came after the backup under other names, and when values are not read.
func TestNothingToDo(t *testing.T) {
	source := theSource(t)
	s := open(t, home, soft, source.objects...)
	s.send("PUT", "/secrets/later", `{"value":"came later"}`)
	before := len(s.Writes())
	for name, action := range actions(plan(t, source.backup, s.restorer(false), restore.Selection{})) {
		require.Equal(t, restore.Skip, action, name)
	}
	require.Len(t, s.Writes(), before, "a plan writes nothing")
}

// TestAtHome: keys and secrets come from their blobs, with the IDs of their versions.
func TestAtHome(t *testing.T) {
	source := theSource(t)
	s := open(t, home, soft)
	p, j := restored(t, source.backup, s, false, restore.Selection{})
	require.Empty(t, p.Refusals)
	require.Equal(t, map[string]restore.Action{"secret many": restore.Create, "secret single": restore.Create, "key signing": restore.Create, "certificate tls": restore.Create,
		"certificate-issuer authority": restore.Create, "certificate-contacts contacts": restore.Create}, actions(p))
	ids := map[string]bool{}
	for o := range s.VaultObjects() {
		for _, v := range o.Versions {
			ids[o.Kind+v.Version] = true
		}
	}
	for _, o := range source.objects {
		for _, v := range o.Versions {
			if o.Kind == "keys" && !o.Managed || o.Kind == "secrets" && !o.Managed {
				require.True(t, ids[o.Kind+v.Version], "%s/%s/%s", o.Kind, o.Name, v.Version)
			}
		}
	}
	for _, step := range p.Steps {
		require.NotEqual(t, restore.Irreversible, step.Reversible.Grade)
		if step.Kind == "vault-secret" {
			require.Equal(t, restore.PartlyReversible, step.Reversible.Grade)
			require.Contains(t, step.Reversible.Why, "purged")
		}
		if step.Kind == "vault-certificate-issuer" {
			require.Equal(t, []string{"credentials.pwd"}, step.Supplies)
		}
	}
	undo(t, source.backup, s, p, j)
	require.Empty(t, s.state())

	// What was taken back is among the deleted objects, and is recovered, not made again.
	again, _ := restored(t, source.backup, s, false, restore.Selection{})
	require.Equal(t, restore.Undelete, actions(again)["secret many"])
	require.Equal(t, restore.Undelete, actions(again)["key signing"])
	require.Equal(t, restore.Undelete, actions(again)["certificate tls"])
	for _, w := range s.Writes() {
		require.False(t, w.Method == http.MethodDelete && strings.Contains(w.Path, "/deleted"), "nothing is purged: %s", w.Path)
	}
}

// TestElsewhere: another stamp takes no blob. Secrets are made of their values, oldest first, keys are refused,
// and every item of what cannot come back is a loss.
func TestElsewhere(t *testing.T) {
	source := theSource(t)
	s := open(t, elsewhere, soft)
	p, _ := restored(t, source.backup, s, true, restore.Selection{})
	require.Equal(t, map[string]string{"key signing": "BLOB_REFUSED"}, refusals(p))
	lost := map[string]int{}
	for _, l := range p.Losses {
		lost[l.Code]++
	}
	require.Equal(t, map[string]int{"KEY_BLOB": 3, "VERSIONS_NEW": 3, "HISTORY": 1}, lost)
	var many inventory.VaultObject
	for o := range s.VaultObjects() {
		if o.Name == "Many" {
			many = o
		}
	}
	require.Equal(t, "Many", many.Name, "with its own letters")
	require.Len(t, many.Versions, 3)
	for i, want := range []string{"canary-first", "canary-second", "canary-first"} {
		require.Contains(t, string(many.Versions[i].Body), want)
	}
	require.Contains(t, string(many.Versions[2].Body), `"n":"3"`)
	for _, w := range s.Writes() {
		require.NotContains(t, w.Path, "/restore", "no blob is tried")
	}
}

// TestABlobThatIsNotTaken: where nothing tells that the stamp is another one, blobs are tried.
// A secret is made of its values then, and a key is refused with what to do.
func TestABlobThatIsNotTaken(t *testing.T) {
	source := theSource(t)
	c := source.backup
	s := open(t, elsewhere, soft)
	p := plan(t, c, s.restorer(false), restore.Selection{})
	require.Equal(t, restore.Create, actions(p)["key signing"])
	totals, bad := apply(t, c, s.restorer(false), p, &restoretest.Journal{}, nil)
	require.Equal(t, 1, totals.Refused, "%v", bad)
	require.Contains(t, bad[0], "BLOB_REFUSED")
	require.Contains(t, bad[0], "who made it has to supply it again")
	again := actions(plan(t, c.without("/keys/signing/"), s.restorer(false), restore.Selection{}))
	require.Equal(t, restore.Skip, again["secret many"])
	require.Equal(t, restore.Skip, again["secret single"])
}

// TestWhatDiffers: each kind of difference leads to exactly what mends it.
func TestWhatDiffers(t *testing.T) {
	source := theSource(t)
	version := func(kind, name string, at int) string {
		for _, o := range source.objects {
			if o.Kind == kind && o.Name == name {
				return "/" + kind + "/" + name + "/" + o.Versions[at].Version
			}
		}
		return ""
	}
	for name, test := range map[string]struct {
		do     func(s *site)
		item   string
		want   restore.Action
		fields []string
		grade  restore.Grade
		sent   []string
	}{
		"a secret that was set": {do: func(s *site) { s.send("PUT", "/secrets/single", `{"value":"other"}`) }, item: "/secrets/single/", want: restore.Update, fields: []string{"value"}, grade: restore.PartlyReversible,
			sent: []string{"PUT /secrets/single"}},
		"a secret that was set to the same":       {do: func(s *site) { s.send("PUT", "/secrets/single", `{"value":"canary-single \"quoted\" größe"}`) }, item: "/secrets/single/", want: restore.Skip, grade: restore.Reversible},
		"a secret whose last version is disabled": {do: func(s *site) { s.send("PUT", "/secrets/single", `{"value":"other","attributes":{"enabled":false}}`) }, item: "/secrets/single/", want: restore.Skip, grade: restore.Reversible},
		"a version that was disabled": {do: func(s *site) {
			s.send("PATCH", version("secrets", "single", 0), `{"attributes":{"enabled":false},"contentType":"x"}`)
		}, item: "/secrets/single/", want: restore.Update,
			fields: []string{"attributes.enabled", "contentType"}, grade: restore.Reversible, sent: []string{"PATCH " + version("secrets", "single", 0)}},
		"tags of an older version": {do: func(s *site) { s.send("PATCH", version("secrets", "Many", 0), `{"tags":{"n":"x"}}`) }, item: "/secrets/many/", want: restore.Update, fields: []string{"tags"}, grade: restore.Reversible,
			sent: []string{"PATCH " + version("secrets", "Many", 0)}},
		"operations of a key": {do: func(s *site) { s.send("PATCH", version("keys", "signing", 1), `{"key_ops":["verify"]}`) }, item: "/keys/signing/", want: restore.Update, fields: []string{"key_ops"}, grade: restore.Reversible,
			sent: []string{"PATCH " + version("keys", "signing", 1)}},
		"a key that was renewed": {do: func(s *site) { s.send("POST", "/keys/signing/create", `{"kty":"EC"}`) }, item: "/keys/signing/", want: restore.Skip, grade: restore.Reversible},
		"a certificate that was renewed": {do: func(s *site) {
			s.send("POST", "/certificates/tls/import", `{"value":`+certificate(t, "tls", 3)+`}`)
		}, item: "/certificates/tls/", want: restore.Skip, grade: restore.Reversible},
		"a policy that was changed": {do: func(s *site) { s.send("PATCH", "/certificates/tls/policy", `{"x509_props":{"subject":"CN=other"}}`) }, item: "/certificates/tls/", want: restore.Update, fields: []string{"policy"},
			grade: restore.Reversible, sent: []string{"PATCH /certificates/tls/policy"}},
		"an issuer that was changed": {do: func(s *site) { s.send("PATCH", "/certificates/issuers/authority", `{"provider":"Other"}`) }, item: "/certificates/issuers/", want: restore.Update, fields: []string{"settings"},
			grade: restore.PartlyReversible, sent: []string{"PATCH /certificates/issuers/authority"}},
		"a contact more": {do: func(s *site) {
			s.send("PUT", "/certificates/contacts", `{"contacts":[{"email":"a@b.c","name":"a"},{"email":"d@e.f"},{"email":"g@h.i"}]}`)
		}, item: "/certificates/contacts", want: restore.Skip, grade: restore.Reversible},
		"a secret that was deleted": {do: func(s *site) { s.send("DELETE", "/secrets/single", "") }, item: "/secrets/single/", want: restore.Undelete, grade: restore.PartlyReversible,
			fields: []string{"value"}, sent: []string{"POST /deletedsecrets/single/recover"}},
		"a secret that was changed and deleted": {do: func(s *site) {
			s.send("PUT", "/secrets/single", `{"value":"other"}`)
			s.send("DELETE", "/secrets/single", "")
		}, item: "/secrets/single/", want: restore.Undelete, grade: restore.PartlyReversible, fields: []string{"value"}, sent: []string{"POST /deletedsecrets/single/recover", "PUT /secrets/single"}},
		"another certificate in its place": {do: func(s *site) {
			s.send("DELETE", "/certificates/tls", "")
			s.send("DELETE", "/deletedcertificates/tls", "")
			s.send("POST", "/certificates/tls/import", `{"value":`+certificate(t, "tls", 9)+`,"policy":`+policy+`}`)
		}, item: "/certificates/tls/", want: restore.Update, fields: []string{"certificate"}, grade: restore.Irreversible, sent: []string{"POST /certificates/tls/import", "POST /certificates/tls/import"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, home, soft, source.objects...)
			test.do(s)
			c := source.backup
			p := plan(t, c, s.restorer(false), c.items(test.item))
			require.Empty(t, p.Refusals)
			for _, step := range p.Steps {
				if !strings.Contains(step.ID+"/", test.item) {
					continue
				}
				require.Equal(t, test.want, step.Action, step.Key)
				require.Equal(t, test.grade, step.Reversible.Grade, step.Key)
				if test.fields != nil {
					require.Equal(t, test.fields, step.Fields)
				}
			}
			before, state := len(s.Writes()), s.state()
			j := &restoretest.Journal{}
			totals, bad := apply(t, c, s.restorer(false), p, j, nil)
			require.Empty(t, bad)
			require.True(t, totals.Whole())
			var sent []string
			for _, w := range s.Writes()[before:] {
				sent = append(sent, w.Method+" "+w.Path)
			}
			require.Equal(t, test.sent, sent)
			require.Equal(t, restore.Skip, plan(t, c, s.restorer(false), c.items(test.item)).Steps[0].Action)
			if test.grade == restore.Reversible && test.want != restore.Skip {
				undo(t, c, s, p, j)
				require.Equal(t, state, s.state())
			}
		})
	}
}

// TestRefusals: what must not be written is refused by the plan, with a code.
func TestRefusals(t *testing.T) {
	source := theSource(t)
	purged := func(s *site, path string) {
		s.send("DELETE", "/"+path, "")
		s.send("DELETE", "/deleted"+path, "")
	}
	denied := func(action string) func(s *site) {
		return func(s *site) {
			s.Deny(s.ClientID(), func(a stamp.Access) bool { return a.Endpoint == "vault" && a.Action == action })
		}
	}
	for name, test := range map[string]struct {
		do   func(s *site)
		want map[string]string
	}{
		"another key has the name": {do: func(s *site) {
			purged(s, "keys/signing")
			s.send("POST", "/keys/signing/create", `{"kty":"EC"}`)
		}, want: map[string]string{"key signing": "NAME_TAKEN"}},
		"a secret has the name of a certificate": {do: func(s *site) {
			purged(s, "certificates/tls")
			s.send("PUT", "/secrets/tls", `{"value":"x"}`)
		}, want: map[string]string{"certificate tls": "NAME_TAKEN"}},
		"an expiry that came": {do: func(s *site) {
			for o := range s.VaultObjects() {
				if o.Name == "signing" {
					s.send("PATCH", "/keys/signing/"+o.Versions[0].Version, `{"attributes":{"exp":4102444800}}`)
				}
			}
		}, want: map[string]string{"key signing": "TIME_STAYS"}},
		"secrets cannot be listed":     {do: denied("secrets/list"), want: map[string]string{"secret many": "ACCESS_MISSING", "secret single": "ACCESS_MISSING"}},
		"keys cannot be read":          {do: denied("keys/get"), want: map[string]string{"key signing": "ACCESS_MISSING"}},
		"certificates cannot be read":  {do: denied("certificates/get"), want: map[string]string{"certificate tls": "ACCESS_MISSING"}},
		"issuers cannot be read":       {do: denied("certificates/getissuers"), want: map[string]string{"certificate-issuer authority": "ACCESS_MISSING"}},
		"contacts cannot be read":      {do: denied("certificates/managecontacts"), want: map[string]string{"certificate-contacts contacts": "ACCESS_MISSING"}},
		"values are not read for that": {do: denied("secrets/get"), want: map[string]string{}},
		"values cannot be read": {do: func(s *site) {
			s.send("PUT", "/secrets/single", `{"value":"other"}`)
			denied("secrets/get")(s)
		}, want: map[string]string{"secret single": "ACCESS_MISSING"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, home, soft, source.objects...)
			test.do(s)
			p := plan(t, source.backup, s.restorer(false), restore.Selection{})
			require.Equal(t, test.want, refusals(p))
			for _, r := range p.Refusals {
				if r.Code == "ACCESS_MISSING" {
					require.Contains(t, r.Detail, " of ")
				}
			}
		})
	}
}

// TestNoRightToWrite: a permission that is missing when it is used refuses the step, and what
// is there is as before.
func TestNoRightToWrite(t *testing.T) {
	c := theSource(t).backup
	for _, action := range []string{"secrets/set", "certificates/import"} {
		s := open(t, elsewhere, soft)
		s.Deny(s.ClientID(), func(a stamp.Access) bool { return a.Endpoint == "vault" && a.Action == action })
		p := plan(t, c, s.restorer(true), restore.Selection{})
		totals, bad := apply(t, c, s.restorer(true), p, &restoretest.Journal{}, nil)
		require.False(t, totals.Whole())
		for _, b := range bad {
			require.Contains(t, b, "TARGET_ACCESS_DENIED")
		}
	}
}

// TestNoValueIsShown: no value is in a plan, an outcome or an error, nor can it be found out by a digest;
// not even when the vault itself repeats it in its refusal.
func TestNoValueIsShown(t *testing.T) {
	c := theSource(t).backup
	s := open(t, elsewhere, soft)
	p := plan(t, c, s.restorer(true), restore.Selection{})
	s.Inject(stamp.Fault{Match: func(r *http.Request) bool {
		return writes(r) && r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/secrets/")
	}, Kind: stamp.Instead, Status: 400,
		Body: []byte(`{"error":{"code":"canary-first","message":"canary-first canary-second canary-single","innererror":{"code":"canary-single"}}}`)})
	j := &restoretest.Journal{}
	totals, bad := apply(t, c, s.restorer(true), p, j, nil)
	require.Equal(t, 2, totals.Refused)
	var file bytes.Buffer
	require.NoError(t, p.Encode(&file))
	outcomes, err := json.Marshal(bad)
	require.NoError(t, err)
	guesses := map[string]bool{}
	for _, o := range theSource(t).objects {
		for _, v := range o.Versions {
			guesses[restore.Digest(v.Body)] = true
			var body struct{ Value string }
			require.NoError(t, json.Unmarshal(v.Body, &body))
			guesses[restore.Digest([]byte(body.Value))] = true
		}
	}
	wants, _, err := s.restorer(true).Wants(c.group(t, s.restorer(true), "/secrets/many/"), nil)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", wants, wants, wants[0].Payload, wants[0].Payload), fmt.Sprint([]byte("canary")), "a want prints without its payload")
	require.NotContains(t, fmt.Sprintf("%+v %s %q", wants, wants[0].Payload, wants[0].Payload), "canary")
	for _, canary := range append(canaries, "canary-password", "PRIVATE KEY") {
		require.NotContains(t, file.String(), canary)
		require.NotContains(t, string(outcomes), canary)
	}
	for _, e := range c.entries {
		guesses[e.SHA256] = true // who guesses a document with its value knows this
	}
	for _, step := range p.Steps {
		require.False(t, guesses[step.Desired] || guesses[step.Live] || guesses[step.Backup], step.Key)
	}
}

// TestTheDigestOfAPlanDoesNotFollowTheValue: two backups that differ in a value alone lead to the same digest of what is
// wanted, and the digest of the items cannot be told from outside.
func TestTheDigestOfAPlanDoesNotFollowTheValue(t *testing.T) {
	c := theSource(t).backup.only("/secrets/single/")
	other := &captured{entries: append(c.entries[:0:0], c.entries...), bytes: map[string][]byte{}}
	for path, data := range c.bytes {
		other.bytes[path] = bytes.ReplaceAll(data, []byte("canary-single"), []byte("canary-simple"))
	}
	for i := range other.entries {
		other.entries[i].SHA256 = restore.Digest(other.bytes[other.entries[i].Path])
	}
	s := open(t, elsewhere, soft)
	a, b := plan(t, c, s.restorer(true), restore.Selection{}), plan(t, other, s.restorer(true), restore.Selection{})
	require.Len(t, a.Steps, 1)
	require.Equal(t, a.Steps[0].Desired, b.Steps[0].Desired)
	require.NotEqual(t, a.Steps[0].Backup, b.Steps[0].Backup, "the plan is bound to the backup's value")
	whole := plan(t, theSource(t).backup, s.restorer(true), c.items("/secrets/single/"))
	require.NotEqual(t, a.Steps[0].Backup, whole.Steps[len(whole.Steps)-1].Backup, "who knows the item alone cannot tell the digest")
}
