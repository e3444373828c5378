package main

import "math/bits"

// histogram is log-linear: each power of two has 128 steps, so that the error is below 1 %.
type histogram struct {
	n     [64 * 128]uint64
	count uint64
	max   int64
}

func bucket(ns int64) int {
	if ns < 128 {
		if ns < 0 {
			ns = 0
		}
		return int(ns)
	}
	e := bits.Len64(uint64(ns)) - 8
	return (e+1)*128 + int(uint64(ns)>>e) - 128
}

func bucketValue(b int) int64 {
	if b < 128 {
		return int64(b)
	}
	e := b/128 - 1
	return (int64(b%128) + 128) << e
}

func (h *histogram) add(ns int64) {
	h.n[bucket(ns)]++
	h.count++
	if ns > h.max {
		h.max = ns
	}
}

func (h *histogram) merge(o *histogram) {
	for i, v := range o.n {
		h.n[i] += v
	}
	h.count += o.count
	if o.max > h.max {
		h.max = o.max
	}
}

func (h *histogram) quantile(q float64) float64 {
	if h.count == 0 {
		return 0
	}
	want := uint64(q * float64(h.count))
	if want >= h.count {
		want = h.count - 1
	}
	var seen uint64
	for i, v := range h.n {
		seen += v
		if seen > want {
			return float64(bucketValue(i)) / 1000
		}
	}
	return float64(h.max) / 1000
}

// worker contains the counts of one goroutine. At the end, the generator merges the counts of all workers.
type worker struct {
	latency   histogram // measured from the intended start
	service   histogram // measured from the real start
	ok        uint64
	expected  uint64 // calls with a status that -expect allows
	cancelled uint64 // calls that were sent and cancelled, see -cancel-every
	errs      map[string]uint64
	verdicts  map[uint64]uint64
}

func newWorker() *worker {
	return &worker{errs: map[string]uint64{}, verdicts: map[uint64]uint64{}}
}

func (w *worker) merge(o *worker) {
	w.latency.merge(&o.latency)
	w.service.merge(&o.service)
	w.ok += o.ok
	w.expected += o.expected
	w.cancelled += o.cancelled
	for k, v := range o.errs {
		w.errs[k] += v
	}
	for k, v := range o.verdicts {
		w.verdicts[k] += v
	}
}
