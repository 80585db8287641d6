//! The web apps: built before the server, which has them inside.

use anyhow::{Result, ensure};

use crate::check::install_packages;
use crate::inputs;
use crate::step::{root, sh};
use crate::wasm;

/// An app, and the file without which it is not built.
struct App {
    folder: &'static str,
    page: &'static str,
}

const APPS: &[App] =
    &[App { folder: "apps/widget", page: "widget.js" }, App { folder: "apps/inbox", page: "index.html" }];
/// What every app depends on beside its own folder. The engine is among the sources of the client.
const INPUTS: &[&str] =
    &["package-lock.json", "tsconfig.base.json", "packages/protocol", "packages/client", "packages/react"];
/// Beside what was built: of which inputs it is.
const STAMP: &str = "inputs.hash";

/// Builds the apps that are stale, and the engine if need be. Afterwards a server that is built has them all.
pub(crate) fn build() -> Result<()> {
    install_packages()?;
    wasm::build(false)?;
    APPS.iter().try_for_each(App::build)
}

impl App {
    fn build(&self) -> Result<()> {
        let dist = root().join(self.folder).join("dist");
        let inputs = inputs::hash(&[INPUTS, &[self.folder]].concat())?;
        if inputs::is_made_of(&dist.join(STAMP), &inputs) {
            return Ok(());
        }
        sh(&format!("npm run --silent build --workspace {}", self.folder))?;
        ensure!(dist.join(self.page).exists(), "{} was built without {}", self.folder, self.page);
        std::fs::write(dist.join(STAMP), inputs)?;
        Ok(())
    }
}
