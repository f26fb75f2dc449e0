package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestDocument(t *testing.T) {
	small := Limits{Depth: 3, Values: 6, Bytes: 40}
	for document, want := range map[string]error{
		`{}`: nil, `[]`: nil, `null`: nil, `"x"`: nil, `0`: nil, `-1.5e+3`: nil, ` {"a" : [ true , false , null ] } `: nil, "\xef\xbb\xbf{}": nil, "\r\n{}\t": nil,
		`{"a":"\u00e9\n\"\\"}`: nil, `[[[]]]`: nil, `{"a":{"b":{}}}`: nil, `[1,2,3,4,5]`: nil, `{"x":1,"x":2}`: nil,
		``: ErrEnd, ` `: ErrEnd, `{`: ErrEnd, `[1,`: ErrEnd, `{"a"`: ErrEnd, `{"a":`: ErrEnd, `"x`: ErrEnd, `"\`: ErrEnd, `tru`: ErrEnd, "\xef\xbb": ErrSyntax, "\xef\xbb\xbf": ErrEnd,
		`{]`: ErrSyntax, `[}`: ErrSyntax, `[1}`: ErrSyntax, `{"a":1]`: ErrSyntax, `[1 2]`: ErrSyntax, `[1,]`: ErrSyntax, `{"a":1,}`: ErrSyntax, `{a:1}`: ErrSyntax, `{"a" 1}`: ErrSyntax,
		`nul!`: ErrSyntax, `01`: ErrSyntax, `-`: ErrSyntax, `1.`: ErrSyntax, `1e`: ErrSyntax, `+1`: ErrSyntax, `.5`: ErrSyntax, `"\x"`: ErrSyntax, `"\u12g4"`: ErrSyntax, "\"\n\"": ErrSyntax,
		`{} {}`: ErrSyntax, `{}x`: ErrSyntax, `<html>`: ErrSyntax, `'x'`: ErrSyntax, "\xff\xfe{\x00}\x00": ErrSyntax,
		`[[[[]]]]`: ErrLimit, `{"a":{"a":{"a":{}}}}`: ErrLimit, `[1,2,3,4,5,6]`: ErrLimit, `"` + strings.Repeat("x", 40) + `"`: ErrLimit,
		`{"id":1,"id":2}`: ErrTwice, `{"id":1,"\u0069d":2}`: ErrTwice, `{"a":{"id":1,"id":1}}`: ErrTwice, `[{"id":1},{"id":1}]`: nil, `{"a":[{"id":1,"id":2}]}`: nil,
	} {
		err := Document([]byte(document), small)
		if want == nil {
			require.NoError(t, err, document)
		} else {
			require.ErrorIs(t, err, want, "%q", document)
		}
	}
}

// TestDeep: the number of levels costs a bit each, and no stack.
func TestDeep(t *testing.T) {
	for _, opening := range []string{"[", `{"a":`, `[{"id":`, "[\t"} {
		deep := bytes.Repeat([]byte(opening), (8<<20)/len(opening))
		require.ErrorIs(t, Document(deep, Limits{Depth: 64 << 20, Values: 64 << 20, Bytes: 32 << 20}), ErrEnd)
		require.ErrorIs(t, Document(deep, DefaultLimits), ErrLimit)
		_, err := all(bytes.NewReader(deep), -1)
		require.ErrorIs(t, err, ErrLimit)
		_, err = all(io.MultiReader(strings.NewReader(`{"value":[{"x":`), bytes.NewReader(deep)), -1)
		require.ErrorIs(t, err, ErrLimit)
	}
	deepest := strings.Repeat("[", DefaultLimits.Depth) + strings.Repeat("]", DefaultLimits.Depth)
	require.NoError(t, Document([]byte(deepest), DefaultLimits))
	require.ErrorIs(t, Document([]byte("["+deepest+"]"), DefaultLimits), ErrLimit)
}

func TestExact(t *testing.T) {
	for document, want := range map[string]bool{
		`{}`: true, `{"a": 1}`: true, ` {}`: false, `{} `: false, "{}\n": false, "{\r}": false, "\xef\xbb\xbf{}": false, "{\t}": true,
	} {
		require.Equal(t, want, Exact([]byte(document)), document)
	}
	require.Equal(t, "{}", string(Trim([]byte("\xef\xbb\xbf \r\n{}\t"))))
}

// all reads a list to its end.
func all(r io.Reader, size int64) (elements []string, err error) {
	l := NewList(r, size, DefaultLimits)
	for {
		element, err := l.Next()
		if errors.Is(err, io.EOF) {
			return append(elements, "link "+l.Link(), "error "+string(l.Refusal())), nil
		}
		if err != nil {
			return elements, err
		}
		elements = append(elements, string(element))
	}
}

func TestList(t *testing.T) {
	for answer, want := range map[string]any{
		`{"value":[{"id":1}, {"id":2} ]}`:                []string{`{"id":1}`, `{"id":2}`, "link ", "error "},
		` [ 1 , "x" ] `:                                  []string{`1`, `"x"`, "link ", "error "},
		`{"nextLink":"n","value":[1]}`:                   []string{`1`, "link n", "error "},
		`{"value":[1],"@odata.nextLink":"a\u002fb"}`:     []string{`1`, "link a/b", "error "},
		`{"value":[1],"nextLink":null,"error":null}`:     []string{`1`, "link ", "error "},
		`{"val\u0075e":[1],"count":1,"x":{"value":[2]}}`: []string{`1`, "link ", "error "},
		`{"value":null,"nextLink":"n"}`:                  []string{"link n", "error "},
		`{"value":[]}`:                                   []string{"link ", "error "},
		`{"nextLink":"n"}`:                               []string{"link n", "error "},
		`{"nextLink":"n","NextLink":"n"}`:                []string{"link n", "error "},
		"\xef\xbb\xbf{\"value\":[1]}\r\n":                []string{`1`, "link ", "error "},
		`{"error":{"code":"x"}}`:                         []string{"link ", `error {"code":"x"}`},
		`{"message":"m","error":{"code":"x"}}`:           []string{"link ", `error {"code":"x"}`},
		``:                                               []string{"link ", "error "},
		"\xef\xbb\xbf":                                   []string{"link ", "error "},
		" \n":                                            []string{"link ", "error "},
		`null`:                                           []string{"link ", "error "},
		`{}`:                                             []string{"link ", "error "},
		`[]`:                                             []string{"link ", "error "},
		`{"value":[1],"value":[2]}`:                      ErrTwice,
		`{"value":[1],"valu\u0065":null}`:                ErrTwice,
		`{"value":null,"value":[2]}`:                     ErrTwice,
		`{"value":[{"id":1,"id":2}]}`:                    ErrTwice,
		`{"value":[],"nextLink":"a","nextLink":"b"}`:     ErrTwice,
		`{"value":[1],"error":{"code":"x"}}`:             ErrShape,
		`{"error":"x","value":null}`:                     ErrShape,
		`{"value":{}}`:                                   ErrShape,
		`{"value":"x"}`:                                  ErrShape,
		`{"value":0}`:                                    ErrShape,
		`{"id":"/x","name":"x"}`:                         ErrShape,
		`{"code":"x","message":"y"}`:                     ErrShape,
		`{"Value":[1]}`:                                  ErrShape,
		`{"value":[],"nextLink":7}`:                      ErrShape,
		`{"value":[],"nextLink":{}}`:                     ErrShape,
		`"x"`:                                            ErrShape,
		`true`:                                           ErrShape,
		`{"value":[1]`:                                   ErrEnd,
		`{"value":[1`:                                    ErrEnd,
		`{"value":[1,`:                                   ErrEnd,
		`{"value":`:                                      ErrEnd,
		`{`:                                              ErrEnd,
		`[`:                                              ErrEnd,
		`{"value":[1,]}`:                                 ErrSyntax,
		`{"value":[1],}`:                                 ErrSyntax,
		`{"value":[1]}}`:                                 ErrSyntax,
		`{"value":[1]}{"value":[2]}`:                     ErrSyntax,
		`[1][2]`:                                         ErrSyntax,
		`{"value":[1)}`:                                  ErrSyntax,
		`nothing`:                                        ErrSyntax,
		`<html>`:                                         ErrSyntax,
	} {
		for name, read := range map[string]func() ([]string, error){
			"whole":        func() ([]string, error) { return all(strings.NewReader(answer), int64(len(answer))) },
			"unknown size": func() ([]string, error) { return all(strings.NewReader(answer), -1) },
			"by bytes":     func() ([]string, error) { return all(iotest.OneByteReader(strings.NewReader(answer)), -1) },
			"in halves":    func() ([]string, error) { return all(iotest.HalfReader(strings.NewReader(answer)), int64(len(answer))) },
		} {
			elements, err := read()
			if failure, ok := want.(error); ok {
				require.ErrorIs(t, err, failure, "%s: %s", name, answer)
			} else {
				require.NoError(t, err, "%s: %s", name, answer)
				require.Equal(t, want, elements, "%s: %s", name, answer)
			}
		}
	}
}

// TestListInPieces compares elements of many sizes with what was sent: slices of a
// buffer stay right when it is filled again.
func TestListInPieces(t *testing.T) {
	var answer bytes.Buffer
	var want []string
	answer.WriteString(`{"value":[`)
	for i := range 3000 {
		element := fmt.Sprintf(`{"id":%d,"padding":%q}`, i, strings.Repeat("ab", i*i%7919))
		if i > 0 {
			answer.WriteString(" ,\n")
		}
		want = append(want, element)
		answer.WriteString(element)
	}
	answer.WriteString(`],"nextLink":"n"}`)
	want = append(want, "link n", "error ")
	for _, size := range []int64{-1, int64(answer.Len())} {
		got, err := all(bytes.NewReader(answer.Bytes()), size)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestListPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	for _, begin := range []string{``, `{`, `{"value":[{"a":1},`, `{"value":[{"a`, `{"value":[1]}`} {
		_, err := all(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken)), -1)
		require.ErrorIs(t, err, broken)
	}
	_, err := all(strings.NewReader(`{"value":["`+strings.Repeat("x", DefaultLimits.Bytes)+`"]}`), -1)
	require.ErrorIs(t, err, ErrLimit)
	_, err = all(strings.NewReader(`{"nextLink":"`+strings.Repeat("x", maxSmall)+`"}`), -1)
	require.ErrorIs(t, err, ErrLimit)
	_, err = all(strings.NewReader(`{"value":[[`+strings.Repeat("0,", DefaultLimits.Values)+`0]]}`), -1)
	require.ErrorIs(t, err, ErrLimit)
}

// FuzzDocument compares with encoding/json, which reads the same language.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,"\u00e9",true,null,{}]}`, `[[],{}]`, "\xef\xbb\xbf{}", `{"id":1,"id":2}`, `"\ud800"`, "[1 ,2]\n", `-0`, `{"value":[{"id":1}],"nextLink":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		err := Document(document, DefaultLimits)
		if errors.Is(err, ErrLimit) || errors.Is(err, ErrTwice) {
			return
		}
		plain := bytes.TrimPrefix(document, byteOrderMark)
		require.Equal(t, json.Valid(plain), err == nil, "%q: %v", document, err)
		if err == nil && Exact(document) {
			var kept struct{ Document json.RawMessage }
			require.NoError(t, json.Unmarshal(append(append([]byte(`{"document":`), document...), '}'), &kept))
			require.Equal(t, string(document), string(kept.Document))
		}
	})
}

// FuzzList compares with encoding/json, and whole answers with those that come by bytes.
func FuzzList(f *testing.F) {
	for _, seed := range []string{`{"value":[{"a":1},2],"nextLink":"x"}`, `[1,2]`, `null`, ``, `{"value":null}`, `{"error":{"code":"x"}}`, `{"value":[1],"value":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		whole, err := all(bytes.NewReader(answer), int64(len(answer)))
		pieces, inPieces := all(iotest.OneByteReader(bytes.NewReader(answer)), -1)
		require.Equal(t, whole, pieces)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(inPieces))
		if err != nil {
			return
		}
		plain := Trim(answer)
		require.True(t, json.Valid(plain) || len(plain) == 0, "%q", answer)
		var want []json.RawMessage
		if bytes.HasPrefix(plain, []byte("{")) {
			var envelope map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(plain, &envelope))
			plain = envelope["value"]
		}
		if len(plain) > 0 {
			require.NoError(t, json.Unmarshal(plain, &want))
		}
		require.Len(t, whole, len(want)+2)
		for i, element := range want {
			require.Equal(t, string(element), whole[i])
		}
	})
}
