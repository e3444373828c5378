package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// headerBlock encodes the same fields as grpc-go's client, as literals that are
// not added to the dynamic table.
func headerBlock(cfg *config, authority string) []byte {
	var b []byte
	b = append(b, 0x83, 0x86) // indexed fields :method POST and :scheme http
	lit := func(index byte, name, value string) {
		if index > 0 && index < 15 {
			b = append(b, index)
		} else if index >= 15 {
			b = append(b, 15, index-15)
		} else {
			b = append(b, 0)
			b = hpackInt(b, len(name))
			b = append(b, name...)
		}
		b = hpackInt(b, len(value))
		b = append(b, value...)
	}
	lit(4, "", cfg.method)
	lit(1, "", authority)
	lit(31, "", "application/grpc")
	lit(58, "", "pannier-bench")
	lit(0, "te", "trailers")
	if cfg.timeout > 0 {
		lit(0, "grpc-timeout", timeoutText(cfg.timeout))
	}
	for _, m := range cfg.metadata {
		k, v, _ := strings.Cut(m, "=")
		lit(0, strings.ToLower(k), v)
	}
	return b
}

// timeoutText formats a timeout as at most 8 digits and a unit.
func timeoutText(d time.Duration) string {
	if us := d.Microseconds(); us < 1e8 {
		return fmt.Sprintf("%du", us)
	}
	return fmt.Sprintf("%dm", min(d.Milliseconds(), 1e8-1))
}

func hpackInt(b []byte, n int) []byte {
	if n < 127 {
		return append(b, byte(n))
	}
	b = append(b, 127)
	n -= 127
	for n >= 128 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func frame(typ, flags byte, id uint32, payload []byte) []byte {
	b := make([]byte, 9+len(payload))
	b[0], b[1], b[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	b[3], b[4] = typ, flags
	binary.BigEndian.PutUint32(b[5:], id)
	copy(b[9:], payload)
	return b
}

func appendHead(b []byte, n int, typ, flags byte, id uint32) []byte {
	return append(b, byte(n>>16), byte(n>>8), byte(n), typ, flags, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// launch sends a call, or queues it while the server allows no further streams.
func (h *h2Conn) launch(f *flight) {
	f.req = h.cfg.tpl.render(f.req, h.keys.next())
	if n := h.cfg.cancelEvery; n > 0 {
		h.cancel(f.req, n)
	}
	h.send(f)
}

// cancel sends an additional call after every n launches, and cancels it at the next launch. Only every second additional call sends its message.
func (h *h2Conn) cancel(req []byte, n int) {
	if h.doomed != 0 {
		h.out = appendHead(h.out, 4, 3, 0, h.doomed)
		h.out = append(h.out, 0, 0, 0, 8) // CANCEL
		h.doomed = 0
		h.w.cancelled++
	}
	h.launched++
	size := int64(5 + len(req))
	if h.launched%n != 0 || len(h.flights)+1 >= h.maxOpen || h.window < size {
		return
	}
	h.doomed = h.openStream()
	if h.launched/n%2 == 0 {
		h.window -= size
		h.message(h.doomed, req)
	}
}

// openStream sends a header block and returns the id of the new stream.
func (h *h2Conn) openStream() uint32 {
	id := h.nextID
	h.nextID += 2
	h.out = appendHead(h.out, len(h.hdr), 1, 4, id)
	h.out = append(h.out, h.hdr...)
	return id
}

func (h *h2Conn) message(id uint32, req []byte) {
	n := len(req)
	h.out = appendHead(h.out, 5+n, 0, 1, id)
	h.out = append(h.out, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	h.out = append(h.out, req...)
}

func (h *h2Conn) send(f *flight) {
	n := 5 + len(f.req)
	if len(h.flights) >= h.maxOpen || h.window < int64(n) {
		h.queue = append(h.queue, f)
		return
	}
	id := h.openStream()
	h.window -= int64(n)
	h.flights[id] = f
	h.message(id, f.req)
}

func (h *h2Conn) unqueue() {
	for len(h.queue) > 0 && len(h.flights) < h.maxOpen && h.window >= int64(5+len(h.queue[0].req)) {
		f := h.queue[0]
		h.queue = h.queue[1:]
		h.send(f)
	}
}
