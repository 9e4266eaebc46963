//! The kernel's boot clock → the time stamps of records and log lines.

/// Milliseconds since the machine was started, including while it was suspended.
pub fn uptime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) =
        (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1000 + nanoseconds / 1_000_000
}
