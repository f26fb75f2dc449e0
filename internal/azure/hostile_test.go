package azure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// drain reads a list to its end and gives its elements.
func drain(ctx context.Context, pages *azure.Pages) (elements []string, err error) {
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			return elements, nil
		}
		if err != nil {
			return elements, err
		}
		for _, item := range page.Items {
			elements = append(elements, string(item))
		}
	}
}

// TestBrackets answers with megabytes of brackets, whatever is asked for and with any
// status: a fault with a code comes of it, and the process lives.
func TestBrackets(t *testing.T) {
	h, config := newHost(t)
	deep, some := strings.Repeat("[", 6<<20), strings.Repeat("[", 1<<20)
	shapes := map[string]string{
		"alone": deep, "objects": strings.Repeat(`{"a":`, 1<<20), "in value": `{"value":` + some, "in an element": `{"value":[{"id":` + some,
		"in a link": `{"value":[],"nextLink":` + some, "in an error": `{"error":{"message":` + deep, "in a token": `{"access_token":` + some,
		"in metadata": `{"authentication":{"audiences":` + some, "spread": strings.Repeat("[ ", 1<<20),
	}
	asks := map[string]func(*azure.Stamp) error{
		"/subscriptions":        func(s *azure.Stamp) error { _, err := s.Tenant().Subscriptions(t.Context()); return err },
		"/providers":            func(s *azure.Stamp) error { _, err := s.Tenant().Offers(t.Context(), "x"); return err },
		"/thing":                func(s *azure.Stamp) error { _, err := s.Admin().Get(t.Context(), "/thing", "1", nil); return err },
		"/backup":               func(s *azure.Stamp) error { _, err := s.Admin().Post(t.Context(), "/backup", "1"); return err },
		"/endpoints":            func(s *azure.Stamp) error { _, err := s.Tenant().Subscriptions(t.Context()); return err },
		"/openid-configuration": func(s *azure.Stamp) error { _, err := s.Tenant().Subscriptions(t.Context()); return err },
		"/token":                func(s *azure.Stamp) error { _, err := s.Tenant().Subscriptions(t.Context()); return err },
		"/secrets": func(s *azure.Stamp) error {
			v, err := s.Vault(h.URL)
			if err == nil {
				_, err = v.List("/secrets", "1", nil).Next(t.Context())
			}
			return err
		},
	}
	for path, ask := range asks {
		for name, shape := range shapes {
			for _, status := range []int{200, 400, 401, 404, 500} {
				if status != 200 && name != "alone" && name != "in an error" {
					continue
				}
				t.Run(fmt.Sprint(path, " ", name, " ", status), func(t *testing.T) {
					h.with(body(path, status, shape))
					err := ask(openHost(t, config))
					require.Error(t, err)
					f, ok := fault.Of(err)
					require.True(t, ok, "%v", err)
					require.True(t, strings.HasPrefix(string(f.Code), "SOURCE_") || f.Code == fault.LimitExceeded, "%v", err)
					require.Less(t, len(err.Error()), 2000)
					require.NotContains(t, err.Error(), "secret-canary")
				})
			}
		}
	}
}

