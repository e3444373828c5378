package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// procSample is what /proc says of one process.
type procSample struct {
	cpu       time.Duration
	wait      time.Duration // ready to run, but the core was somebody else's
	rss, anon int64         // bytes
	threads   int64
}

const clockTick = 100 // USER_HZ is 100 on every Linux that this runs on

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

// scheduled sums the time that the scheduler gave to each thread and that for
// which it let each wait, in nanoseconds; stat has steps of 10 ms, a third of
// what 500 calls cost. Threads that ended are missing, but servers keep theirs.
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
				return 0, 0, false // a kernel without schedstat
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
