package wire

// FleetStatus is what an operator sees of the whole fleet (PROTOCOL R5): counts.
type FleetStatus struct {
	// Reachable, Unreachable and NeverSeen count the known hosts (L1).
	Reachable, Unreachable, NeverSeen Count
	// DuplicateIdentities counts the hosts that are shown with one (L4).
	DuplicateIdentities Count
	// Records counts the hosts of the rollouts in force, by state.
	Records StateCounts
	// InForce counts the rollouts in force, Halted those of them that are halted, Held
	// those that wait for an operator (R6), and Unbacked those in force with hosts that
	// are not offered them (V6).
	InForce, Halted, Held, Unbacked Count
	// Quarantined counts closures (R3), Revoked common names (T5).
	Quarantined, Revoked Count
	// LastEntry is the number of the last entry of the plane's log.
	LastEntry Seq
	// Acts is the head of the chain of operators' acts (T15).
	Acts ActHead
	// StoreUnavailable says that nothing can be made durable (G9), DiskScarce that
	// events that only observe are refused (G11).
	StoreUnavailable, DiskScarce Flag
}

// FleetStatusSchema describes [FleetStatus].
var FleetStatusSchema = Schema[FleetStatus]{Fields: []Field[FleetStatus]{
	{"hosts_reachable", Required, func(s *FleetStatus) Value { return &s.Reachable }},
	{"hosts_unreachable", Required, func(s *FleetStatus) Value { return &s.Unreachable }},
	{"hosts_never_seen", Required, func(s *FleetStatus) Value { return &s.NeverSeen }},
	{"duplicate_identities", Required, func(s *FleetStatus) Value { return &s.DuplicateIdentities }},
	{"records", Required, func(s *FleetStatus) Value { return Nested[StateCounts]{&s.Records, &stateCountsSchema} }},
	{"rollouts_in_force", Required, func(s *FleetStatus) Value { return &s.InForce }},
	{"rollouts_halted", Required, func(s *FleetStatus) Value { return &s.Halted }},
	{"rollouts_held", Required, func(s *FleetStatus) Value { return &s.Held }},
	{"rollouts_unbacked", Required, func(s *FleetStatus) Value { return &s.Unbacked }},
	{"quarantined", Required, func(s *FleetStatus) Value { return &s.Quarantined }},
	{"revoked", Required, func(s *FleetStatus) Value { return &s.Revoked }},
	{"last_entry", Required, func(s *FleetStatus) Value { return &s.LastEntry }},
	{"acts", Optional, func(s *FleetStatus) Value { return &s.Acts }},
	{"store_unavailable", Optional, func(s *FleetStatus) Value { return &s.StoreUnavailable }},
	{"disk_scarce", Optional, func(s *FleetStatus) Value { return &s.DiskScarce }},
}}

// AppendJSON implements [Document].
func (s *FleetStatus) AppendJSON(dst []byte) []byte { return FleetStatusSchema.Append(dst, s) }
