//! The files in `deploy/`: what cannot be run here is held against the program, and the image is run without its tools.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cossistant_testkit::{eventually, tokens, unique};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{BINARY, PATIENCE};

const DOCKERFILE: &str = include_str!("../../../../deploy/Dockerfile");
const COMPOSE: &str = include_str!("../../../../deploy/compose/compose.yaml");
const COMPOSE_ENV: &str = include_str!("../../../../deploy/compose/.env.example");
const HAPROXY: &str = include_str!("../../../../deploy/compose/haproxy.cfg");
const KUBERNETES: &str = include_str!("../../../../deploy/kubernetes/cossistant.yaml");
const SYSTEMD: &str = include_str!("../../../../deploy/systemd/cossistant.service");
const TOOLCHAIN: &str = include_str!("../../../../rust-toolchain.toml");

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn unique_folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(unique(name));
    fs::create_dir(&folder).expect("it is not there");
    folder
}

/// What a server would think of these flags and this environment; it must take them, without a warning.
fn effective(flags: &[&str], environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut command = Command::new(BINARY);
    command.args(["check-config", "--json"]).args(flags).env_clear().envs(environment);
    let output = command.output().expect("the binary runs");
    let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(output.status.success(), "{environment:?}: {told:#}");
    assert_eq!(told["warnings"], serde_json::json!([]), "{environment:?}");
    let of = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    told["effective"].as_array().expect("a list").iter().map(|value| (of(value, "key"), of(value, "value"))).collect()
}

fn documents(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).expect("it is YAML")
}

fn text(yaml: &Yaml) -> String {
    let number = || yaml.as_i64().map(|number| number.to_string());
    yaml.as_str().map(str::to_owned).or_else(number).unwrap_or_else(|| panic!("a text is wanted, not {yaml:?}"))
}

fn items(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().unwrap_or_else(|| panic!("a list is wanted, not {yaml:?}"))
}

/// The whole seconds of `45s`.
fn seconds(text: &str) -> i64 {
    text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("seconds are wanted, not {text}"))
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

