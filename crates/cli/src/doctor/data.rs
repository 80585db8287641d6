//! The data folder and what is in it.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use cossistant_protocol::Timestamp;
use cossistant_server::auth::{OwnSecret, previous_path, read_previous};
use cossistant_server::config::Config;
use cossistant_server::store::{
    DatabaseError, Depth, Holder, Inspection, OpenError, PostgresConfig, holder as holder_of, inspect, look_at,
};
use indicatif::{HumanBytes, HumanDuration};
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::clock::now;

/// Below this, the store soon has no room.
const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;
/// Below this, a backup or the log beside the store may not fit.
const NO_SPACE: u64 = 64 * 1024 * 1024;
/// How far the newest event may be ahead of the clock, in ms: two clocks are never quite the same.
const CLOCK_LEEWAY_MS: u64 = 5_000;
/// The beginning of 2026: before it, this program was not there.
const FIRST_TIME: Timestamp = Timestamp(1_767_225_600_000);
/// For how long a delivery may wait before somebody should look: past the second of the short retries.
const LONG_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long before its end a certificate should have been renewed.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The shortest secret in a file that is not told to be weak, in bytes.
const GOOD_SECRET_BYTES: usize = 32;

/// Who runs on the folder.
pub(super) fn holder(config: &Config, findings: &mut Vec<Finding>) -> Holder {
    match holder_of(&config.data) {
        Ok(Holder::Nobody) => {
            findings.push(Finding::ok("server", "no server runs on the data folder"));
            Holder::Nobody
        }
        Ok(holder @ Holder::Process(pid)) => {
            let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
            findings.push(Finding::ok("server", format!("{who} runs on the data folder")));
            holder
        }
        Err(error) => {
            let advice = "run this as the user whom the server runs as";
            findings.push(Finding::fail("server", error.to_string(), advice));
            Holder::Nobody
        }
    }
}

/// The folder itself: whose it is, who may read it, and what room there is.
pub(super) fn folder(config: &Config, findings: &mut Vec<Finding>) {
    let dir = &config.data;
    let metadata = match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let found = format!("{} is no folder", dir.display());
            return findings.push(Finding::fail("data folder", found, "give another one as --data"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let found = format!("{} is not there", dir.display());
            let advice = "a new server makes it; if there is data already, --data names the wrong place";
            findings.push(Finding::warn("data folder", found, advice));
            let parent = dir.ancestors().skip(1).find(|parent| parent.as_os_str().is_empty() || parent.exists());
            let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return space(parent, findings);
        }
        Err(error) => {
            let found = format!("{}: {error}", dir.display());
            return findings.push(Finding::fail("data folder", found, "run this as the user of the server"));
        }
    };
    findings.push(permissions(dir, &metadata));
    space(dir, findings);
}

fn permissions(dir: &Path, metadata: &Metadata) -> Finding {
    let (mode, owner) = (metadata.permissions().mode() & 0o777, metadata.uid());
    let me = nix::unistd::geteuid();
    if !me.is_root() && me.as_raw() != owner {
        let found = format!("{} belongs to user {owner}, and this is user {me}", dir.display());
        return Finding::fail("data folder", found, "run server and doctor as the owner, or change the owner");
    }
    if nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_err() {
        let found = format!("{} cannot be written", dir.display());
        return Finding::fail("data folder", found, "mount it so that it can be written, or change its mode to 0700");
    }
    if mode & 0o077 != 0 {
        let found = format!("{} has mode {mode:04o}: others can look into it", dir.display());
        return Finding::warn("data folder", found, format!("chmod 700 {}", dir.display()));
    }
    Finding::ok("data folder", format!("{} (mode {mode:04o})", dir.display()))
}

fn space(dir: &Path, findings: &mut Vec<Finding>) {
    let stat = match statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            let found = format!("cannot be told: {error}");
            return findings.push(Finding::warn("free space", found, "look at the file system of the data folder"));
        }
    };
    // The types differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the types differ between systems")]
    let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
    let found = format!("{} free", HumanBytes(free));
    findings.push(if free < NO_SPACE {
        Finding::fail("free space", found, "make room: without it messages are refused, none is lost")
    } else if free < LITTLE_SPACE {
        Finding::warn("free space", found, "make room before it is gone")
    } else {
        Finding::ok("free space", found)
    });
}

