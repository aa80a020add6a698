//! End-to-end suites and benches.
