//! What the system grants: open files and ports.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use cossistant_server::config::Config;
use cossistant_server::store::Holder;
use cossistant_server::webhook;
use nix::sys::resource::{Resource, getrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::Finding;

/// What a server has open beside its connections and those to webhooks: the store, its log, selectors, listeners.
const OTHER_FILES: u64 = 100;
/// Below this, a busy site has no room.
const FEW_FILES: u64 = 4096;

/// Whether as many connections as the configuration allows have a file descriptor each.
pub(super) fn open_files(config: &Config, holder: Option<Holder>, findings: &mut Vec<Finding>) {
    let of_server = match holder {
        Some(Holder::Process(Some(pid))) => limit_of(pid),
        Some(Holder::Process(None) | Holder::Nobody) | None => None,
    };
    let (limit, whose) = match (of_server, getrlimit(Resource::RLIMIT_NOFILE)) {
        (Some(limit), _) => (limit, "the server's process may have"),
        // A server takes all that is allowed when it starts.
        (None, Ok((_, most))) => (most, "a server that is started here may have"),
        (None, Err(error)) => {
            let found = format!("cannot be told: {error}");
            return findings.push(Finding::warn("open files", found, "look at `ulimit -Hn`"));
        }
    };
    let found = format!("{whose} {limit}");
    // A connection is of one of the two kinds; 0 bounds nothing, so then it is what is needed at the least.
    let (websockets, others) = (config.limit_connections_total, config.limit_http_connections_total);
    let wanted = files_for(websockets, others);
    findings.push(if websockets > 0 && limit < wanted {
        let found = format!(
            "{found}, but with as many connections as limit_connections_total and limit_http_connections_total allow it \
             needs {wanted}"
        );
        Finding::fail("open files", found, format!("set LimitNOFILE={wanted} or more, or lower limits"))
    } else if (websockets == 0 || others == 0) && limit < FEW_FILES {
        let advice = "set LimitNOFILE higher: every connection takes one; past it new ones wait";
        Finding::warn("open files", found, advice)
    } else {
        Finding::ok("open files", found)
    });
}

/// How many files a server has open with so many WebSockets and so many other connections of clients.
const fn files_for(websockets: u64, others: u64) -> u64 {
    websockets.saturating_add(others).saturating_add(webhook::AT_ONCE as u64).saturating_add(OTHER_FILES)
}

/// The limit that another process has now, as Linux tells it.
fn limit_of(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Whether the ports are free, or held by the server of this data folder; on a database nobody knows whose server runs.
pub(super) fn ports(config: &Config, holder: Option<Holder>, findings: &mut Vec<Finding>) {
    port("listen", config.listen, holder, findings);
    if let Some(address) = config.ops_listen {
        port("ops_listen", address, holder, findings);
    }
}

fn port(key: &'static str, address: SocketAddr, holder: Option<Holder>, findings: &mut Vec<Finding>) {
    if address.port() == 0 {
        return findings.push(Finding::ok(key, format!("{address}: any port that is free")));
    }
    let error = match bind(address) {
        Ok(()) => {
            findings.push(if matches!(holder, Some(Holder::Process(_))) {
                let found = format!("{address} is free, although a server runs on the data folder");
                let advice = "it listens elsewhere: give the doctor the configuration of that server";
                Finding::warn(key, found, advice)
            } else {
                Finding::ok(key, format!("{address} is free"))
            });
            return;
        }
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        let advice = if error.kind() == std::io::ErrorKind::PermissionDenied {
            "give a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
        } else {
            "give an address that this machine has, and a port that is free"
        };
        return findings.push(Finding::fail(key, format!("{address}: {error}"), advice));
    }
    let pid = listener_of(address);
    let who = pid.map_or_else(|| "another program".to_owned(), |pid| format!("process {pid}{}", name_of(pid)));
    findings.push(match (holder, pid) {
        (Some(Holder::Process(Some(server))), Some(pid)) if server == pid => {
            Finding::ok(key, format!("{address} is held by the server, {who}"))
        }
        // Other users' processes do not show their sockets.
        (Some(Holder::Process(_)), None) => Finding::ok(key, format!("{address} is taken, and a server runs")),
        (None, pid) if pid.is_none_or(is_server) => {
            let advice = "if that is not this server, stop it, or give another address";
            Finding::warn(key, format!("{address} is held by {who}"), advice)
        }
        (Some(Holder::Process(_) | Holder::Nobody) | None, _) => {
            Finding::fail(key, format!("{address} is held by {who}"), "stop that program, or give another address")
        }
    });
}

/// Listens as a server would, for a moment and without sharing.
fn bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections that have just ended are no hindrance to a server either.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// The process that listens at an address, as far as Linux shows it to this user.
fn listener_of(address: SocketAddr) -> Option<u32> {
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let rows = fs::read_to_string(table).unwrap_or_default();
        inodes.extend(rows.lines().skip(1).filter_map(|row| inode_of_listener(row, address)));
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        has_socket(&process.path(), &inodes).then_some(pid)
    })
}

