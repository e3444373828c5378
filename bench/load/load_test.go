package main

import (
	"encoding/hex"
	"testing"
	"time"
)

func TestTemplate(t *testing.T) {
	tpl, err := compile(`1:"b" 2:{1:{1:"d0" 2:"{k0}"} 1:{1:"d1" 2:"x{k1}"}} 3:300 4:x"ff00"`)
	if err != nil {
		t.Fatal(err)
	}
	got := hex.EncodeToString(tpl.render(nil, []uint32{42, 12345678}))
	want := "0a0162" + "121f" +
		"0a0e" + "0a026430" + "1208" + "3030303030303432" +
		"0a0f" + "0a026431" + "120978" + "3132333435363738"
	// The outer length is 16 + 17 bytes.
	want = want[:6] + "1221" + want[10:] + "18ac02" + "2202ff00"
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if tpl.nkeys != 2 {
		t.Fatalf("%d keys", tpl.nkeys)
	}
	for _, bad := range []string{`1`, `1:{`, `1:"x`, `x:1`, `1:x"0"`} {
		if _, err := compile(bad); err == nil {
			t.Errorf("%s compiled", bad)
		}
	}
}

func TestBinaryTemplate(t *testing.T) {
	tpl, err := fromBytes([]byte("\x0a\x0au-KKKKKKKK\x10\x01"), "KKKKKKKK")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tpl.render(nil, []uint32{7})); got != "\x0a\x0au-00000007\x10\x01" {
		t.Fatalf("%q", got)
	}
}

func TestVerdict(t *testing.T) {
	path := func(s string) []uint64 { p, _ := parsePath(s); return p }
	for _, c := range []struct {
		hex, path string
		want      uint64
	}{
		{"0802120208 02", "1", 2},
		{"12020802", "1", 0},
		{"0a0608011064180a", "1.1", 1},
		{"0a04106418 0a", "1.1", 0},
		{"", "1.1", 0},
	} {
		var clean string
		for _, r := range c.hex {
			if r != ' ' {
				clean += string(r)
			}
		}
		b, err := hex.DecodeString(clean)
		if err != nil {
			t.Fatal(err)
		}
		if got := readVerdict(b, path(c.path)); got != c.want {
			t.Errorf("%s at %s: %d, want %d", c.hex, c.path, got, c.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := int64(1); i <= 100000; i++ {
		h.add(i * 1000)
	}
	for _, q := range []float64{.5, .9, .99, .999} {
		want := q * 100000
		if got := h.quantile(q); got < want*.99 || got > want*1.01 {
			t.Errorf("p%v: %v us, want %v", q, got, want)
		}
	}
	for _, v := range []int64{0, 1, 127, 128, 129, 1 << 20, 1<<40 + 12345} {
		if lo := bucketValue(bucket(v)); lo > v || float64(v-lo) > float64(v)/128+1 {
			t.Errorf("%d lands at %d", v, lo)
		}
	}
}

func TestSteadySchedule(t *testing.T) {
	if s := steady(1000); s(5000) != 5*time.Second {
		t.Fatal(s(5000))
	}
}

func TestTimeoutText(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"250u":      250 * time.Microsecond,
		"5000000u":  5 * time.Second,
		"600000m":   10 * time.Minute,
		"99999999m": 1000 * time.Hour,
	} {
		if got := timeoutText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
