//! What Celery's debugging commands show that means something here.

/// The memory that the process has now, as people write it.
pub(super) fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 =
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    format!("{:.2}MB", kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_has_some_memory() {
        assert!(super::memory().ends_with("MB") && super::memory() != "0.00MB");
    }
}