// TestContradictions: an answer that is not what was asked for is never taken for it.
func TestContradictions(t *testing.T) {
	h, config := newHost(t)
	s := openHost(t, config)
	const asked = "/subscriptions/s/resourceGroups/g/providers/A.B/c/d"
	for answer, good := range map[string]bool{
		`{"id":"` + asked + `"}`: true, `{"id":"/SUBSCRIPTIONS/s/resourcegroups/g/providers/a.b/C/D/"}`: true, " \r\n{\"name\":\"d\"}": true, `{"id":null,"name":"D","error":null}`: true,
		"\xef\xbb\xbf" + `{"id":"` + asked + `"}`: true, `{"name":"c/d"}`: true,
		``: false, `null`: false, `[]`: false, `"x"`: false, `{}`: false, `{"value":[]}`: false, `{"error":{"code":"x"}}`: false, `{"id":"` + asked + `","error":{"code":"x"}}`: false,
		`{"id":"/subscriptions/s/resourceGroups/other/providers/A.B/c/d"}`: false, `{"id":7}`: false, `{"id":"","name":"e"}`: false,
		`{"id":"` + asked + `","id":"/x"}`: false, `{"id":"/x","id":"` + asked + `"}`: false, `{"name":"e"}`: false, `<html>`: false,
	} {
		for _, status := range []int{200, 204} {
			h.with(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != asked {
					return false
				}
				w.WriteHeader(status)
				if status == 200 {
					fmt.Fprint(w, answer)
				}
				return true
			})
			got, err := s.Tenant().Document(t.Context(), asked, "1", nil)
			if good && status == 200 {
				require.NoError(t, err, answer)
				require.Equal(t, answer, string(got.Body), "byte for byte")
				continue
			}
			require.Error(t, err, answer)
			_, ok := fault.Of(err)
			require.True(t, ok)
			if answer != "" || status == 204 {
				require.ErrorIs(t, err, azure.ErrAnswer, answer)
			}
			require.NotErrorIs(t, err, azure.ErrNotFound)
			require.NotErrorIs(t, err, azure.ErrRefused)
		}
	}
	guid := "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
	require.True(t, resourceid.Same("/subscriptions/s"+guid, guid))
	require.False(t, resourceid.Same("/subscriptions/s"+guid, "/subscriptions/t"+guid))
}

