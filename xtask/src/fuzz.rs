//! `cargo xtask fuzz`: looks for inputs that break a promise, led by the code that they reach.
//!
//! The targets are those of the crate in `fuzz/`. They are built with libFuzzer and the compiler's own counters, which
//! the stable toolchain has; what `cargo fuzz` would add is a tool to be installed. Counters stand in the crates of this
//! workspace alone unless all are asked for: then the dependencies are those that every test has built already.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::check::install_packages;
use crate::debian;
use crate::step::{command, root, run as run_command, say, sh, succeeds, target_directory};

/// What calls rustc for the crates of this workspace, with the flags that this variable has.
const WRAPPER: &str = "fuzz/rustc-with-counters";
const WRAPPER_FLAGS: &str = "COSSISTANT_FUZZ_FLAGS";
/// Counters at every branch, and what is compared with what, so that the fuzzer learns words and numbers.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// This workspace's crates are optimized as their dependencies are in tests.
const OPT_LEVEL: &str = "1";
/// After how many seconds an input hangs, and how much memory the process may have, in MiB.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=1024"];
/// The most that is kept of a target's corpus, in inputs and in bytes of them all: what is longer and reaches little is
/// found again.
const MAX_KEPT: usize = 400;
const MAX_KEPT_BYTES: u64 = 16 * 1024;

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long each target is fuzzed.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// Fuzz only this target.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Put what was found into the corpora that are part of the repository.
    #[arg(long)]
    keep: bool,
    /// Build every dependency with counters too, which takes long and leads the fuzzer through their code as well.
    #[arg(long)]
    deep: bool,
    /// Run these files through the target instead.
    #[arg(value_name = "FILE", requires = "target")]
    files: Vec<PathBuf>,
}

/// Fuzzes one target after another; the first broken promise ends it, with the input that broke it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let fuzzer = Fuzzer { program: build(args.deep)?, folder: target_directory()?.join("fuzz/inputs") };
    let all = fuzzer.names()?;
    let names: Vec<&String> =
        all.iter().filter(|name| args.target.as_ref().is_none_or(|target| target == *name)).collect();
    ensure!(!names.is_empty(), "there is no such target; there are: {}", all.join(", "));
    let validators = if names.iter().any(|name| *name == "validators") { Some(bundle_validators()?) } else { None };
    for name in names {
        let target = Target { fuzzer: &fuzzer, name, validators: validators.as_deref() };
        if !args.files.is_empty() {
            run_command(target.command().args(&args.files))?;
            continue;
        }
        target.fuzz(args.minutes)?;
        if args.keep {
            target.keep()?;
        }
    }
    Ok(())
}

fn build(deep: bool) -> Result<PathBuf> {
    if !succeeds("c++ --version") {
        debian::install("g++", "install a compiler of C++, for libFuzzer")?;
    }
    let build = "cargo build --locked --package cossistant-fuzz --features libfuzzer";
    if !deep {
        let mut build = command(build);
        build.env("RUSTC_WORKSPACE_WRAPPER", root().join(WRAPPER)).env(WRAPPER_FLAGS, FLAGS);
        run_command(build.env("CARGO_PROFILE_DEV_OPT_LEVEL", OPT_LEVEL))?;
        return Ok(target_directory()?.join("debug/fuzz"));
    }
    let version = command("rustc -vV").output().context("cannot run rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    let folder = target_directory()?.join("fuzz");
    // For all that is built for the host by its name: no build scripts, no macros.
    let flags = format!("{FLAGS} -Cdebug-assertions");
    let mut build = command(&format!("{build} --release --target {host} --target-dir"));
    run_command(build.arg(&folder).env("RUSTFLAGS", flags).env("CARGO_PROFILE_RELEASE_LTO", "off"))?;
    Ok(folder.join(host).join("release/fuzz"))
}

/// The validators as one script of JavaScript, for the target that asks them.
pub(crate) fn bundle_validators() -> Result<PathBuf> {
    install_packages()?;
    let script = target_directory()?.join("fuzz/validators.mjs");
    let bundle =
        "npx --no-install esbuild fuzz/validators.mjs --bundle --platform=node --format=esm --log-level=warning";
    sh(&format!("{bundle} --outfile={}", script.display()))?;
    Ok(script)
}

struct Fuzzer {
    program: PathBuf,
    /// Where inputs are files, in folders for each target.
    folder: PathBuf,
}

impl Fuzzer {
    fn command(&self) -> Command {
        command(&self.program.display().to_string())
    }

    fn names(&self) -> Result<Vec<String>> {
        let output = self.command().arg("list").output().context("cannot run the fuzzer")?;
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }
}

struct Target<'a> {
    fuzzer: &'a Fuzzer,
    name: &'a str,
    validators: Option<&'a Path>,
}

