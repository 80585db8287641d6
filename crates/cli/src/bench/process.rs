//! What a process costs, as Linux counts it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::unistd::{SysconfVar, sysconf};

use super::fleet::Fleet;

/// How long a process must do nothing to count as settled.
const QUIET: Duration = Duration::from_millis(400);
/// How long one waits for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process on this machine that is measured; without an id nothing is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(pub(super) Option<u32>);

impl Process {
    /// The CPU time of all its threads since its start, user and system.
    pub(super) fn cpu(self) -> Result<Option<Duration>> {
        let Some(pid) = self.0 else { return Ok(None) };
        let path = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The second field is the program's name, which may hold spaces; utime and stime are the 14th and the 15th.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).context("an unknown form of stat")?;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        let [user, system] = ticks[..] else { anyhow::bail!("an unknown form of stat") };
        let per_second = sysconf(SysconfVar::CLK_TCK).context("cannot ask for the clock's ticks")?;
        let seconds = (user + system) as f64 / per_second.context("the clock has no ticks")? as f64;
        Ok(Some(Duration::from_secs_f64(seconds)))
    }

    /// Resident memory in bytes.
    pub(super) fn rss(self) -> Result<Option<u64>> {
        let Some(pid) = self.0 else { return Ok(None) };
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("an unknown form of VmRSS")?;
        Ok(Some(kib * 1024))
    }

    /// Waits until the process has nothing more to do, and reads what still comes from it.
    pub(super) fn settle(self, fleet: &mut Fleet) -> Result<()> {
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

/// The CPU time since a moment, divided among `count`, in µs.
pub(super) fn each_us(from: Option<Duration>, to: Option<Duration>, count: usize) -> Option<f64> {
    Some((to?.saturating_sub(from?)).as_secs_f64() * 1e6 / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_cost() {
        let own = Process(Some(std::process::id()));
        assert!(own.cpu().unwrap().is_some());
        assert!(own.rss().unwrap().unwrap() > 100_000);
        assert_eq!(Process(None).rss().unwrap(), None);
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(each_us(ms(10), ms(30), 1_000), Some(20.0));
    }
}