// TestListsOfManyShapes reads lists whose pages are odd and real, or wrong.
func TestListsOfManyShapes(t *testing.T) {
	h, config := newHost(t)
	s := openHost(t, config)
	port := strings.TrimPrefix(h.URL, "https://127.0.0.1")
	pages := map[string]string{}
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		text, ok := pages[r.URL.Query().Get("p")]
		if r.URL.Path != "/l" || !ok {
			return false
		}
		if text == "204" {
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		if text == "404" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		fmt.Fprint(w, text)
		return true
	})
	one, two := `{"id":"/1"}`, `{"id":"/2"}`
	first := func(link string) string { return `{"value":[` + one + `],"nextLink":"` + link + `"}` }
	last := `{"value":[` + two + `]}`
	both := []string{one, two}
	for name, test := range map[string]struct {
		pages []string
		want  any
	}{
		"absolute":              {[]string{first(h.URL + "/l?p=1"), last}, both},
		"query only":            {[]string{first("?p=1"), last}, both},
		"path only":             {[]string{first("/l?p=1"), last}, both},
		"relative":              {[]string{first("l?p=1"), last}, both},
		"host only":             {[]string{first("//127.0.0.1" + port + "/l?p=1"), last}, both},
		"with a fragment":       {[]string{first("?p=1#x"), last}, both},
		"with blanks":           {[]string{first("?p=1&$filter=a eq 'b' ü"), last}, both},
		"page of null":          {[]string{`{"value":null,"nextLink":"?p=1"}`, last}, []string{two}},
		"page without value":    {[]string{`{"nextLink":"?p=1"}`, last}, []string{two}},
		"empty page":            {[]string{`{"value":[],"nextLink":"?p=1"}`, last}, []string{two}},
		"no next":               {[]string{`{"value":[` + one + `],"nextLink":""}`}, []string{one}},
		"null next":             {[]string{`{"value":[` + one + `],"nextLink":null}`}, []string{one}},
		"last is empty":         {[]string{first("?p=1"), ``}, []string{one}},
		"last is 204":           {[]string{first("?p=1"), "204"}, []string{one}},
		"only 204":              {[]string{"204"}, []string(nil)},
		"nothing":               {[]string{``}, []string(nil)},
		"null":                  {[]string{`null`}, []string(nil)},
		"array":                 {[]string{`[` + one + `,` + two + `]`}, both},
		"byte order mark":       {[]string{"\xef\xbb\xbf" + first("?p=1"), "\xef\xbb\xbf" + last + "\r\n"}, both},
		"some elements again":   {[]string{first("?p=1"), `{"value":[` + one + `,` + two + `]}`}, []string{one, one, two}},
		"twice on a page":       {[]string{`{"value":[` + one + `,` + one + `],"nextLink":"?p=1"}`, last}, []string{one, one, two}},
		"another host":          {[]string{first("https://evil.example/l?p=1")}, fault.SourceInvalid},
		"another port":          {[]string{first("https://127.0.0.1:1/l?p=1")}, fault.SourceInvalid},
		"443 is another port":   {[]string{first("https://127.0.0.1:443/l?p=1")}, fault.SourceInvalid},
		"plain HTTP":            {[]string{first("http://127.0.0.1" + port + "/l?p=1")}, fault.SourceInvalid},
		"with a user":           {[]string{first("https://u@127.0.0.1" + port + "/l?p=1")}, fault.SourceInvalid},
		"no address":            {[]string{first("https://%zz/")}, fault.SourceInvalid},
		"to itself":             {[]string{first("?p=0")}, fault.SourceIncomplete},
		"a blank":               {[]string{first(" ")}, fault.SourceInvalid},
		"in a circle":           {[]string{first("?p=1"), `{"value":[` + two + `],"nextLink":"?p=0"}`}, fault.SourceIncomplete},
		"repeated":              {[]string{first("?p=1"), `{"value":[` + one + `],"nextLink":"?p=2"}`, last}, fault.SourceIncomplete},
		"repeated in case":      {[]string{`{"value":[{"id":"/a/B"}],"nextLink":"?p=1"}`, `{"value":[{"id":"/A/%62","x":1}]}`}, fault.SourceIncomplete},
		"repeated later":        {[]string{first("?p=1"), `{"value":[` + two + `],"nextLink":"?p=2"}`, `{"value":[` + two + `,` + one + `]}`}, fault.SourceIncomplete},
		"a page that is gone":   {[]string{first("?p=1"), "404"}, fault.SourceIncomplete},
		"value twice":           {[]string{`{"value":[` + one + `],"value":[` + two + `]}`}, fault.SourceInconsistent},
		"an element's id twice": {[]string{`{"value":[{"id":"/1","id":"/2"}]}`}, fault.SourceInconsistent},
		"error and value":       {[]string{`{"value":[` + one + `],"error":{"code":"x"}}`}, fault.SourceInvalid},
		"error later":           {[]string{first("?p=1"), `{"error":{"code":"x"}}`}, fault.SourceFailed},
		"a document":            {[]string{`{"id":"/1","name":"1"}`}, fault.SourceInvalid},
		"cut":                   {[]string{first("?p=1"), `{"value":[` + two}, fault.SourceIncomplete},
		"20,000 levels":         {[]string{`{"value":[` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `]}`}, fault.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			clear(pages)
			for i, page := range test.pages {
				pages[strconv.Itoa(i)] = page
			}
			got, err := drain(t.Context(), s.Tenant().List("/l", "1", map[string][]string{"p": {"0"}}))
			if code, ok := test.want.(fault.Code); ok {
				require.ErrorIs(t, err, code)
				require.NotErrorIs(t, err, azure.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// TestLargePage: a page of four elements of 10 MB is read, in parts, also when it was
// begun ahead of its turn, and when the connection breaks in its middle.
func TestLargePage(t *testing.T) {
	tier.Weighs(t)
	h, config := newHost(t)
	s := openHost(t, config)
	var element [4]string
	for i := range element {
		element[i] = fmt.Sprintf(`{"id":"/%d","padding":"%s"}`, i, strings.Repeat(strconv.Itoa(i), 10_000_000))
	}
	page := `{"value":[` + strings.Join(element[:], ",") + `]}`
	var breaks sync.Once
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/l" {
			return false
		}
		text := page
		if r.URL.Query().Has("break") {
			breaks.Do(func() { text = page[:25_000_000] })
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		_, _ = w.Write([]byte(text)) // a client may have enough
		return true
	})
	for name, params := range map[string]map[string][]string{"whole": nil, "broken": {"break": {"1"}}} {
		got, err := drain(t.Context(), s.Tenant().List("/l", "1", params))
		require.NoError(t, err, name)
		require.Len(t, got, 4)
		for i := range got {
			require.True(t, got[i] == element[i], name)
		}
	}
	ahead, turn := azure.Ahead(t.Context())
	pages := s.Tenant().List("/l", "1", nil)
	first, err := pages.Next(ahead)
	require.NoError(t, err)
	require.Empty(t, first.Items, "it is too large to be held")
	require.True(t, pages.More())
	turn.Come()
	got, err := drain(ahead, pages)
	require.NoError(t, err)
	require.Len(t, got, 4)
}

// TestTurns: what is held ahead of turns is bounded over all requests, and documents
// that do not fit wait for their turn.
func TestTurns(t *testing.T) {
	h, config := newHost(t)
	s := openHost(t, config)
	document := `{"name":"d","padding":"` + strings.Repeat("x", 3<<20) + `"}`
	var asked atomic.Int64
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/d" {
			asked.Add(1)
		}
		return body("/d", 200, document)(w, r)
	})
	const all, fit = 16, (16 << 20) / (3 << 20)
	results := make(chan error, all)
	var turns []*azure.Turn
	for range all {
		ahead, turn := azure.Ahead(t.Context())
		turns = append(turns, turn)
		go func() {
			_, err := s.Tenant().Document(ahead, "/d", "1", nil)
			results <- err
		}()
	}
	require.Eventually(t, func() bool { return asked.Load() == all }, time.Minute, time.Millisecond)
	require.LessOrEqual(t, len(results), fit, "the others wait")
	for _, turn := range turns {
		turn.Come()
	}
	for range all {
		require.NoError(t, <-results)
	}
}