impl Target<'_> {
    /// libFuzzer with this target, still without options.
    fn command(&self) -> Command {
        let mut fuzz = self.fuzzer.command();
        fuzz.env("COSSISTANT_FUZZ_TARGET", self.name);
        if let Some(script) = self.validators {
            fuzz.env("COSSISTANT_VALIDATORS", script);
        }
        fuzz
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.fuzzer.folder.join(self.name).join(name)
    }

    fn fuzz(&self, minutes: f64) -> Result<()> {
        let (kept, found) = (self.folder("kept"), self.folder("found"));
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        run_command(self.fuzzer.command().args(["unpack", self.name]).arg(&kept))?;
        fs::create_dir_all(&found)?;
        let seconds = (minutes * 60.0).ceil();
        let artifacts = format!("-artifact_prefix={}/", self.folder("").display());
        let words = kept.with_extension("words");
        let mut fuzz = self.command();
        fuzz.args([&format!("-max_total_time={seconds}"), &artifacts, "-print_final_stats=1"]).args(LIMITS);
        // libFuzzer refuses a file without words.
        if words.metadata()?.len() > 0 {
            fuzz.arg(format!("-dict={}", words.display()));
        }
        // What is found goes into the first folder.
        let mut process =
            fuzz.arg(&found).arg(&kept).stderr(Stdio::piped()).spawn().context("cannot run the fuzzer")?;
        let (mut progress, mut executed, mut said) = (String::new(), String::new(), Vec::new());
        for line in BufReader::new(process.stderr.take().context("its output is a pipe")?).lines() {
            let line = line?;
            if line.contains(" cov: ") {
                progress = line;
            } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                executed = count.trim().to_owned();
            } else if !line.starts_with("INFO: ") && !line.starts_with("stat::") {
                said.push(line);
            }
        }
        if !process.wait()?.success() {
            self.report(&said)?;
        }
        // `#9 DONE cov: 1 ft: 2 corp: 3/4b lim: 5 exec/s: 6 rss: 7Mb`
        let progress = progress.split_once("cov: ").map_or("", |(_, rest)| rest);
        say(&format!("{}: {executed} inputs in {seconds} s; cov: {progress}", self.name));
        Ok(())
    }

    /// Tells which input broke what, and how to run it again.
    fn report(&self, said: &[String]) -> Result<()> {
        said.iter().for_each(|line| say(line));
        let written = said.iter().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path));
        let Some(path) = written else { bail!("the fuzzer of {} ended badly", self.name) };
        let line = self.fuzzer.command().args(["show", path]).output()?;
        say(&format!(
            "as a line of fuzz/regressions/{}.txt:\n{}",
            self.name,
            String::from_utf8(line.stdout)?.trim_end()
        ));
        bail!("run it again by `cargo xtask fuzz --target {} {path}`", self.name);
    }

    /// Makes the smallest of all inputs that reach as much the corpus of the repository.
    fn keep(&self) -> Result<()> {
        let merged = self.folder("merged");
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        let mut merge = self.command();
        merge.args(["-merge=1"]).args(LIMITS).arg(&merged).args([self.folder("kept"), self.folder("found")]);
        let output = merge.output()?;
        ensure!(output.status.success(), "merging: {}", String::from_utf8_lossy(&output.stderr));
        let mut files = Vec::new();
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            files.push((entry.metadata()?.len(), entry.path()));
        }
        files.sort();
        let mut room = MAX_KEPT_BYTES;
        for (at, (length, path)) in files.iter().enumerate() {
            room = room.saturating_sub(*length);
            if at >= MAX_KEPT || room == 0 {
                fs::remove_file(path)?;
            }
        }
        run_command(self.fuzzer.command().args(["pack", self.name]).arg(&merged))?;
        let path = root().join("fuzz/corpus").join(self.name).with_extension("txt");
        say(&format!("{}: {} bytes", path.display(), path.metadata()?.len()));
        Ok(())
    }
}
