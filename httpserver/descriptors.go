package httpserver

import (
	"context"
	"fmt"
	"time"
)

const (
	// keptDescriptors is how many descriptors are not for connections of agents and
	// operators: the ops listener's, those of the store, of files that are read, and
	// of connections that are about to be closed.
	keptDescriptors = 128
	// connectionsPerHost is how many a host mostly has: a poll that waits, and what
	// it sends meanwhile.
	connectionsPerHost = 2
	// descriptorsEvery is the time between two warnings that they are too few.
	descriptorsEvery = 24 * time.Hour
)

// connectionsWithin is how many connections a process with so many descriptors may
// have: 0 for any number if the limit is not known. Of a small limit half is kept.
func connectionsWithin(limit uint64) int {
	if limit == 0 || limit > 1<<30 {
		return 0
	}
	return int(limit - min(keptDescriptors, (limit+1)/2))
}

// descriptorProblem says that the known hosts need more connections than may be open.
func (s *Server) descriptorProblem() string {
	counts := s.metrics.counts()
	return tooFewConnections(uint64(counts.HostsReachable+counts.HostsUnreachable+counts.HostsNeverSeen), s.cfg.MaxConnections)
}

func tooFewConnections(hosts uint64, most int) string {
	if need := hosts * connectionsPerHost; most > 0 && need > uint64(most) {
		return fmt.Sprintf("%d known hosts need about %d connections, and %d may be open; raise the limit of descriptors (LimitNOFILE of the service, ulimit -n), or max connections if it is set",
			hosts, need, most)
	}
	return ""
}

// watchDescriptors warns at the start and once a day.
func (s *Server) watchDescriptors(ctx context.Context) {
	ticker := s.cfg.Clock.Ticker(descriptorsEvery)
	defer ticker.Stop()
	for {
		if problem := s.descriptorProblem(); problem != "" {
			s.log.Warn("too few descriptors for the known hosts", "problem", problem)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
