package shape

import (
	"fmt"
	"strings"
)

// Shape is what a value may hold.
type Shape struct {
	// Members are an object's, or those of an array's elements; nil for a value that is taken
	// as it is.
	Members []Member
	// List says that it is an array of objects. Key are the members that tell its elements
	// apart; none when the order does.
	List bool
	Key  []string
	// Set says that the order of an array of plain values does not count.
	Set bool
}

// Member is a member of an object. Names of documents are compared without case.
type Member struct {
	Name string
	Shape
	// Owned members are the service's, and never sent.
	Owned bool
	// Fixed members are sent when the resource is made. Later they stay as they are, and do
	// not count when documents are compared.
	Fixed bool
	// Carried members are other resources that a PUT would remove if it did not have them.
	Carried bool
}

// find returns a member by its name.
func (s *Shape) find(name string) *Member {
	for i := range s.Members {
		if strings.EqualFold(s.Members[i].Name, name) {
			return &s.Members[i]
		}
	}
	return nil
}

// parse reads a table's text.
func parse(text string) (*Shape, error) {
	p := &parser{text: text}
	s := &Shape{}
	var err error
	if s.Members, err = p.members(0); err == nil && p.at < len(p.text) {
		err = fmt.Errorf("%q stands at %d, where nothing can", p.text[p.at], p.at)
	}
	return s, err
}

// maxDepth bounds how deep shapes and documents are.
const maxDepth = 64

type parser struct {
	text string
	at   int
}

func (p *parser) blanks() {
	for p.at < len(p.text) && strings.IndexByte(" \n\t", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take goes past a letter if it is the next one.
func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// until takes what is in front of any of some letters.
func (p *parser) until(ends string) string {
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(ends, p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

func (p *parser) members(depth int) ([]Member, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	all := []Member{}
	for {
		p.blanks()
		if p.at == len(p.text) || p.text[p.at] == '}' {
			return all, nil
		}
		m := Member{Name: p.until(" \n\t{}[]-~!^")}
		if m.Name == "" {
			return nil, fmt.Errorf("a name is missing at %d", p.at)
		}
		for more := true; more; {
			switch {
			case p.take('-'):
				m.Owned = true
			case p.take('~'):
				m.Set = true
			case p.take('!'):
				m.Fixed = true
			case p.take('^'):
				m.Carried = true
			default:
				more = false
			}
		}
		if p.take('[') {
			m.List = true
			if key := p.until("]{}\n"); key != "" {
				m.Key = strings.Split(key, "+")
			}
			if !p.take(']') {
				return nil, fmt.Errorf("a bracket is open at %d", p.at)
			}
		}
		if p.take('{') {
			var err error
			if m.Members, err = p.members(depth + 1); err != nil {
				return nil, err
			}
			if !p.take('}') {
				return nil, fmt.Errorf("a brace is open at %d", p.at)
			}
		}
		all = append(all, m)
	}
}
