package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
)

// config contains the settings of a run. Both engines use these settings.
type config struct {
	addr, method         string
	conns, callers, keys int
	timeout, drain       time.Duration
	cancelEvery          int
	expected, metadata   list
	tpl                  *template
	verdict              []uint64
	atStart              func(time.Time)
}

func (c *config) context() context.Context {
	ctx := context.Background()
	for _, kv := range c.metadata {
		k, v, _ := strings.Cut(kv, "=")
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	return ctx
}

func (c *config) isExpected(status string) bool {
	for _, s := range c.expected {
		if s == status {
			return true
		}
	}
	return false
}

// record counts a call. failed is the reason for a failure, or empty.
func (c *config) record(w *worker, intended, t0, t1 time.Time, resp []byte, failed string) {
	w.latency.add(int64(t1.Sub(intended)))
	w.service.add(int64(t1.Sub(t0)))
	if failed != "" {
		w.errs[failed]++
		return
	}
	w.ok++
	if c.verdict != nil {
		w.verdicts[readVerdict(resp, c.verdict)]++
	}
}

// keySource draws the keys of a request from a uniform distribution.
type keySource struct {
	r    *rand.Rand
	buf  []uint32
	keys int
}

func (c *config) keySource(seed uint64) *keySource {
	return &keySource{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), make([]uint32, c.tpl.nkeys), c.keys}
}

func (k *keySource) next() []uint32 {
	for i := range k.buf {
		k.buf[i] = uint32(k.r.IntN(k.keys))
	}
	return k.buf
}
