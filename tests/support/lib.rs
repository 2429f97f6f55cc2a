//! What the end-to-end tests share: running the real program and judging it by the other side's own log.