/// The files of secrets, if there are any yet.
pub(super) fn secrets(config: &Config, findings: &mut Vec<Finding>) {
    for secret in OwnSecret::ALL {
        let path = secret.path_in(&config.data);
        // What only signs may be any text.
        let (prefix, name, keep, cost) = match secret {
            OwnSecret::AdminKey => (secret.prefix(), "admin", "1h", "whoever uses it needs the new one by then"),
            OwnSecret::Signing => {
                ("", "visitor", "30d", "anonymous visitors who are not back by then come as new ones")
            }
        };
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        let shown = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let found = format!("{shown}: {error}");
                findings.push(Finding::fail("secrets", found, "run this as the user of the server"));
                continue;
            }
        };
        let (secret, mode) = (text.trim(), metadata.permissions().mode() & 0o777);
        findings.push(if secret.is_empty() || !secret.starts_with(prefix) {
            let advice = "put the right one back, or delete the file to have a new one made";
            Finding::fail("secrets", format!("{shown} holds no secret"), advice)
        } else if secret.len() < GOOD_SECRET_BYTES {
            let advice = format!(
                "`cossistant secret rotate {name} --data {} --keep {keep}` makes a strong one; the short one is taken for \
                 {keep} more: {cost}",
                config.data.display(),
            );
            Finding::warn("secrets", format!("{shown} has only {} bytes", secret.len()), advice)
        } else if mode & 0o077 != 0 {
            Finding::warn("secrets", format!("{shown} has mode {mode:04o}"), format!("chmod 600 {shown}"))
        } else {
            Finding::ok("secrets", format!("{shown} (mode {mode:04o})"))
        });
        findings.extend(previous(&path));
    }
}

/// A secret that was replaced: whether it is still taken, and when that ends.
fn previous(path: &Path) -> Option<Finding> {
    let beside = previous_path(path);
    match read_previous(path) {
        Ok(None) => None,
        Ok(Some(before)) if before.until <= now() => {
            let found = format!("{} is not taken any more", beside.display());
            Some(Finding::ok("secrets", found))
        }
        Ok(Some(before)) => {
            Some(Finding::ok("secrets", format!("{} is taken until {}", beside.display(), before.until)))
        }
        Err(error) => {
            let advice = "delete it: then the secret before the present one is refused";
            Some(Finding::fail("secrets", format!("{} {error}", beside.display()), advice))
        }
    }
}

/// The certificate's dates; that it can be read and has its key is proven before.
pub(super) fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    let Some(Ok(pair)) = config.tls_files().map(|files| files.load()) else { return };
    let (now, found) = (now(), format!("valid until {}", pair.not_after));
    let advice = "have it renewed; a running server takes the new files by itself";
    findings.push(if pair.not_after <= now {
        Finding::fail("certificate", format!("its time was over at {}", pair.not_after), advice)
    } else if pair.not_before > now {
        let advice = "set the clock, or wait: until then clients refuse it";
        Finding::fail("certificate", format!("is not valid before {}", pair.not_before), advice)
    } else if between(now, pair.not_after) < SOON {
        Finding::warn("certificate", found, advice)
    } else {
        Finding::ok("certificate", found)
    });
}

/// What carries what nodes tell each other; a server starts without it.
pub(super) fn bus(config: &Config, findings: &mut Vec<Finding>) {
    findings.extend(config.look_at_bus().map(|looked| match looked {
        Ok(place) => Finding::ok("bus", format!("NATS at {place} lets one in")),
        Err(why) => Finding::warn("bus", format!("NATS: {why}"), "start NATS, or correct nats_url and its files"),
    }));
}

/// The database that takes the place of the store: whether a server could start on it.
pub(super) fn database(config: &PostgresConfig, findings: &mut Vec<Finding>) {
    findings.push(match look_at(config) {
        Ok((None, _)) => Finding::ok("database", "nothing is in it yet; the first start makes the tables"),
        Ok((Some(version), known)) if version < known => {
            let found = format!("the data is of version {version}, this program writes {known}");
            let advice = "make a dump now: the next start brings the data forward, and there is no way back";
            Finding::warn("database", found, advice)
        }
        Ok((Some(version), _)) => Finding::ok("database", format!("it answers; version {version}")),
        Err(error) => {
            let advice = if matches!(error, DatabaseError::NewerVersion { .. }) {
                "start a program that is at least as new as the one before"
            } else if matches!(error, DatabaseError::Unfinished) {
                "finish it by the same `cossistant migrate`; nothing of the source is lost"
            } else if matches!(error, DatabaseError::Unreachable { .. }) {
                "start the database, or correct host, port and sslmode"
            } else {
                "correct database_url, or the database"
            };
            Finding::fail("database", error.to_string(), advice)
        }
    });
    clock(None, findings);
}

