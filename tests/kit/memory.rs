//! Memory use of a program.

use std::fs;
use std::io;
use std::process::Child;
use std::time::Duration;

/// Waits until `child` has succeeded, and returns its peak memory in KiB.
pub fn peak_of(child: &mut Child) -> io::Result<u64> {
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    };
    match peak {
        _ if !status.success() => Err(io::Error::other(status.to_string())),
        0 => Err(io::Error::other("it was never seen running")),
        peak => Ok(peak),
    }
}