/// The environment that the Dockerfile sets.
fn environment_of_image() -> BTreeMap<String, String> {
    let words = DOCKERFILE.split_whitespace();
    let pairs = words.filter(|word| word.starts_with("COSSISTANT_")).filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What takes the place of a secret.
const SAMPLE: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

#[test]
fn the_image_is_built_by_what_the_project_is_built_by_and_starts_what_is_there() {
    let channel = TOOLCHAIN.split('"').nth(1).expect("a version").rsplit_once('.').expect("of three parts").0;
    assert!(DOCKERFILE.contains(&format!("FROM rust:{channel}-")), "Rust {channel}");
    let script = fs::read_to_string(deploy().join("build.sh")).expect("it is there");
    let place = "/usr/bin/cossistant";
    assert!(DOCKERFILE.contains(&format!("ENTRYPOINT [\"{place}\"]")) && script.contains(&format!("$root{place}\"")));
    let image = environment_of_image();
    let told = effective(&[], &image);
    for key in ["listen", "ops_listen"] {
        assert!(DOCKERFILE.lines().any(|line| line.starts_with("EXPOSE") && line.contains(port(&told[key]))), "{key}");
    }
    assert_eq!(image.len(), 3);
}

#[test]
fn the_nodes_of_the_compose_file_are_as_the_program_wants_them() {
    let file = &documents(COMPOSE)[0];
    let node = &file["services"]["node"];
    let variables = node["environment"].as_hash().expect("a map");
    let fill = |value: String| {
        // `${NAME:?what if it is missing}`
        let mut filled = value;
        while let Some((before, (name, after))) = filled
            .split_once("${")
            .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
            .map(|(before, (inside, after))| (before, (inside.split_once(":?").expect("all must be given").0, after)))
        {
            assert!(COMPOSE_ENV.lines().any(|line| line == format!("{name}=")), "{name} stands in .env.example");
            let prefix = if name == "ADMIN_KEY" { "ak_" } else { "" };
            filled = format!("{before}{prefix}{SAMPLE}{after}");
        }
        filled
    };
    let mut environment = environment_of_image();
    environment.extend(variables.iter().map(|(name, value)| (text(name), fill(text(value)))));
    let told = effective(&[], &environment);
    assert!(seconds(&text(&node["stop_grace_period"])) > seconds(&told["drain_window"]));
    assert_eq!(text(&node["deploy"]["replicas"]), "3");
    // One secret for all, or visitors are known at one node only.
    assert!(!told["visitor_secret"].is_empty() && !told["admin_key"].is_empty());
    let subnet = text(&items(&file["networks"]["default"]["ipam"]["config"])[0]["subnet"]);
    assert!(told["trusted_proxies"].contains(&subnet), "{subnet}: the balancer's word counts");

    let nodes = format!("node:{}", port(&told["listen"]));
    assert!(HAPROXY.lines().any(|line| line.contains("server-template") && line.contains(&nodes)), "{nodes}");
    assert!(HAPROXY.contains(&format!("check port {}", port(&told["ops_listen"]))));
    let published = text(&items(&file["services"]["balancer"]["ports"])[0]);
    assert!(HAPROXY.contains(&format!("bind :{}", port(&published))), "{published}");
    let heartbeat = seconds(&told["heartbeat_interval"]);
    for line in HAPROXY.lines().filter(|line| line.trim().starts_with("timeout") && !line.contains("connect")) {
        let time = line.split_whitespace().last().expect("a time");
        assert!(2 * seconds(time) > 5 * heartbeat, "{line}: shorter than a connection may be silent");
    }
}

#[test]
fn the_nodes_of_the_kubernetes_file_are_as_the_program_wants_them() {
    let files = documents(KUBERNETES);
    let of_kind = |kind: &str| files.iter().find(|file| file["kind"].as_str() == Some(kind)).expect(kind);
    let pod = &of_kind("Deployment")["spec"]["template"];
    let container = &items(&pod["spec"]["containers"])[0];
    let secrets = "--from-literal=";
    let value = |variable: &Yaml| match variable["value"].as_str() {
        Some(value) => value.to_owned(),
        None => {
            let key = text(&variable["valueFrom"]["secretKeyRef"]["key"]);
            let given = KUBERNETES.split(&format!("{secrets}{key}='")).nth(1);
            let given = given.and_then(|rest| rest.split('\'').next()).unwrap_or_else(|| panic!("{key} is made"));
            match key.as_str() {
                "database-url" => given.replace('…', "name:word@host/of"),
                "nats-url" => given.replace('…', "name:word@host:4222"),
                _ => given.replace('…', SAMPLE),
            }
        }
    };
    let mut environment = environment_of_image();
    environment.extend(items(&container["env"]).iter().map(|variable| (text(&variable["name"]), value(variable))));
    let told = effective(&[], &environment);
    assert_eq!(items(&container["args"]).iter().map(text).collect::<Vec<_>>(), ["serve"]);
    assert_eq!(pod["spec"]["enableServiceLinks"].as_bool(), Some(false));

    let ports: BTreeMap<String, String> =
        items(&container["ports"]).iter().map(|port| (text(&port["name"]), text(&port["containerPort"]))).collect();
    assert_eq!((ports["http"].as_str(), ports["ops"].as_str()), (port(&told["listen"]), port(&told["ops_listen"])));
    for (probe, path) in [("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((text(&get["path"]), text(&get["port"])), (path.to_owned(), "ops".to_owned()));
    }
    assert_eq!(text(&pod["metadata"]["annotations"]["prometheus.io/port"]), ports["ops"]);
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().expect("seconds");
    let patience = pod["spec"]["terminationGracePeriodSeconds"].as_i64().expect("seconds");
    assert!(patience > pause + seconds(&told["drain_window"]), "{patience} s are too short");

    // Everything means the same pods.
    let labels = &pod["metadata"]["labels"];
    assert!(labels.as_hash().is_some_and(|labels| !labels.is_empty()));
    assert_eq!(&of_kind("Deployment")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of_kind("Service")["spec"]["selector"], labels);
    assert_eq!(text(&items(&of_kind("Service")["spec"]["ports"])[0]["targetPort"]), "http");
    let user = format!("{}:{}", text(&pod["spec"]["securityContext"]["runAsUser"]), 65532);
    assert!(DOCKERFILE.contains(&format!("USER {user}")), "{user}");
    // It may write there alone.
    assert!(Path::new(&told["data"]).starts_with(text(&items(&container["volumeMounts"])[0]["mountPath"])));
}

#[test]
fn the_unit_of_systemd_starts_what_the_program_takes() {
    let value = |name: &str| SYSTEMD.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect(name);
    let mut words = value("ExecStart").split_whitespace();
    assert_eq!((words.next(), words.next()), (Some("/usr/local/bin/cossistant"), Some("serve")));
    let folder = unique_folder("unit");
    let config = folder.join("cossistant.toml");
    fs::write(&config, "log_level = \"warn\"\n").expect("it is ours");
    let config = config.to_str().expect("a path of ours");
    let flags: Vec<&str> = words.map(|word| if word == "/etc/cossistant.toml" { config } else { word }).collect();
    let told = effective(&flags, &BTreeMap::new());
    assert_eq!(told["log_level"], "warn", "the file is read");
    assert_eq!(Path::new(&told["data"]), Path::new("/var/lib").join(value("StateDirectory")));
    assert!(seconds(value("TimeoutStopSec")) > seconds(&told["drain_window"]));
    fs::remove_dir_all(folder).expect("it is ours");
}

/// Runs the program where there is nothing but the image.
fn within(root: &Path, flags: &[&str]) -> Command {
    let id = Command::new("id").arg("--user").output().expect("id");
    let is_root = id.stdout == b"0\n";
    // Who is not root becomes it in a namespace of their own.
    let mut command = if is_root { Command::new("chroot") } else { Command::new("unshare") };
    if !is_root {
        command.args(["--map-root-user", "chroot"]);
    }
    command.arg(root).arg("/usr/bin/cossistant").args(flags);
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[tokio::test]
async fn the_program_runs_where_there_is_nothing_but_the_image() {
    let folder = unique_folder("image");
    let root = folder.join("root");
    let built = Command::new(deploy().join("build.sh")).arg(&root).arg(BINARY).output().expect("bash");
    assert!(built.status.success(), "{built:?}");
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data", "/data", "--ready-file", "/data/ready.json"];
    let server = within(&root, &serve).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("chroot");
    let _server = Running(server);
    let read = async || serde_json::from_slice::<Value>(&fs::read(root.join("data/ready.json")).ok()?).ok();
    let ready = eventually(PATIENCE, "it listens", read).await;

    // Names of hosts are looked up by libraries that are loaded while it runs.
    fs::write(root.join("etc/hosts"), "127.0.0.1 chat.test\n").expect("it is ours");
    let url = ready["url"].as_str().expect("a text").replace("127.0.0.1", "chat.test");
    let token = tokens::visitor("v").sign();
    let chat = ["chat", "--url", &url, "--token", &token, "--conversation", "c", "--json"];
    let mut chat = within(&root, &chat).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("chroot");
    chat.stdin.take().expect("a pipe").write_all(b"Hello\n").expect("it reads");
    let told = tokio::task::spawn_blocking(|| chat.wait_with_output());
    let told = tokio::time::timeout(4 * PATIENCE, told).await.expect("in time").expect("it ran").expect("it ends");
    let lines = String::from_utf8(told.stdout).expect("text");
    assert!(told.status.success() && lines.contains("\"message_ack\""), "{lines}");
    drop(_server);
    fs::remove_dir_all(folder).expect("it is ours");
}
