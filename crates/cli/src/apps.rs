//! The web apps that were built into this program.

use cossistant_server::http::{AppFile, Apps};

/// All files of the inbox, the widget and the demo shop, or a page in their place; see `build.rs`.
pub(crate) const APPS: Apps = Apps { files: FILES };

const FILES: &[AppFile] = include!(concat!(env!("OUT_DIR"), "/apps.rs"));
