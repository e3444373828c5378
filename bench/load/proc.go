package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// procSample contains the figures of one process, read from /proc.
type procSample struct {
	cpu       time.Duration
	wait      time.Duration // time for which the process was ready to run, but another process used the core
	rss, anon int64         // bytes
	threads   int64
}

const clockTick = 100 // USER_HZ, which is 100 on every Linux that this program supports

func readProc(pid int) (procSample, error) {
	var p procSample
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	ut, _ := strconv.ParseInt(f[11], 10, 64)
	st, _ := strconv.ParseInt(f[12], 10, 64)
	p.cpu = time.Duration(ut+st) * time.Second / clockTick
	if cpu, wait, ok := scheduled(pid); ok {
		p.cpu, p.wait = cpu, wait
	}
	b, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, err
	}
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		v, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			p.rss = v * 1024
		case "RssAnon:":
			p.anon = v * 1024
		case "Threads:":
			p.threads = v
		}
	}
	return p, nil
}

// scheduled returns the CPU time of all threads, and the time for which they waited for a core. The times in /proc/PID/stat are too coarse: they
// have steps of 10 ms, a third of the CPU time of 500 calls. The result excludes threads that have exited, but the measured servers keep their
// threads.
func scheduled(pid int) (cpu, wait time.Duration, ok bool) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, false
	}
	for _, t := range threads {
		b, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if os.IsNotExist(err) {
			if _, err := os.Stat(dir + "/" + t.Name()); err == nil {
				return 0, 0, false // The kernel does not provide schedstat.
			}
			continue
		}
		f := strings.Fields(string(b))
		if err != nil || len(f) < 2 {
			return 0, 0, false
		}
		ran, err1 := strconv.ParseInt(f[0], 10, 64)
		waited, err2 := strconv.ParseInt(f[1], 10, 64)
		if err1 != nil || err2 != nil {
			return 0, 0, false
		}
		cpu += time.Duration(ran)
		wait += time.Duration(waited)
	}
	return cpu, wait, true
}
