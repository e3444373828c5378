// Command load calls one unary method of a gRPC server on this machine, in a
// closed loop or at a fixed rate. The command reports the latency of the calls and their CPU time in the server process. See README.md.
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
	flag.StringVar(&cfg.addr, "addr", "127.0.0.1:9470", "address of the server: host:port, or unix:///path")
	flag.StringVar(&cfg.method, "method", "/bench.Bench/Empty", "path of the method")
	flag.StringVar(&o.req, "req", `1:"{key}"`, `request in wire notation, e.g. '1:"{key}" 3:1 4:{1:"x"}'`)
	flag.StringVar(&o.reqFile, "req-file", "", "file with a binary request (protobuf without the gRPC prefix), instead of -req")
	flag.StringVar(&o.placeholder, "placeholder", "00000000", "8 bytes in -req-file that each call replaces with a key")
	flag.StringVar(&o.engine, "engine", "grpc", "client: grpc (grpc-go) or h2 (minimal client for peak throughput)")
	flag.StringVar(&o.mode, "mode", "closed", "closed (send after each response) or open (send at a fixed rate)")
	flag.IntVar(&cfg.callers, "c", 64, "number of concurrent callers in a closed loop")
	flag.IntVar(&cfg.conns, "conns", 1, "number of connections")
	flag.Float64Var(&o.rate, "rate", 1000, "calls per second in an open loop")
	flag.DurationVar(&o.warm, "warm", 2*time.Second, "duration of the warm-up, which is not measured")
	flag.DurationVar(&o.run, "d", 10*time.Second, "duration of the measurement")
	flag.Int64Var(&o.calls, "n", 0, "in a closed loop, number of calls after which the run ends (use -warm 0)")
	flag.DurationVar(&cfg.timeout, "timeout", 0, "deadline of a call, 0 for none")
	flag.IntVar(&cfg.cancelEvery, "cancel-every", 0, "with -engine h2, send and cancel an additional call after this many calls")
	flag.Var(&cfg.expected, "expect", "with -engine h2, gRPC status code that is not a failure (repeatable)")
	flag.DurationVar(&cfg.drain, "drain", 30*time.Second, "with -engine h2 in an open loop, time to wait for the last responses")
	flag.IntVar(&cfg.keys, "keys", 10000, "number of distinct keys")
	flag.StringVar(&o.verdict, "verdict", "", `varint field of the response by whose value calls are counted, as a path ("1", "1.1")`)
	flag.Var(&cfg.metadata, "meta", "request metadata as key=value (repeatable)")
	flag.IntVar(&o.pid, "pid", 0, "process id of the server, whose CPU and memory are measured")
	flag.StringVar(&o.label, "label", "", "name of the run in the output")
	flag.BoolVar(&o.asJSON, "json", false, "print one JSON object instead of text")
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

// list contains the values of a flag that can be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// watch reads the CPU time of the server and of this program at the end of the warm-up and at the end of the run. Between these two times, watch
// samples the memory of the server.
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
