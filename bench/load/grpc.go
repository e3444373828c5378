package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// rawCodec passes bytes through unchanged, because the requests are already encoded.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	p := v.(*[]byte)
	*p = append((*p)[:0], b...)
	return nil
}
func (rawCodec) Name() string { return "proto" }

// grpcEngine uses grpc-go's client, so it measures what a Go caller experiences.
type grpcEngine struct {
	conns []*grpc.ClientConn
	cfg   *config
	stop  atomic.Bool
}

func newGRPC(cfg *config) (*grpcEngine, error) {
	e := &grpcEngine{cfg: cfg}
	for i := 0; i < cfg.conns; i++ {
		// The passthrough scheme prevents name resolution. The unix scheme has its own resolver.
		target := "passthrough:///" + cfg.addr
		if len(cfg.addr) > 5 && cfg.addr[:5] == "unix:" {
			target = cfg.addr
		}
		c, err := grpc.NewClient(target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(64<<20)),
			grpc.WithNoProxy())
		if err != nil {
			return nil, err
		}
		c.Connect()
		e.conns = append(e.conns, c)
	}
	return e, nil
}

func (e *grpcEngine) close() {
	for _, c := range e.conns {
		c.Close()
	}
}

func (e *grpcEngine) call(conn *grpc.ClientConn, w *worker, req, resp *[]byte, intended time.Time, measure bool) {
	ctx := e.cfg.context()
	cancel := func() {}
	if e.cfg.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, e.cfg.timeout)
	}
	t0 := time.Now()
	if intended.IsZero() {
		intended = t0
	}
	err := conn.Invoke(ctx, e.cfg.method, req, resp)
	t1 := time.Now()
	cancel()
	if !measure {
		return
	}
	e.cfg.record(w, intended, t0, t1, *resp, errName(err))
}

func errName(err error) string {
	if err == nil {
		return ""
	}
	s := status.Convert(err)
	m := s.Message()
	if len(m) > 90 {
		m = m[:90]
	}
	return fmt.Sprintf("%s: %s", s.Code(), m)
}

func (e *grpcEngine) closed(warm, run time.Duration, calls int64) ([]*worker, time.Duration) {
	var wg sync.WaitGroup
	ws := make([]*worker, e.cfg.callers)
	var left atomic.Int64
	left.Store(calls)
	begin := time.Now()
	start := begin.Add(warm)
	end := start.Add(run)
	var last atomic.Int64
	for i := range ws {
		ws[i] = newWorker()
		wg.Add(1)
		go func(w *worker, conn *grpc.ClientConn, seed uint64) {
			defer wg.Done()
			k := e.cfg.keySource(seed)
			var req, resp []byte
			for {
				now := time.Now()
				if now.After(end) {
					break
				}
				if calls > 0 && left.Add(-1) < 0 {
					break
				}
				req = e.cfg.tpl.render(req, k.next())
				resp = resp[:0]
				e.call(conn, w, &req, &resp, time.Time{}, !now.Before(start))
			}
			last.Store(int64(time.Since(start)))
		}(ws[i], e.conns[i%len(e.conns)], uint64(i)+1)
	}
	e.cfg.atStart(start)
	wg.Wait()
	return ws, time.Duration(last.Load())
}

func (e *grpcEngine) open(warm, run time.Duration, sched schedule) ([]*worker, time.Duration) {
	type slot struct {
		intended time.Time
		req      []byte
		measure  bool
		conn     int
	}
	var mu sync.Mutex
	free := []*worker{}
	all := []*worker{}
	get := func() *worker {
		mu.Lock()
		defer mu.Unlock()
		if n := len(free); n > 0 {
			w := free[n-1]
			free = free[:n-1]
			return w
		}
		w := newWorker()
		all = append(all, w)
		return w
	}
	put := func(w *worker) { mu.Lock(); free = append(free, w); mu.Unlock() }
	var wg sync.WaitGroup
	// The pool reuses goroutines, because starting one for each call would cost more.
	work := make(chan slot, 1<<16)
	var idle atomic.Int64
	run1 := func(s slot) {
		w := get()
		var resp []byte
		e.call(e.conns[s.conn], w, &s.req, &resp, s.intended, s.measure)
		put(w)
		wg.Done()
	}
	spawn := func() {
		for s := range work {
			run1(s)
			idle.Add(1)
		}
	}
	k := e.cfg.keySource(1)
	i := 0
	begin := time.Now()
	e.cfg.atStart(begin.Add(warm))
	dispatch(begin, warm, run, sched, func(intended time.Time, measure bool) {
		i++
		wg.Add(1)
		s := slot{intended, e.cfg.tpl.render(nil, k.next()), measure, i % len(e.conns)}
		if idle.Add(-1) < 0 {
			idle.Add(1)
			go func() { run1(s); idle.Add(1); spawn() }()
			return
		}
		work <- s
	})
	wg.Wait()
	close(work)
	return all, run
}
