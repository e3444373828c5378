// Command load calls one unary method of a gRPC server on this machine, in
// closed loop or at a fixed rate, and says how long calls took and what each
// cost the server's process in CPU. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type engine interface {
	closed(warm, run time.Duration, calls int64) ([]*worker, time.Duration)
	open(warm, run time.Duration, sched schedule) ([]*worker, time.Duration)
	close()
}

type options struct {
	engine, mode, req, reqFile, placeholder string
	verdict, label                          string
	warm, run                               time.Duration
	rate                                    float64
	calls                                   int64
	pid                                     int
	asJSON                                  bool
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func main() {
	cfg := &config{}
	o := parseFlags(cfg)
	var err error
	if cfg.tpl, err = o.template(); err == nil && o.verdict != "" {
		cfg.verdict, err = parsePath(o.verdict)
	}
	fail(err)
	watch, err := newWatch(o.pid)
	fail(err)
	var e engine
	if o.engine == "h2" {
		e, err = newH2(cfg)
	} else {
		e, err = newGRPC(cfg)
	}
	fail(err)
	cfg.atStart = watch.startAt

	var workers []*worker
	var took time.Duration
	if o.mode == "open" {
		workers, took = e.open(o.warm, o.run, steady(o.rate))
	} else {
		workers, took = e.closed(o.warm, o.run, o.calls)
	}
	watch.stop()
	e.close()
	r := newReport(o, workers, took, watch)
	if o.asJSON {
		b, err := json.Marshal(r)
		fail(err)
		fmt.Println(string(b))
		return
	}
	r.print()
}

func parseFlags(cfg *config) *options {
	o := &options{}
	flag.StringVar(&cfg.addr, "addr", "127.0.0.1:9470", "server: host:port, or unix:///path")
	flag.StringVar(&cfg.method, "method", "/bench.Bench/Empty", "method path")
	flag.StringVar(&o.req, "req", `1:"{key}"`, `request in wire notation, e.g. '1:"{key}" 3:1 4:{1:"x"}'`)
	flag.StringVar(&o.reqFile, "req-file", "", "binary request (protobuf bytes without the gRPC prefix), instead of -req")
	flag.StringVar(&o.placeholder, "placeholder", "00000000", "8 bytes in -req-file that stand for the key")
	flag.StringVar(&o.engine, "engine", "grpc", "grpc (grpc-go's client) or h2 (thin client, for peak throughput)")
	flag.StringVar(&o.mode, "mode", "closed", "closed or open")
	flag.IntVar(&cfg.callers, "c", 64, "concurrent callers, closed loop")
	flag.IntVar(&cfg.conns, "conns", 1, "connections")
	flag.Float64Var(&o.rate, "rate", 1000, "calls a second, open loop")
	flag.DurationVar(&o.warm, "warm", 2*time.Second, "warm-up, not counted")
	flag.DurationVar(&o.run, "d", 10*time.Second, "measured time")
	flag.Int64Var(&o.calls, "n", 0, "closed loop: stop after this many calls (use -warm 0)")
	flag.DurationVar(&cfg.timeout, "timeout", 0, "deadline of a call (0: none)")
	flag.IntVar(&cfg.cancelEvery, "cancel-every", 0, "h2 engine: one more call is sent and cancelled for every so many")
	flag.Var(&cfg.expected, "expect", "gRPC status code that is no failure besides 0 (repeatable, h2 engine)")
	flag.DurationVar(&cfg.drain, "drain", 30*time.Second, "h2 open loop: how long to wait for the last answers")
	flag.IntVar(&cfg.keys, "keys", 10000, "number of keys")
	flag.StringVar(&o.verdict, "verdict", "", `varint field of the response to count by, as a path ("1", "1.1")`)
	flag.Var(&cfg.metadata, "meta", "request metadata k=v (repeatable)")
	flag.IntVar(&o.pid, "pid", 0, "server's process: CPU and RSS are sampled")
	flag.StringVar(&o.label, "label", "", "name in the output")
	flag.BoolVar(&o.asJSON, "json", false, "one JSON object instead of text")
	flag.Parse()
	return o
}

func (o *options) template() (*template, error) {
	if o.reqFile == "" {
		return compile(o.req)
	}
	b, err := os.ReadFile(o.reqFile)
	if err != nil {
		return nil, err
	}
	return fromBytes(b, o.placeholder)
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// watch samples the server and this program when the warm-up ends and when the
// run ends, and the server's memory in between.
type watch struct {
	pid                   int
	idle, before, after   procSample
	selfBefore, selfAfter procSample
	rssMax                int64
	mu                    sync.Mutex
	counted               atomic.Bool
	quit                  chan struct{}
}

func newWatch(pid int) (*watch, error) {
	w := &watch{pid: pid, quit: make(chan struct{})}
	var err error
	if pid > 0 {
		if w.idle, err = readProc(pid); err != nil {
			return nil, fmt.Errorf("-pid %s: %v", strconv.Itoa(pid), err)
		}
	}
	return w, nil
}

func (w *watch) startAt(start time.Time) {
	go func() {
		time.Sleep(time.Until(start))
		w.mu.Lock()
		w.selfBefore, _ = readProc(os.Getpid())
		if w.pid > 0 {
			w.before, _ = readProc(w.pid)
		}
		w.counted.Store(true)
		w.mu.Unlock()
		for {
			select {
			case <-w.quit:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if w.pid == 0 {
				continue
			}
			if s, err := readProc(w.pid); err == nil {
				w.mu.Lock()
				w.rssMax = max(w.rssMax, s.rss)
				w.mu.Unlock()
			}
		}
	}()
}

func (w *watch) stop() {
	for i := 0; i < 100 && !w.counted.Load(); i++ {
		time.Sleep(10 * time.Millisecond)
	}
	close(w.quit)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.selfAfter, _ = readProc(os.Getpid())
	if w.pid > 0 {
		w.after, _ = readProc(w.pid)
		w.rssMax = max(w.rssMax, w.after.rss)
	}
}
