//! What processes have used of the processors, from their own accounting in `/proc`: these machines are noisy, and elapsed
//! time says more about the neighbours than about us.

use std::{fs, time::Duration};

// What `getconf CLK_TCK` answers on every Linux there is.
const TICKS_PER_SECOND: u64 = 100;

struct Stat {
    command: String,
    parent: u32,
    /// User and system time of the process itself, in ticks.
    own: u64,
    /// The same of its children that have ended and were waited for.
    ended_children: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets; what follows its last bracket does not.
    let (name, rest) = text.rsplit_once(") ")?;
    let command = name.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) counts from 1 and the first two are gone: field 4 is the parent, 14 to 17 are the times.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    Some(Stat {
        command,
        parent: u32::try_from(field(4)?).ok()?,
        own: field(14)? + field(15)?,
        ended_children: field(16)? + field(17)?,
    })
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// What a process has used so far.
pub fn of_process(pid: u32) -> Duration {
    stat(pid).map_or(Duration::ZERO, |stat| duration(stat.own))
}

/// What this process has used so far.
pub fn own() -> Duration {
    of_process(std::process::id())
}

/// The server process behind a backend of this machine; none when there is no such backend here.
pub fn postmaster_of(backend: u32) -> Option<u32> {
    let parent = stat(backend).filter(|stat| stat.command == "postgres")?.parent;
    stat(parent).filter(|stat| stat.command == "postgres").map(|_| parent)
}

/// What a server has used so far: the postmaster, its backends, and those that have ended.
pub fn of_server(postmaster: u32) -> Option<Duration> {
    loop {
        let before = stat(postmaster)?;
        let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let backends: u64 = pids.filter_map(stat).filter(|stat| stat.parent == postmaster).map(|stat| stat.own).sum();
        let after = stat(postmaster)?;
        // A backend that ended in between would be counted twice, or not at all.
        if before.ended_children == after.ended_children {
            return Some(duration(after.own + after.ended_children + backends));
        }
    }
}

/// Memory that a process holds, in KiB.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something_and_has_a_parent() {
        let me = stat(std::process::id()).expect("our own entry");
        assert_eq!(me.parent, std::os::unix::process::parent_id());
        assert!(resident_kib(std::process::id()).is_some_and(|kib| kib > 100));
    }
}
