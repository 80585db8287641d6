//! Makes the web apps part of the program: every file of their `dist` folders, compressed once and for all.
//!
//! Where an app has not been built, a page that says how stands in its place. A release build refuses that, unless
//! `COSSISTANT_APPS=optional` says that it is meant.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

/// Where the apps are built, and the file without which one is not.
const INBOX: (&str, &str) = ("../../apps/inbox", "index.html");
const WIDGET: (&str, &str) = ("../../apps/widget", "widget.js");
/// Stands in the place of an app that was not built.
const NOT_BUILT: &str = "src/apps/not-built.html";
/// Of the digest; enough to tell the versions of one file apart.
const TAG_BYTES: usize = 12;
/// Brotli's greatest effort and window: it is done once, and sent often.
const BROTLI_QUALITY: i32 = 11;
const BROTLI_WINDOW: i32 = 22;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={NOT_BUILT}");
    println!("cargo:rerun-if-env-changed=COSSISTANT_APPS");
    let mut table =
        Table { code: "&[\n".to_owned(), out: PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()), count: 0 };
    match built(INBOX) {
        Some(dist) => table.add_folder(&dist, "/")?,
        None => table.add(Path::new(NOT_BUILT), "/index.html")?,
    }
    match built(WIDGET) {
        Some(dist) => table.add_folder(&dist, "/")?,
        None => table.add(Path::new(NOT_BUILT), "/demo/index.html")?,
    }
    table.code.push(']');
    fs::write(table.out.join("apps.rs"), table.code)
}

/// The folder of an app's outcome, if there is one.
fn built((folder, page): (&str, &str)) -> Option<PathBuf> {
    let folder = Path::new(folder);
    let dist = folder.join("dist");
    // Cargo runs this anew for ever where it watches what does not exist, so it is the nearest that does.
    let watched = [dist.as_path(), folder, Path::new("../../apps"), Path::new("../..").join("Cargo.toml").as_path()]
        .into_iter()
        .find(|path| path.exists())
        .map(Path::to_path_buf);
    println!("cargo:rerun-if-changed={}", watched.unwrap_or_default().display());
    let is_built = dist.join(page).exists();
    let is_required = env::var("PROFILE").is_ok_and(|profile| profile == "release")
        && !env::var("COSSISTANT_APPS").is_ok_and(|word| word == "optional");
    assert!(
        is_built || !is_required,
        "{} is not built: run `cargo xtask web`, or set COSSISTANT_APPS=optional for a server without it",
        folder.display()
    );
    is_built.then_some(dist)
}

/// The table of files, as Rust.
struct Table {
    code: String,
    out: PathBuf,
    count: usize,
}

impl Table {
    fn add_folder(&mut self, folder: &Path, below: &str) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let place = format!("{below}{name}");
            if path.is_dir() {
                self.add_folder(&path, &format!("{place}/"))?;
            } else if is_for_browsers(&name) {
                self.add(&path, &place)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &Path, place: &str) -> io::Result<()> {
        let content = fs::read(file).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        let media = media_of(file);
        let digest = Sha256::digest(&content);
        let tag = digest.iter().take(TAG_BYTES).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        let plain = self.keep(&content, "plain")?;
        let smaller = |form: Vec<u8>, name: &str| -> io::Result<String> {
            // What is compressed already only grows.
            let is_smaller = form.len() < content.len();
            Ok(if is_smaller {
                format!("Some(include_bytes!({:?}))", self.keep(&form, name)?)
            } else {
                "None".to_owned()
            })
        };
        let brotli = smaller(brotli(&content)?, "br")?;
        let gzip = smaller(gzip(&content)?, "gz")?;
        self.count += 1;
        writeln!(
            self.code,
            "    AppFile {{ path: {place:?}, media: {media:?}, tag: {tag:?}, plain: include_bytes!({plain:?}), \
             brotli: {brotli}, gzip: {gzip} }},"
        )
        .expect("a text takes what is written to it");
        Ok(())
    }

    /// Writes a form of the present file beside the table; where it is.
    fn keep(&self, content: &[u8], form: &str) -> io::Result<PathBuf> {
        let path = self.out.join(format!("{}.{form}", self.count));
        fs::write(&path, content)?;
        Ok(path)
    }
}

/// Neither maps, which hold the sources, nor what the build keeps for itself.
fn is_for_browsers(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(".map") && name != "inputs.hash"
}

fn media_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        _ => panic!("{}: say in crates/cli/build.rs what media type that is", file.display()),
    }
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW,
        size_hint: content.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}
