//! `cargo xtask wasm`: the engine for browsers, as WebAssembly and as plain JavaScript.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::check::install_packages;
use crate::debian;
use crate::inputs;
use crate::step::{command, root, run as run_command};

const TARGET: &str = "wasm32-unknown-unknown";
/// Where packages/client finds what is made here.
const GENERATED: &str = "packages/client/src/engine/generated";
/// What the outcome depends on: files, and folders with all that is in them.
const INPUTS: &[&str] = &["Cargo.toml", "crates/client-wasm", "crates/engine", "xtask/src/wasm.rs", "xtask/src/wasm"];
/// Debian's packages with a toolchain that can build the standard library for browsers.
const DEBIAN_PACKAGES: &str = "rustc-web cargo-web rust-web-src lld-22";
/// The stack, in bytes: the engine calls nothing by recursion, and the default would be a megabyte.
const STACK: &str = "-Clink-arg=-zstack-size=65536";
/// How much code LLVM copies to where it is called: less than it thinks best for size, because copies that differ a
/// little compress badly. Found by trying.
const INLINING: &str = "-Cllvm-args=-inline-threshold=12";
/// How often Zopfli goes over the module; more gains nothing.
const PASSES: u64 = 200;

/// Options of `cargo xtask wasm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build although nothing changed.
    #[arg(long)]
    force: bool,
}

/// Builds what is stale.
pub(crate) fn run(args: &Args) -> Result<()> {
    build(args.force)
}

/// Builds unless the outcome is that of these inputs.
pub(crate) fn build(is_forced: bool) -> Result<()> {
    let folder = root().join(GENERATED);
    let stamp = folder.join("inputs.hash");
    let inputs = inputs::hash(INPUTS)?;
    if !is_forced && inputs::is_made_of(&stamp, &inputs) {
        return Ok(());
    }
    install_packages()?;
    let module = compile()?;
    let engine = module.with_extension("small.wasm");
    let deflated = module.with_extension("deflate");
    run_command(command("node xtask/src/wasm/bundle.mjs optimize").arg(module).arg(&engine))?;
    deflate(&engine, &deflated)?;
    run_command(command("node xtask/src/wasm/bundle.mjs bundle").arg(&engine).arg(&deflated).arg(&folder))?;
    std::fs::write(stamp, inputs)?;
    Ok(())
}

/// Compresses a file with more patience than others have: it is made once and loaded often.
fn deflate(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from)?;
    let mut compressed = Vec::new();
    let passes = NonZeroU64::new(PASSES).context("it must go over the module")?;
    let options = zopfli::Options { iteration_count: passes, ..zopfli::Options::default() };
    zopfli::compress(options, zopfli::Format::Zlib, bytes.as_slice(), &mut compressed)?;
    std::fs::write(to, compressed).with_context(|| format!("writing {}", to.display()))
}

/// Compiles the module with whatever toolchain there is; where it is.
fn compile() -> Result<PathBuf> {
    let target = root().join("target/wasm");
    let mut cargo = if has_target() {
        command("cargo rustc")
    } else {
        install_debian_toolchain()?;
        debian_cargo()
    };
    cargo.env("CARGO_TARGET_DIR", &target).args(["--locked", "--package", "cossistant-client-wasm", "--lib"]);
    cargo.args(["--crate-type", "cdylib", "--profile", "wasm", "--target", TARGET]);
    run_command(cargo.args(["--", STACK, INLINING]))?;
    Ok(target.join(TARGET).join("wasm/cossistant_client_wasm.wasm"))
}

/// Whether the toolchain in use has the standard library for the target.
fn has_target() -> bool {
    let Ok(output) = command(&format!("rustc --print target-libdir --target {TARGET}")).output() else {
        return false;
    };
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

/// Debian's cargo, away from rustup's.
///
/// It builds the standard library too, without the code that tells of a panic: a trap says as much to the
/// driver, and the code would be a quarter of the module.
fn debian_cargo() -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.current_dir(root()).arg("rustc").env("PATH", format!("/usr/bin:{path}"));
    // What rustup and the cargo that runs this program set would lead back to them.
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22");
    let flags = "-Zunstable-options -Cpanic=immediate-abort";
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
    cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    cargo
}

fn install_debian_toolchain() -> Result<()> {
    let known = command("dpkg-query --show").args(DEBIAN_PACKAGES.split_whitespace()).output();
    if known.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    debian::install(
        DEBIAN_PACKAGES,
        &format!("the target for browsers is missing; add it with: rustup target add {TARGET}"),
    )
}
