package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A template is an encoded request whose keys all have the same width, so that requests differ only at known offsets. The generator encodes the
// template once. Each call copies the template and overwrites the keys, so that the generator needs little CPU.
type template struct {
	body  []byte
	slots []slot // positions of the digits of the keys
	nkeys int    // number of independent keys in a request
}

type slot struct {
	off int
	key int
}

const keyWidth = 8

// marker returns the bytes that replace a placeholder until the request is encoded. The wire-format notation (see compile) has the placeholders
// {k0} to {k9}. The placeholder {key} is the same as {k0}.
func marker(key int) string { return fmt.Sprintf("\x01\x02KEY%d\x02\x01", key) }

// compile turns the wire-format notation into a template.
//
//	fields := field*         field := NUMBER ':' value
//	value  := "text" | INTEGER | x"hex" | '{' fields '}'
//
// Example: 1:"bench" 2:{1:{1:"d0" 2:"{key}"}} 3:1
func compile(src string) (*template, error) {
	p := &parser{s: src}
	b, err := p.fields(0)
	if err != nil {
		return nil, err
	}
	return fromBytes(b, "")
}

// fromBytes finds the key slots in an encoded request. A binary file can use
// another placeholder of 8 bytes, such as KKKKKKKK.
func fromBytes(b []byte, placeholder string) (*template, error) {
	t := &template{body: b}
	if placeholder != "" && len(placeholder) != keyWidth {
		return nil, fmt.Errorf("-placeholder must have %d bytes, got %d", keyWidth, len(placeholder))
	}
	find := func(m string, key int) {
		for from := 0; ; {
			i := strings.Index(string(t.body[from:]), m)
			if i < 0 {
				return
			}
			t.slots = append(t.slots, slot{from + i, key})
			if key+1 > t.nkeys {
				t.nkeys = key + 1
			}
			from += i + len(m)
		}
	}
	for k := 0; k < 10; k++ {
		find(marker(k), k)
	}
	if placeholder != "" {
		find(placeholder, 0)
	}
	return t, nil
}

// render writes the request for the given keys into buf.
func (t *template) render(buf []byte, keys []uint32) []byte {
	buf = append(buf[:0], t.body...)
	for _, s := range t.slots {
		v := keys[s.key]
		for i := keyWidth - 1; i >= 0; i-- {
			buf[s.off+i] = byte('0' + v%10)
			v /= 10
		}
	}
	return buf
}

type parser struct {
	s string
	i int
}

func (p *parser) space() {
	for p.i < len(p.s) && strings.ContainsRune(" \t\n\r,", rune(p.s[p.i])) {
		p.i++
	}
}

func (p *parser) fields(depth int) ([]byte, error) {
	var out []byte
	for {
		p.space()
		if p.i >= len(p.s) {
			if depth > 0 {
				return nil, fmt.Errorf("missing '}' at the end of a message")
			}
			return out, nil
		}
		if p.s[p.i] == '}' && depth > 0 {
			p.i++
			return out, nil
		}
		n, err := p.number()
		if err != nil {
			return nil, err
		}
		p.space()
		if p.i >= len(p.s) || p.s[p.i] != ':' {
			return nil, fmt.Errorf("expected ':' at position %d", p.i)
		}
		p.i++
		p.space()
		if p.i >= len(p.s) {
			return nil, fmt.Errorf("missing value at the end")
		}
		switch c := p.s[p.i]; {
		case c == '{':
			p.i++
			sub, err := p.fields(depth + 1)
			if err != nil {
				return nil, err
			}
			out = lenDelim(out, n, sub)
		case c == '"':
			v, err := p.quoted()
			if err != nil {
				return nil, err
			}
			out = lenDelim(out, n, []byte(placeholders(v)))
		case c == 'x' && p.i+1 < len(p.s) && p.s[p.i+1] == '"':
			p.i++
			v, err := p.quoted()
			if err != nil {
				return nil, err
			}
			raw, err := hex.DecodeString(v)
			if err != nil {
				return nil, err
			}
			out = lenDelim(out, n, raw)
		default:
			v, err := p.number()
			if err != nil {
				return nil, err
			}
			out = varint(varint(out, n<<3), v)
		}
	}
}

func (p *parser) number() (uint64, error) {
	j := p.i
	for j < len(p.s) && p.s[j] >= '0' && p.s[j] <= '9' {
		j++
	}
	v, err := strconv.ParseUint(p.s[p.i:j], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("expected a number at position %d", p.i)
	}
	p.i = j
	return v, nil
}

func (p *parser) quoted() (string, error) {
	q, err := strconv.QuotedPrefix(p.s[p.i:])
	if err != nil {
		return "", fmt.Errorf("at position %d: %v", p.i, err)
	}
	p.i += len(q)
	return strconv.Unquote(q)
}

// placeholders replaces {key} and {kN} with markers that have the width of a key.
func placeholders(v string) string {
	v = strings.ReplaceAll(v, "{key}", marker(0))
	for k := 0; k < 10; k++ {
		v = strings.ReplaceAll(v, fmt.Sprintf("{k%d}", k), marker(k))
	}
	return v
}

func varint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func lenDelim(b []byte, field uint64, v []byte) []byte {
	b = varint(varint(b, field<<3|2), uint64(len(v)))
	return append(b, v...)
}

// readVerdict reads a varint field of a response by its path ("1", "1.1"). A
// missing field has the value 0, as in proto3.
func readVerdict(b []byte, path []uint64) uint64 {
	for depth, want := range path {
		last := depth == len(path)-1
		found := false
		for len(b) > 0 {
			tag, n := uvarint(b)
			if n <= 0 {
				return 0
			}
			b = b[n:]
			switch tag & 7 {
			case 0:
				v, n := uvarint(b)
				if n <= 0 {
					return 0
				}
				b = b[n:]
				if tag>>3 == want && last {
					return v
				}
			case 1:
				if len(b) < 8 {
					return 0
				}
				b = b[8:]
			case 2:
				l, n := uvarint(b)
				if n <= 0 || uint64(len(b)-n) < l {
					return 0
				}
				if tag>>3 == want && !last {
					b = b[n : n+int(l)]
					found = true
				} else {
					b = b[n+int(l):]
				}
			case 5:
				if len(b) < 4 {
					return 0
				}
				b = b[4:]
			default:
				return 0
			}
			if found {
				break
			}
		}
		if !found {
			return 0
		}
	}
	return 0
}

func uvarint(b []byte) (uint64, int) {
	var v uint64
	for i, c := range b {
		if i == 10 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, -1
}

func parsePath(s string) ([]uint64, error) {
	if s == "" {
		return nil, nil
	}
	var out []uint64
	for _, f := range strings.Split(s, ".") {
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