// TestTokenElsewhere: an identity provider that names another host for tokens gets no
// credential sent there.
func TestTokenElsewhere(t *testing.T) {
	h, config := newHost(t)
	other, _ := newHost(t)
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			return false
		}
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, h.URL+"/adfs", h.URL+"/adfs/oauth2/authorize", other.URL+"/adfs/oauth2/token")
		return true
	})
	_, err := openHost(t, config).Tenant().Subscriptions(t.Context())
	require.Error(t, err)
	require.Zero(t, other.requests.Load())
}

const hostileChild = "AZURE_TEST_HOSTILE"

// TestMemory has a process of its own read the largest answers that there can be, on as
// many connections as there are, as collectors do, and looks at how large it got.
func TestMemory(t *testing.T) {
	tier.Weighs(t)
	if os.Getenv(hostileChild) != "" {
		readHostile(t)
		return
	}
	h, config := newHost(t)
	piece := strings.Repeat("x", 1<<20)
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		element := func(size int) {
			fmt.Fprintf(w, `{"id":"/%s","padding":"`, r.URL.Query().Get("n"))
			for range size {
				if _, err := io.WriteString(w, piece); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `"}`)
		}
		switch r.URL.Path {
		case "/document":
			element(15)
		case "/items", "/toolarge":
			_, _ = io.WriteString(w, `{"value":[`)
			for i := range 5 {
				if i > 0 {
					_, _ = io.WriteString(w, ",")
				}
				element(map[string]int{"/items": 15, "/toolarge": 25}[r.URL.Path])
			}
			_, _ = io.WriteString(w, `]}`)
		case "/empties":
			_, _ = io.WriteString(w, `{"value":[{}`)
			for range 10_000_000 / 1000 {
				if _, err := io.WriteString(w, strings.Repeat(",{}", 1000)); err != nil {
					break
				}
			}
			_, _ = io.WriteString(w, `]}`)
		case "/error":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"message":"`)
			for range 32 {
				if _, err := io.WriteString(w, piece); err != nil {
					break
				}
			}
		default:
			return false
		}
		return true
	})
	child := exec.CommandContext(t.Context(), tier.PlainTests(t), "-test.run=^TestMemory$", "-test.v")
	child.Env = append(os.Environ(), hostileChild+"="+config.TenantURL, "AZURE_TEST_CA="+string(config.CACertificates), "GOMEMLIMIT=200MiB")
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, peak, ok := strings.Cut(string(out), "peak ")
	require.True(t, ok, "%s", out)
	kib, err := strconv.Atoi(strings.Fields(peak)[0])
	require.NoError(t, err)
	t.Logf("the process had at most %d MiB", kib>>10)
	require.Less(t, kib, 256<<10)
}
