//! Real engines as plain processes, for tests: resolved, started, stopped, killed and restarted.
