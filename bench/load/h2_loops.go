package main

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

func (e *h2Engine) workers() []*worker {
	var ws []*worker
	for _, h := range e.conns {
		h.mu.Lock()
		if h.dead != nil && !h.stopped {
			h.w.errs["connection: "+withoutAddresses(h.dead)]++
		}
		if n := len(h.flights) + len(h.queue); n > 0 && !h.stopped {
			h.w.errs["unfinished"] += uint64(n)
		}
		ws = append(ws, h.w)
		h.mu.Unlock()
	}
	return ws
}

// withoutAddresses removes addresses from an error, so that the same failure has the same text on every connection.
func withoutAddresses(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

func (e *h2Engine) closed(warm, run time.Duration, calls int64) ([]*worker, time.Duration) {
	begin := time.Now()
	start := begin.Add(warm)
	end := start.Add(run)
	var left atomic.Int64
	left.Store(calls)
	var wg sync.WaitGroup
	next := func(h *h2Conn, now time.Time) {
		if now.After(end) || (calls > 0 && left.Add(-1) < 0) {
			if len(h.flights) == 0 && len(h.queue) == 0 {
				h.stopped = true
				h.c.Close()
			}
			return
		}
		h.launch(h.newFlight(now, now, !now.Before(start)))
	}
	for i, h := range e.conns {
		share := e.cfg.callers / len(e.conns)
		if i < e.cfg.callers%len(e.conns) {
			share++
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			h.mu.Lock()
			for j := 0; j < share; j++ {
				next(h, time.Now())
			}
			h.mu.Unlock()
			err := h.read(next)
			h.mu.Lock()
			h.dead = err
			h.mu.Unlock()
		}()
	}
	e.cfg.atStart(start)
	wg.Wait()
	return e.workers(), time.Since(start)
}

func (e *h2Engine) open(warm, run time.Duration, sched schedule) ([]*worker, time.Duration) {
	for _, h := range e.conns {
		go func() {
			err := h.read(func(*h2Conn, time.Time) {})
			h.mu.Lock()
			h.dead = err
			h.mu.Unlock()
		}()
	}
	begin := time.Now()
	e.cfg.atStart(begin.Add(warm))
	i := 0
	dispatch(begin, warm, run, sched, func(intended time.Time, measure bool) {
		i++
		h := e.conns[i%len(e.conns)]
		h.mu.Lock()
		h.launch(h.newFlight(intended, time.Now(), measure))
		h.flush()
		h.mu.Unlock()
	})
	for wait := time.Now(); time.Since(wait) < e.cfg.drain; time.Sleep(10 * time.Millisecond) {
		open := 0
		for _, h := range e.conns {
			h.mu.Lock()
			if h.dead == nil {
				open += len(h.flights) + len(h.queue)
			}
			h.mu.Unlock()
		}
		if open == 0 {
			break
		}
	}
	return e.workers(), run
}
