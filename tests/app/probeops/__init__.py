"""ProbeOps: a small network-probe service, kept here as a test fixture."""
