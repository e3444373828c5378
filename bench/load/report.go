package main

import (
	"fmt"
	"strconv"
	"time"
)

type latency struct{ P50, P90, P99, P999, Max float64 }

func latencyOf(h *histogram) latency {
	return latency{h.quantile(.5), h.quantile(.9), h.quantile(.99), h.quantile(.999), float64(h.max) / 1000}
}

type procReport struct {
	CPUPerCallUs, CPUPct, WaitPct         float64
	RSSIdleMB, RSSMaxMB, RSSEndMB, AnonMB float64
	Threads                               int64
}

// report is the object that -json prints. The time LatencyUs counts from the scheduled start of a call. The time ServiceUs counts from the actual
// start, so ServiceUs excludes the delay that a stalled caller causes. One MB is 1,000,000 bytes.
type report struct {
	Label, Engine, Mode string
	Calls, OK           uint64
	Expected, Cancelled uint64
	Seconds, OpsPerSec  float64
	LatencyUs           latency
	ServiceUs           latency
	Errors              map[string]uint64
	Verdicts            map[string]uint64
	Server              *procReport `json:",omitempty"`
	GenCPUUs            float64
	GenWaitPct          float64
}

func newReport(o *options, workers []*worker, took time.Duration, w *watch) *report {
	all := newWorker()
	for _, one := range workers {
		all.merge(one)
	}
	r := &report{Label: o.label, Engine: o.engine, Mode: o.mode, Calls: all.latency.count, OK: all.ok, Expected: all.expected,
		Cancelled: all.cancelled, Seconds: took.Seconds(), OpsPerSec: float64(all.ok) / took.Seconds(),
		LatencyUs: latencyOf(&all.latency), ServiceUs: latencyOf(&all.service), Errors: all.errs, Verdicts: map[string]uint64{}}
	for k, v := range all.verdicts {
		r.Verdicts[strconv.FormatUint(k, 10)] = v
	}
	n := float64(max(r.Calls, 1))
	r.GenCPUUs = float64((w.selfAfter.cpu - w.selfBefore.cpu).Nanoseconds()) / 1000 / n
	r.GenWaitPct = 100 * (w.selfAfter.wait - w.selfBefore.wait).Seconds() / took.Seconds()
	if w.pid > 0 {
		used := w.after.cpu - w.before.cpu
		r.Server = &procReport{CPUPerCallUs: float64(used.Nanoseconds()) / 1000 / n, CPUPct: 100 * used.Seconds() / took.Seconds(),
			WaitPct:   100 * (w.after.wait - w.before.wait).Seconds() / took.Seconds(),
			RSSIdleMB: mb(w.idle.rss), RSSMaxMB: mb(w.rssMax), RSSEndMB: mb(w.after.rss), AnonMB: mb(w.after.anon),
			Threads: w.after.threads}
	}
	return r
}

func mb(bytes int64) float64 { return float64(bytes/100_000) / 10 }

func (r *report) print() {
	us := func(l latency) string {
		return fmt.Sprintf("p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f us", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	fmt.Printf("%s %s/%s: %d calls in %.2f s, %.0f ok/s\n", r.Label, r.Engine, r.Mode, r.Calls, r.Seconds, r.OpsPerSec)
	fmt.Printf("  latency  %s\n", us(r.LatencyUs))
	if r.Mode == "open" {
		fmt.Printf("  service  %s\n", us(r.ServiceUs))
	}
	if p := r.Server; p != nil {
		fmt.Printf("  server   %.2f us CPU per call (%.0f %% of a core, waited for it %.0f %%), RSS idle %.1f max %.1f end %.1f MB (anonymous %.1f), %d threads\n",
			p.CPUPerCallUs, p.CPUPct, p.WaitPct, p.RSSIdleMB, p.RSSMaxMB, p.RSSEndMB, p.AnonMB, p.Threads)
	}
	fmt.Printf("  generator %.2f us CPU per call, waited for its core %.0f %%\n", r.GenCPUUs, r.GenWaitPct)
	if r.Expected+r.Cancelled > 0 {
		fmt.Printf("  answered as expected %d, cancelled %d\n", r.Expected, r.Cancelled)
	}
	if len(r.Verdicts) > 0 {
		fmt.Printf("  verdicts %v\n", r.Verdicts)
	}
	if len(r.Errors) > 0 {
		fmt.Printf("  errors %v\n", r.Errors)
	}
}