/// The inode of a row that listens at this port, at this address or at all.
fn inode_of_listener(row: &str, address: SocketAddr) -> Option<String> {
    /// `TCP_LISTEN` as the table writes it.
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = row.split_whitespace().collect();
    let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
    let (host, port) = local.split_once(':')?;
    let is_port = u16::from_str_radix(port, 16).ok()? == address.port();
    let is_any = host.bytes().all(|byte| byte == b'0');
    let is_here = is_any || address.ip().is_unspecified() || host.eq_ignore_ascii_case(&in_table(address.ip()));
    (state == LISTENS && is_port && is_here).then(|| inode.to_owned())
}

/// An address as the tables write it: words of 32 bits in the machine's order.
fn in_table(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    words.map(|word| format!("{word:08X}")).collect()
}

fn has_socket(process: &Path, inodes: &HashSet<String>) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().any(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(inode))
    })
}

/// Whether a process runs this program, wherever it lies.
fn is_server(pid: u32) -> bool {
    let name = |path: std::path::PathBuf| path.file_name().map(std::ffi::OsStr::to_owned);
    let own = std::env::current_exe().ok().and_then(name);
    own.is_some() && fs::read_link(format!("/proc/{pid}/exe")).ok().and_then(name) == own
}

fn name_of(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!(" ({})", crate::output::tame(&name)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_table_are_read() {
        let row = "   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1";
        let at = |address: &str| inode_of_listener(row, address.parse().expect("an address"));
        if cfg!(target_endian = "little") {
            assert_eq!(at("127.0.0.1:8787").as_deref(), Some("4242"));
            assert_eq!(at("0.0.0.0:8787").as_deref(), Some("4242"));
            assert_eq!(at("127.0.0.2:8787"), None);
            assert_eq!(in_table("::1".parse().expect("an address")), "00000000000000000000000001000000");
        }
        assert_eq!(at("127.0.0.1:8788"), None);
        let connected = row.replace(" 0A ", " 01 ");
        assert_eq!(inode_of_listener(&connected, "127.0.0.1:8787".parse().expect("an address")), None);
    }

    #[test]
    fn a_port_is_judged_by_who_holds_it_and_what_is_known_of_the_server() {
        let own = std::process::id();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = (taken.local_addr().expect("an address"), taken);
        let free = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        let judged = |address, holder| {
            let mut findings = Vec::new();
            port("listen", address, holder, &mut findings);
            findings.pop().map(|finding| finding.state.as_str())
        };
        let holders = [
            (None, "ok", "warn"),
            (Some(Holder::Nobody), "ok", "fail"),
            (Some(Holder::Process(Some(own))), "warn", "ok"),
            (Some(Holder::Process(Some(1))), "warn", "fail"),
        ];
        for (holder, of_free, of_taken) in holders {
            let told = (judged(free, holder), judged(taken.0, holder));
            assert_eq!(told, (Some(of_free), Some(of_taken)), "{holder:?}");
        }
    }
}
