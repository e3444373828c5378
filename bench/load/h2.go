package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// The h2 engine is a minimal gRPC client: one goroutine reads a connection, and in a closed loop also writes to it. The engine needs a fraction of
// the CPU of grpc-go's client, so that the generator does not limit a fast server. The engine sends the deadline to the server, but does not enforce
// it itself.
type h2Engine struct {
	cfg   *config
	conns []*h2Conn
}

type h2Conn struct {
	cfg  *config
	c    net.Conn
	r    *bufio.Reader
	hdr  []byte // header block of the request, with static and literal fields only
	keys *keySource
	w    *worker

	mu      sync.Mutex // guards all fields below
	out     []byte
	nextID  uint32
	flights map[uint32]*flight
	pool    []*flight
	window  int64     // remaining window of the connection
	maxOpen int       // SETTINGS_MAX_CONCURRENT_STREAMS of the server
	queue   []*flight // calls that wait for a stream or the window; the latency includes the wait
	credit  int       // received bytes for which no WINDOW_UPDATE was sent yet
	req     []byte
	dec     *hpack.Decoder
	cur     *flight
	curBad  *string
	hblock  []byte
	dead    error
	stopped bool

	launched int
	doomed   uint32 // stream that the next launch cancels, or 0
}

type flight struct {
	intended, start time.Time
	measure         bool
	resp            []byte
	status, msg     string
	req             []byte
}

func newH2(cfg *config) (*h2Engine, error) {
	e := &h2Engine{cfg: cfg}
	for i := 0; i < cfg.conns; i++ {
		network, addr, authority := "tcp", cfg.addr, cfg.addr
		if strings.HasPrefix(addr, "unix:") {
			network, addr, authority = "unix", strings.TrimPrefix(strings.TrimPrefix(addr, "unix:"), "//"), "localhost"
		}
		c, err := net.DialTimeout(network, addr, 5*time.Second)
		if err != nil {
			return nil, err
		}
		h := &h2Conn{cfg: cfg, c: c, r: bufio.NewReaderSize(c, 1<<16), nextID: 1,
			flights: map[uint32]*flight{}, window: 65535, maxOpen: 1 << 30, keys: cfg.keySource(uint64(i) + 1), w: newWorker()}
		h.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
			if h.cur == nil {
				return
			}
			switch f.Name {
			case "grpc-status":
				h.cur.status = f.Value
			case "grpc-message":
				h.cur.msg = f.Value
			case ":status":
				if f.Value != "200" {
					h.cur.status = "http " + f.Value
				}
			}
		})
		h.hdr = headerBlock(cfg, authority)
		b := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		b = append(b, frame(4, 0, 0, []byte{0, 4, 0x00, 0x40, 0x00, 0x00, 0, 2, 0, 0, 0, 0})...) // SETTINGS with stream windows of 4 MiB and no server push
		b = append(b, frame(8, 0, 0, []byte{0x3f, 0xff, 0x00, 0x00})...)                         // connection window
		if _, err := c.Write(b); err != nil {
			return nil, err
		}
		e.conns = append(e.conns, h)
	}
	return e, nil
}

func (e *h2Engine) close() {
	for _, c := range e.conns {
		c.c.Close()
	}
}

func (h *h2Conn) newFlight(intended time.Time, now time.Time, measure bool) *flight {
	var f *flight
	if n := len(h.pool); n > 0 {
		f = h.pool[n-1]
		h.pool = h.pool[:n-1]
	} else {
		f = &flight{}
	}
	f.intended, f.start, f.measure, f.resp, f.status, f.msg = intended, now, measure, f.resp[:0], "", ""
	return f
}

func (h *h2Conn) flush() error {
	if len(h.out) == 0 {
		return nil
	}
	_, err := h.c.Write(h.out)
	h.out = h.out[:0]
	return err
}

