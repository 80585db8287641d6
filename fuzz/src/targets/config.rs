//! The configuration's file: any text is a configuration or is refused with one thing that is wrong, and no secret of
//! it is shown.

use std::path::PathBuf;
use std::sync::LazyLock;

use cossistant_server::config::{Config, KEYS};

use crate::Target;

/// An input is the file.
pub(crate) const TARGET: Target = Target {
    name: "config",
    run,
    seeds,
    words: &[
        "listen",
        "dev = true",
        "admin_key",
        "jwt_secret",
        "trusted_proxies",
        "limit_",
        "\"10.0.0.0/8\"",
        "10s",
        "5m",
        "1MiB",
        "64k",
        "\"",
        "'''",
        "[",
        "]",
        " = ",
        "#",
        "true",
        "false",
        "inf",
        "nan",
        "0x",
        "1979-05-27",
        "\\u",
    ],
    max_bytes: 1_024,
    change: None,
};

/// What stands in an input for a secret.
const SECRET: &str = "SECRETSECRETSECRETSECRETSECRETSECRET";

/// The file that all inputs are written to, one after the other; in memory where there is such a folder.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let in_memory = PathBuf::from("/dev/shm");
    let folder = if in_memory.is_dir() { in_memory } else { std::env::temp_dir() };
    folder.join(format!("cossistant-fuzz-{}.toml", std::process::id()))
});

fn run(input: &[u8]) {
    std::fs::write(&*FILE, input).expect("a temporary file can be written");
    let loaded = Config::load(Vec::new(), std::iter::empty(), Some(&FILE));
    match loaded {
        Ok((config, warnings)) => {
            assert!(config.max_message_bytes > 0, "a server that takes no message");
            assert!(!format!("{config:?}{warnings:?}").contains(SECRET), "a secret is shown");
            let limits = config.wire_limits();
            assert!(limits.max_message_bytes == config.max_message_bytes as u64);
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.is_empty());
            assert!(!has_secrets_alone(input) || !shown.contains(SECRET), "a secret is shown: {shown}");
        }
    }
}

/// Whether what stands for a secret is the value of a secret wherever it stands. Names and other values may be shown.
fn has_secrets_alone(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let is_value = |line: &str| {
        let key = line.split_once(" = \"").map(|(name, _)| name);
        KEYS.iter().any(|known| known.is_secret() && Some(known.name) == key)
    };
    !text.contains("\"\"\"") && !text.contains("'''") && text.lines().filter(|line| line.contains(SECRET)).all(is_value)
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<String> = KEYS
        .iter()
        .map(|key| {
            let value = if key.is_secret() { SECRET } else { key.default };
            format!("{} = \"{value}\"\n", key.name)
        })
        .collect();
    seeds.extend(
        [
            "",
            "dev = true\nlisten = \"127.0.0.1:0\"\n",
            "dev = true\nlisten = \"0.0.0.0:1\"\n",
            "admin_key = \"ak_SECRETSECRETSECRETSECRETSECRETSECRET\"\n",
            "jwt_secret = \"SECRETSECRETSECRETSECRETSECRETSECRET\"\nadmin_key = 5\n",
            "jwt_secret = \"SECRETSECRETSECRETSECRETSECRETSECRET\n",
            "# a comment\nmax_message_bytes = 65536\nheartbeat_interval = \"25s\"\ntyping_expiry = 6\n",
            "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n",
            "[table]\nx = 1\n",
            "liste = \"127.0.0.1:0\"\n",
            "database_url = \"postgres://\"\n",
            "shards = -1\n",
            "a = \"ä\n",
            "\u{feff}dev = true",
        ]
        .map(str::to_owned),
    );
    seeds.into_iter().map(String::into_bytes).collect()
}
