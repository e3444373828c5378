package main

import (
	"runtime"
	"syscall"
	"time"
)

// schedule returns the start time of the n-th call, relative to the start of the run.
type schedule func(n int) time.Duration

func steady(rate float64) schedule {
	step := float64(time.Second) / rate
	return func(n int) time.Duration { return time.Duration(float64(n) * step) }
}

// dispatch starts calls on schedule. After a late wake-up, dispatch starts all calls that are due. The first argument of fire is the time at which
// the call should have started. The latency of the calls then includes stalls of the server and of this program (no coordinated omission).
func dispatch(begin time.Time, warm, run time.Duration, sched schedule, fire func(time.Time, bool)) {
	// A thread that sleeps in the kernel keeps its P (a processor slot of the Go scheduler) for a while. The goroutines that read responses need other
	// slots, even if this program is pinned to one core.
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const prSetTimerslack = 29
	syscall.Syscall(syscall.SYS_PRCTL, prSetTimerslack, 1, 0)
	total := warm + run
	for n := 0; ; n++ {
		off := sched(n)
		if off >= total {
			return
		}
		due := begin.Add(off)
		for {
			d := time.Until(due)
			if d <= 0 {
				break
			}
			ts := syscall.NsecToTimespec(int64(d))
			syscall.Nanosleep(&ts, nil)
		}
		fire(due, off >= warm)
	}
}
