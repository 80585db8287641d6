//! What a process costs, as Linux counts it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::unistd::{SysconfVar, sysconf};

use super::fleet::Fleet;

/// How long a process must do nothing to count as settled.
const QUIET: Duration = Duration::from_millis(400);
/// How long one waits for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// The processes on this machine that are measured, taken together; without an id nothing is.
#[derive(Clone, Debug, Default)]
pub(super) struct Process(pub(super) Vec<u32>);

impl Process {
    /// The CPU time of all their threads since their start, user and system.
    pub(super) fn cpu(&self) -> Result<Option<Duration>> {
        let mut sum = Duration::ZERO;
        for pid in &self.0 {
            let [user, system, ..] = ticks(*pid)?;
            sum += time(user + system)?;
        }
        Ok((!self.0.is_empty()).then_some(sum))
    }

    /// The same with all processes that these have started, be they gone by now or not: a server with a process for
    /// each connection.
    pub(super) fn cpu_with_children(&self) -> Result<Option<Duration>> {
        let mut sum = Duration::ZERO;
        for pid in &self.0 {
            sum += time(ticks(*pid)?.iter().sum())?;
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            for child in children.split_whitespace() {
                // One that has just ended is among those that are gone.
                sum += time(ticks(child.parse().context("a process has a number")?).unwrap_or_default().iter().sum())?;
            }
        }
        Ok((!self.0.is_empty()).then_some(sum))
    }

    /// Resident memory in bytes.
    pub(super) fn rss(&self) -> Result<Option<u64>> {
        let mut sum = 0;
        for pid in &self.0 {
            sum += Self::rss_of(*pid)?;
        }
        Ok((!self.0.is_empty()).then_some(sum))
    }

    fn rss_of(pid: u32) -> Result<u64> {
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("an unknown form of VmRSS")?;
        Ok(kib * 1024)
    }

    /// Waits until the process has nothing more to do, and reads what still comes from it.
    pub(super) fn settle(&self, fleet: &mut Fleet) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let before = self.cpu()?;
            let until = Instant::now() + QUIET;
            let mut heard = 0;
            while Instant::now() < until {
                heard += fleet.pump(Duration::from_millis(20))?.len();
            }
            // One tick is what a heartbeat or a timer may take.
            let worked = self.cpu()?.unwrap_or_default().saturating_sub(before.unwrap_or_default());
            if (heard == 0 && worked <= Duration::from_millis(10)) || Instant::now() > end {
                return Ok(());
            }
        }
    }
}

/// The ticks of a process: user, system, and those of its children that are gone.
fn ticks(pid: u32) -> Result<[u64; 4]> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field is the program's name, which may hold spaces; utime is the 14th.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).context("an unknown form of stat")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    ticks.try_into().map_err(|_| anyhow::anyhow!("an unknown form of stat"))
}

fn time(ticks: u64) -> Result<Duration> {
    let per_second = sysconf(SysconfVar::CLK_TCK).context("cannot ask for the clock's ticks")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second.context("the clock has no ticks")? as f64))
}

/// The CPU time since a moment, divided among `count`, in µs.
pub(super) fn each_us(from: Option<Duration>, to: Option<Duration>, count: usize) -> Option<f64> {
    Some((to?.saturating_sub(from?)).as_secs_f64() * 1e6 / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_cost() {
        let own = Process(vec![std::process::id()]);
        assert!(own.cpu().unwrap().is_some());
        assert!(own.rss().unwrap().unwrap() > 100_000);
        let twice = Process(vec![std::process::id(); 2]);
        assert!(twice.rss().unwrap() > own.rss().unwrap(), "several count together");
        let none = Process::default();
        assert_eq!((none.rss().unwrap(), none.cpu().unwrap(), none.cpu_with_children().unwrap()), (None, None, None));
        let ms = |ms| Some(Duration::from_millis(ms));
        let before = own.cpu_with_children().unwrap().unwrap();
        let busy = "at=0; while [ $at -lt 200000 ]; do at=$((at + 1)); done";
        assert!(std::process::Command::new("/bin/sh").args(["-c", busy]).status().unwrap().success());
        assert!(own.cpu_with_children().unwrap().unwrap() > before, "what a child took counts when it is gone");
        assert_eq!(each_us(ms(10), ms(30), 1_000), Some(20.0));
    }
}
