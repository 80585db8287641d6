//! What the disk itself takes to keep something: the floor of every durable message.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::figures::{Latencies, Report};

/// The bytes of one write: a small transaction's pages in a log.
const WRITE_BYTES: usize = 4_096;

/// Small appends to a file, each made durable by fdatasync.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench disk --data ./data --writes 1000")]
pub(super) struct Disk {
    /// The folder in which the file is made, and removed again.
    #[arg(long, default_value = ".")]
    data: PathBuf,
    /// How many writes.
    #[arg(long, default_value_t = 300)]
    writes: usize,
}

impl Disk {
    pub(super) fn run(&self, report: &mut Report) -> Result<()> {
        let path = self.data.join(format!("bench-disk-{}", std::process::id()));
        let latencies = self.measure(&path);
        // The measurement's own error counts for more than that of the tidying.
        let removed = std::fs::remove_file(&path);
        let latencies = latencies?;
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
        report.add_latencies("fdatasync", &latencies);
        Ok(())
    }

    fn measure(&self, path: &std::path::Path) -> Result<Latencies> {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut latencies = Latencies::new()?;
        for _ in 0..self.writes {
            let start = Instant::now();
            file.write_all(&[1; WRITE_BYTES]).context("cannot write")?;
            file.sync_data().context("cannot sync")?;
            latencies.add(start.elapsed());
        }
        Ok(latencies)
    }
}
