package compact

import "iter"

// Index holds values by texts: a digest with the value at hand, and the text where it
// takes little room. The zero value is empty.
type Index[V any] struct {
	values Table[Digest, V]
	texts  Texts
}

// Len is how many entries there are.
func (x *Index[V]) Len() int { return x.values.Len() }

// Bytes is about how much memory it takes.
func (x *Index[V]) Bytes() int { return x.values.Bytes() + x.texts.Bytes() }

// Get finds a value.
func (x *Index[V]) Get(text string) (V, bool) { return x.values.Get(DigestOf(text)) }

// Put stores a value. It reports whether the text is new.
func (x *Index[V]) Put(text string, value V) bool {
	fresh := x.values.Put(DigestOf(text), value)
	if fresh {
		x.texts.Add(text)
	}
	return fresh
}

// Values are all values, in no order. It is quick, since no text is needed.
func (x *Index[V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, value := range x.values.All() {
			if !yield(value) {
				return
			}
		}
	}
}

// All are the entries that there are now, in the order in which their texts came. Values
// are those of the time at which each is handed on, and may be put meanwhile.
func (x *Index[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for text := range x.texts.All() {
			if value, ok := x.Get(text); ok && !yield(text, value) {
				return
			}
		}
	}
}
