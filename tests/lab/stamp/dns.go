package stamp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver is a DNS server for the names below one domain.
type resolver struct {
	conn   net.PacketConn
	domain string // with dots at both ends
	ip     [4]byte
}

func newResolver(domain string, ip net.IP) (*resolver, error) {
	r := &resolver{domain: "." + domain + "."}
	if v4 := ip.To4(); v4 != nil {
		r.ip = [4]byte(v4)
	} else {
		return nil, fmt.Errorf("the stamp listens on %s, which is no IPv4 address", ip)
	}
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the stamp's DNS: %w", err)
	}
	r.conn = conn
	return r, nil
}

func (r *resolver) address() string { return r.conn.LocalAddr().String() }

func (r *resolver) close() error { return r.conn.Close() }

// run answers until the socket is closed.
func (r *resolver) run() {
	buffer := make([]byte, 4096)
	for {
		n, from, err := r.conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as an ICMP refusal of an earlier answer
		}
		if reply, ok := r.answer(buffer[:n]); ok {
			// A lost answer is asked for again.
			_, _ = r.conn.WriteTo(reply, from)
		}
	}
}

// answer makes the reply to a query; false for what is no query with one question.
func (r *resolver) answer(query []byte) ([]byte, bool) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil || header.Response {
		return nil, false
	}
	question, err := p.Question()
	if err != nil {
		return nil, false
	}
	reply := dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, OpCode: header.OpCode}
	known := strings.HasSuffix("."+strings.ToLower(question.Name.String()), r.domain)
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, reply)
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(question) != nil {
		return nil, false
	}
	if known && question.Type == dnsmessage.TypeA && question.Class == dnsmessage.ClassINET {
		h := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 60}
		if b.StartAnswers() != nil || b.AResource(h, dnsmessage.AResource{A: r.ip}) != nil {
			return nil, false
		}
	}
	out, err := b.Finish()
	return out, err == nil
}
