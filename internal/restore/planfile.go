package restore

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
)

// Limits of a plan that others may have written.
const (
	maxPlanLine = 1 << 20
	maxRest     = 4 << 20 // refusals and losses, each
)

// line is one line of a plan's file: one of its members is set.
type line struct {
	Header  *Header       `json:"header,omitempty"`
	Step    *Step         `json:"step,omitempty"`
	Refusal *Refusal      `json:"refused,omitempty"`
	Loss    *Loss         `json:"lost,omitempty"`
	Pair    *mapping.Pair `json:"pair,omitempty"`
	Footer  *footer       `json:"footer,omitempty"`
}

type footer struct {
	Lines  int    `json:"lines"`  // before this one
	SHA256 string `json:"sha256"` // of all bytes before this line
}

// lines calls fn for every line but the footer, in order.
func (p *Plan) lines(fn func(line) error) error {
	header := p.Header
	if err := fn(line{Header: &header}); err != nil {
		return err
	}
	for i := range p.Steps {
		if err := fn(line{Step: &p.Steps[i]}); err != nil {
			return err
		}
	}
	for i := range p.Refusals {
		if err := fn(line{Refusal: &p.Refusals[i]}); err != nil {
			return err
		}
	}
	for i := range p.Losses {
		if err := fn(line{Loss: &p.Losses[i]}); err != nil {
			return err
		}
	}
	for i := range p.Pairs {
		if err := fn(line{Pair: &p.Pairs[i]}); err != nil {
			return err
		}
	}
	return nil
}

// encode writes the lines and returns their number and digest.
func (p *Plan) encode(w io.Writer) (lines int, sum hash.Hash, err error) {
	sum = sha256.New()
	encoder := json.NewEncoder(io.MultiWriter(w, sum))
	encoder.SetEscapeHTML(false)
	err = p.lines(func(l line) error {
		lines++
		return encoder.Encode(l)
	})
	return lines, sum, err
}

// sign sets the plan's ID, which is the digest of the plan without it.
func (p *Plan) sign() error {
	p.Header.PlanID = ""
	_, sum, err := p.encode(io.Discard)
	p.Header.PlanID = hex.EncodeToString(sum.Sum(nil))
	return err
}

// Encode writes the plan as JSON Lines: the header, the steps in their order, what is
// refused, what is lost, what was learned, and the number and digest of these lines. Equal plans give equal
// bytes. The plan holds names of items: who keeps it encrypts it.
func (p *Plan) Encode(w io.Writer) error {
	out := bufio.NewWriter(w)
	n, sum, err := p.encode(out)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(line{Footer: &footer{Lines: n, SHA256: hex.EncodeToString(sum.Sum(nil))}}); err != nil {
		return err
	}
	return out.Flush()
}

// DecodePlan reads a plan that others may have changed. PLAN_INVALID when it is not as
// Encode wrote it, FORMAT_UNKNOWN for another format; errors of r are returned as they are.
func DecodePlan(r io.Reader) (*Plan, error) {
	p, sum, n := &Plan{}, sha256.New(), 0
	in := bufio.NewReaderSize(r, maxPlanLine)
	for {
		data, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fault.Newf(fault.PlanInvalid, "line %d of the plan is longer than %d bytes", n+1, maxPlanLine)
		case errors.Is(err, io.EOF):
			return nil, fault.Newf(fault.PlanInvalid, "the plan ends after %d lines, before its end", n)
		case err != nil:
			return nil, err
		}
		l, err := decodeLine(data)
		if err != nil {
			return nil, fault.New(fault.PlanInvalid, "a line of the plan cannot be read", err)
		}
		if l.Footer != nil {
			if l.Footer.Lines != n || l.Footer.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
				return nil, fault.New(fault.PlanInvalid, "the plan's digest is not that of its lines", nil)
			}
			break
		}
		if err := p.add(l, n); err != nil {
			return nil, err
		}
		sum.Write(data)
		n++
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(fault.New(fault.PlanInvalid, "something follows the end of the plan", nil), err)
	}
	return p, p.check()
}

func decodeLine(data []byte) (l line, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	set := 0
	for _, is := range []bool{l.Header != nil, l.Step != nil, l.Refusal != nil, l.Loss != nil, l.Pair != nil, l.Footer != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return l, errors.New("it is not one thing")
	}
	return l, nil
}

// add enters line n.
func (p *Plan) add(l line, n int) error {
	switch {
	case (l.Header != nil) != (n == 0):
		return fault.New(fault.PlanInvalid, "the plan does not begin with its header", nil)
	case l.Header != nil:
		if l.Header.Format != PlanFormat {
			return fault.Newf(fault.FormatUnknown, "the plan has format %d, and this version knows %d", l.Header.Format, PlanFormat)
		}
		p.Header = *l.Header
	case l.Step != nil && len(p.Steps) < MaxSteps:
		p.Steps = append(p.Steps, *l.Step)
	case l.Refusal != nil && len(p.Refusals) < maxRest:
		p.Refusals = append(p.Refusals, *l.Refusal)
	case l.Loss != nil && len(p.Losses) < maxRest:
		p.Losses = append(p.Losses, *l.Loss)
	case l.Pair != nil && len(p.Pairs) < maxRest:
		p.Pairs = append(p.Pairs, *l.Pair)
	default:
		return fault.New(fault.PlanInvalid, "the plan is larger than any that is made", nil)
	}
	return nil
}

// check compares the ID, and makes sure of what Run relies on.
func (p *Plan) check() error {
	id := p.Header.PlanID
	if err := p.sign(); err != nil {
		return err
	}
	if id != p.Header.PlanID {
		return fault.New(fault.PlanInvalid, "the plan's ID is not the digest of its content", nil)
	}
	if p.Header.Kind != OfBackup && p.Header.Kind != OfUndo {
		return fault.Newf(fault.PlanInvalid, "a plan of kind %q is unknown", p.Header.Kind)
	}
	if p.Header.Site != nil {
		if err := p.Header.Site.Validate(); err != nil {
			return fault.New(fault.PlanInvalid, "the names of the plan cannot be", err)
		}
	}
	for i, s := range p.Steps {
		if s.N != i || s.Within >= i || s.Within < -1 {
			return fault.Newf(fault.PlanInvalid, "step %d of the plan is not where it belongs", i)
		}
		for _, need := range s.Needs {
			if need < 0 || need >= i {
				return fault.Newf(fault.PlanInvalid, "step %d of the plan needs step %d, which does not come before it", i, need)
			}
		}
	}
	return nil
}