/// The store: whether it is sound, and what its content says of the clock and of webhooks.
pub(super) fn store(config: &Config, depth: Depth, findings: &mut Vec<Finding>) {
    let file = config.data.join("store.db");
    // In a folder that cannot be looked into nothing seems to be.
    let seen = match file.try_exists() {
        Ok(_) => inspect(&config.data, config.data_kind(), depth),
        Err(error) => Err(OpenError::Io { path: file, error }),
    };
    let seen = match seen {
        Ok(Some(seen)) => {
            integrity(&seen, depth, findings);
            Some(seen)
        }
        Ok(None) => {
            findings.push(Finding::ok("store", "none yet; the first start makes it"));
            None
        }
        Err(error) => {
            findings.push(Finding::fail("store", error.to_string(), what_to_do(&error)));
            None
        }
    };
    clock(seen.as_ref(), findings);
    if let Some(seen) = &seen {
        webhooks(seen, findings);
    }
}

/// A backup is as old as it is: it is advised for a damaged file alone.
const fn what_to_do(error: &OpenError) -> &'static str {
    match error {
        OpenError::Locked { .. } | OpenError::DatabaseLocked { .. } => {
            "end that process, or wait until it has ended; the data need not be at fault"
        }
        OpenError::NewerVersion { .. } => "start a program that is at least as new as the one before",
        OpenError::ChangedMigration { .. } => "start the program that wrote the data, or a released one that is newer",
        OpenError::WrongKind { .. } => "give the other folder as --data, or start with or without --dev as before",
        OpenError::Unfinished { .. } => "finish it by the same `cossistant migrate`; nothing of the source is lost",
        OpenError::Io { .. } => {
            "run this as the user of the server, and look at the mount, at the disk and at the modes of folder and files"
        }
        OpenError::Corrupt { .. } => "restore the newest backup into a new folder: `cossistant restore`",
        OpenError::NotEmpty(_) | OpenError::Database(_) => IN_GENERAL,
        _ => IN_GENERAL,
    }
}

/// Where nothing is known to be damaged.
const IN_GENERAL: &str = "look at the disk and at the system's log; the data need not be at fault";

fn integrity(seen: &Inspection, depth: Depth, findings: &mut Vec<Finding>) {
    for damage in &seen.damages {
        let advice = "stop the server, keep the folder as it is, and restore the newest backup into a new one";
        findings.push(Finding::fail("store", damage, advice));
    }
    if !seen.damages.is_empty() {
        return;
    }
    let how = match depth {
        Depth::Quick => "sound, as far as a quick look shows (--full reads everything)",
        Depth::Full => "sound",
    };
    findings.push(Finding::ok("store", format!("{how}; version {}", seen.version)));
    if seen.version < seen.known_version {
        let found = format!("the data is of version {}, this program writes {}", seen.version, seen.known_version);
        let advice = "make a backup now: the next start brings the data forward, and there is no way back";
        findings.push(Finding::warn("store version", found, advice));
    }
}

/// How long it is from one time to a later one.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(to.as_millis().saturating_sub(from.as_millis()))
}

fn clock(seen: Option<&Inspection>, findings: &mut Vec<Finding>) {
    let now = now();
    if now < FIRST_TIME {
        let found = "the system's clock is years behind";
        return findings.push(Finding::fail("clock", found, "set it, and keep it by NTP: tokens are judged by it"));
    }
    match seen.and_then(|seen| seen.newest_event) {
        Some(newest) if newest > now.plus_millis(CLOCK_LEEWAY_MS) => {
            let ahead = HumanDuration(between(now, newest));
            let found = format!("the newest event was stored {ahead} from now");
            let advice = "the clock was put back, or the data is of a machine whose clock was ahead: set it by NTP";
            findings.push(Finding::fail("clock", found, advice));
        }
        Some(_) => findings.push(Finding::ok("clock", "not before the newest event that is stored")),
        None => findings.push(Finding::ok("clock", "plausible; nothing is stored to compare it with")),
    }
}

fn webhooks(seen: &Inspection, findings: &mut Vec<Finding>) {
    let waiting = seen.waiting_deliveries;
    let oldest = seen.oldest_waiting.map(|since| between(since, now()));
    match oldest.filter(|wait| *wait > LONG_WAIT) {
        Some(wait) => {
            let found = format!("{waiting} deliveries wait, the oldest for {}", HumanDuration(wait));
            let advice = "`cossistant webhook deliveries … --status failed` has the reason";
            findings.push(Finding::warn("webhooks", found, advice));
        }
        None => findings.push(Finding::ok("webhooks", format!("{waiting} deliveries wait"))),
    }
    if seen.dead_deliveries > 0 {
        let found = format!("{} deliveries were given up in the last days", seen.dead_deliveries);
        let advice = "`cossistant webhook deliveries … --status dead` shows them, `resend` sends one once more";
        findings.push(Finding::warn("webhooks", found, advice));
    }
}