// read handles frames until the connection ends. read calls done for each finished call, with the lock held. The callback done may launch the next
// call.
func (h *h2Conn) read(done func(*h2Conn, time.Time)) error {
	head := make([]byte, 9)
	var payload []byte
	var now time.Time
	for {
		if h.r.Buffered() < 9 {
			h.mu.Lock()
			err := h.flush()
			h.mu.Unlock()
			if err != nil {
				return err
			}
			if h.r.Buffered() == 0 {
				now = time.Time{}
			}
		}
		if _, err := io.ReadFull(h.r, head); err != nil {
			return err
		}
		if now.IsZero() {
			now = time.Now() // reads the clock once for all frames that arrived together
		}
		n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if cap(payload) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(h.r, payload); err != nil {
			return err
		}
		if err := h.frame(head[3], head[4], binary.BigEndian.Uint32(head[5:])&0x7fffffff, payload, now, done); err != nil {
			return err
		}
	}
}

func (h *h2Conn) frame(typ, flags byte, id uint32, p []byte, now time.Time, done func(*h2Conn, time.Time)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.flights[id]
	end := false
	switch typ {
	case 0: // DATA
		h.credit += len(p)
		if flags&8 != 0 {
			p = p[1 : len(p)-int(p[0])]
		}
		if f != nil {
			f.resp = append(f.resp, p...)
		}
		if h.credit > 1<<20 {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], uint32(h.credit))
			h.out = append(h.out, frame(8, 0, 0, b[:])...)
			h.credit = 0
		}
		end = flags&1 != 0
	case 1, 9: // HEADERS, CONTINUATION
		if typ == 1 {
			h.hblock = h.hblock[:0]
			if flags&8 != 0 {
				p = p[1 : len(p)-int(p[0])]
			}
			if flags&0x20 != 0 {
				p = p[5:]
			}
			end = flags&1 != 0
		}
		if typ == 1 && flags&4 != 0 {
			h.cur = f
			if _, err := h.dec.Write(p); err != nil {
				return err
			}
			h.dec.Close()
			break
		}
		h.hblock = append(h.hblock, p...)
		if flags&4 != 0 {
			h.cur = f
			if _, err := h.dec.Write(h.hblock); err != nil {
				return err
			}
			h.dec.Close()
		}
	case 3: // RST_STREAM
		if f != nil {
			f.status = fmt.Sprintf("rst %d", binary.BigEndian.Uint32(p))
			end = true
		}
	case 4: // SETTINGS
		if flags&1 == 0 {
			for i := 0; i+6 <= len(p); i += 6 {
				if v := binary.BigEndian.Uint32(p[i+2:]); binary.BigEndian.Uint16(p[i:]) == 3 && v < 1<<30 {
					h.maxOpen = int(v)
				}
			}
			h.out = append(h.out, frame(4, 1, 0, nil)...)
		}
	case 6: // PING
		if flags&1 == 0 {
			h.out = append(h.out, frame(6, 1, 0, p)...)
		}
	case 7:
		return fmt.Errorf("GOAWAY %x", p)
	case 8: // WINDOW_UPDATE
		if id == 0 {
			h.window += int64(binary.BigEndian.Uint32(p) & 0x7fffffff)
			h.unqueue()
		}
	}
	if !end || f == nil {
		return nil
	}
	delete(h.flights, id)
	if f.measure {
		h.count(f, now)
	}
	h.pool = append(h.pool, f)
	h.unqueue()
	done(h, now)
	return nil
}

func (h *h2Conn) count(f *flight, now time.Time) {
	failed := ""
	if f.status != "0" {
		if h.cfg.isExpected(f.status) {
			h.w.expected++
			return
		}
		failed = "status " + f.status + ": " + f.msg
		failed = failed[:min(len(failed), 90)]
	}
	body := f.resp
	if len(body) >= 5 {
		body = body[5:]
	}
	h.cfg.record(h.w, f.intended, f.start, now, body, failed)
}
