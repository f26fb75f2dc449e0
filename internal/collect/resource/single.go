package resource

import (
	"context"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/collect/resource/manager"
)

// ErrAnswer is in the chain of faults for answers that are not what was asked for.
var ErrAnswer = azure.ErrAnswer

// single reads one document, and makes sure that it is the one that was asked for. What
// was asked for by its ID has to say that ID; a document at a fixed path may have none,
// or one below the path. An answer of another kind is asked for again a few times, since
// some come from a gateway that has its own troubles.
func (w *Walk) single(ctx context.Context, m *manager.Manager, path, version string, byID bool) (*azure.Answer, error) {
	if !w.checks(checkSingleAnswer) {
		return m.Client.Get(ctx, path, version, nil)
	}
	return m.Client.GetWith(ctx, path, version, func(document []byte) error { return unlike(document, path, byID) })
}

// unlike says what a single answer is not. It never repeats what stands there.
func unlike(body []byte, path string, byID bool) error {
	document := gjson.ParseBytes(body)
	if !document.IsObject() {
		return errors.New("it is no object")
	}
	id := jsondoc.Member(document, "id")
	if id.Type != gjson.String || id.Str == "" {
		switch {
		case jsondoc.Member(document, "error").Exists():
			return errors.New("it is an error with the status of a success")
		case byID:
			return errors.New("it does not say whose it is")
		case emptyObject(document):
			return errors.New("it is empty")
		}
		return nil
	}
	own, asked := resourceid.Key(id.Str), resourceid.Key(path)
	if own == asked || resourceid.Same(own, asked) || (!byID && strings.HasPrefix(own, asked+"/")) {
		return nil
	}
	return errors.New("it is the document of another resource")
}

func emptyObject(document gjson.Result) bool {
	empty := true
	document.ForEach(func(_, _ gjson.Result) bool {
		empty = false
		return false
	})
	return empty
}

// get reads one document by its ID.
func (w *Walk) get(ctx context.Context, m *manager.Manager, fullType, id, version string) (Resource, error) {
	answer, err := w.single(ctx, m, resourceid.Normal(id), version, true)
	if err != nil {
		return Resource{}, err
	}
	if own := jsondoc.Text(answer.Body, "id"); resourceid.Same(own, id) {
		id = own // in the letters that its creator chose
	}
	return Resource{Endpoint: m.Client.Endpoint(), Type: fullType, ID: id, Version: version, Document: answer.Body, read: true}, nil
}

// There asks whether a resource is there. It may be called from any goroutine.
func (w *Walk) There(ctx context.Context, r Resource) (bool, error) {
	_, err := w.get(ctx, w.managerOf(r.Endpoint), r.Type, r.ID, r.Version)
	if notFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Deleted notes that a resource of a kind, which was captured, is not there any more.
func (w *Walk) Deleted(kind string, r Resource) { w.vanish(r.Endpoint, kind, r.ID) }
