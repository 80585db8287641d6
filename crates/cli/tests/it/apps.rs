//! The web apps, as a browser asks for them. What is served here was built by `cargo xtask web`.

use std::io::Read as _;
use std::sync::OnceLock;

use cossistant_testkit::{Server, ServerOptions};
use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{BINARY, PATIENCE};

static SERVER: OnceLock<Server> = OnceLock::new();

fn server() -> &'static Server {
    SERVER.get_or_init(|| Server::start(BINARY))
}

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     font-src 'self'; img-src 'self' https: http:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'";
const FILE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";

/// An answer as it came over the wire.
struct Answer {
    what: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{}: more than one {name}", self.what);
        first
    }

    fn assert_headers(&self, expected: &[(&str, Option<&str>)]) {
        for &(name, value) in expected {
            assert_eq!(self.header(name), value, "{}: {name}", self.what);
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.what))
    }

    fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.what);
        self.assert_headers(&[("content-type", Some("application/problem+json")), ("etag", None)]);
        let problem: Value = serde_json::from_slice(&self.body).expect("a problem is JSON");
        assert_eq!(problem["code"], code, "{}", self.what);
    }

    /// The content, whichever encoding it came in.
    fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        match self.header("content-encoding") {
            Some("br") => brotli::Decompressor::new(&self.body[..], 4096).read_to_end(&mut content),
            Some("gzip") => GzDecoder::new(&self.body[..]).read_to_end(&mut content),
            Some(other) => panic!("{}: nobody asked for {other}", self.what),
            None => return self.body.clone(),
        }
        .unwrap_or_else(|error| panic!("{}: {error}", self.what));
        content
    }
}

/// Asks with a path that no library tidies up.
async fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let asking = async {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", server.address());
        stream.write_all(head.as_bytes()).await.expect("the server takes the request");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("the server answers to the end");
        all
    };
    let all = tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time");
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&all[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { what: format!("{method} {path} {headers:?}"), status, headers, body: all[end + 4..].to_vec() }
}

async fn get(path: &str) -> Answer {
    let answer = ask(server(), "GET", path, &[]).await;
    assert_eq!(answer.status, 200, "{} (run `cargo xtask web` first): {}", answer.what, answer.text());
    answer
}

/// The files below a folder that a page or a script names, with or without the slash before it.
fn named(text: &str, folder: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let found = text.match_indices(folder).map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|&c| is_part(c)).collect();
        format!("/{name}")
    });
    found.filter(|path| path.contains('.')).collect()
}

#[tokio::test]
async fn the_inbox_is_at_the_root_and_at_its_own_paths() {
    let page = get("/").await;
    page.assert_headers(&[
        ("content-type", Some("text/html; charset=utf-8")),
        ("content-security-policy", Some(PAGE_POLICY)),
        ("cache-control", Some("no-cache")),
        ("x-content-type-options", Some("nosniff")),
        ("referrer-policy", Some("no-referrer")),
        ("permissions-policy", Some(PERMISSIONS)),
        ("cross-origin-opener-policy", Some("same-origin")),
        ("cross-origin-resource-policy", Some("same-origin")),
        ("access-control-allow-origin", None),
        ("vary", Some("Accept-Encoding")),
    ]);
    assert!(page.text().contains("/assets/"), "this binary was built without the inbox: run `cargo xtask web` first");
    for path in ["/inbox", "/inbox/conv_1", "/inbox/website-123/conv_1", "/inbox/?status=open", "/?x=1"] {
        let same = get(path).await;
        assert_eq!((same.body, same.headers.len()), (page.body.clone(), page.headers.len()), "{path}");
    }
    for path in ["/inbox/conv_1.js", "/inbox/a/b.css", "/index.html", "/inboxes", "/conv_1", "/assets", "/v2/x"] {
        ask(server(), "GET", path, &[]).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_the_pages_name_is_there_and_kept_for_ever() {
    let inbox = get("/").await;
    let files = named(inbox.text(), "assets/");
    assert!(files.iter().any(|file| file.ends_with(".js")), "a script: {files:?}");
    for path in files {
        let file = get(&path).await;
        file.assert_headers(&[
            ("cache-control", Some("public, max-age=31536000, immutable")),
            ("content-security-policy", Some(FILE_POLICY)),
            ("x-content-type-options", Some("nosniff")),
            ("cross-origin-resource-policy", Some("same-origin")),
            ("access-control-allow-origin", None),
        ]);
        let media = file.header("content-type").unwrap_or_default().to_owned();
        let expected = match path.rsplit('.').next().unwrap_or_default() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "woff2" => "font/woff2",
            other => panic!("{path}: {other}"),
        };
        assert_eq!(media, expected, "{path}");
    }
    ask(server(), "GET", "/assets/nothing-00000000.js", &[]).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn the_widget_is_for_pages_of_all_sites() {
    let script = ask(server(), "GET", "/widget.js", &[("Origin", "https://shop.example")]).await;
    assert_eq!(script.status, 200, "run `cargo xtask web` first");
    script.assert_headers(&[
        ("content-type", Some("text/javascript; charset=utf-8")),
        ("cache-control", Some("public, max-age=300")),
        ("access-control-allow-origin", Some("*")),
        ("cross-origin-resource-policy", Some("cross-origin")),
        ("x-content-type-options", Some("nosniff")),
        ("vary", Some("Accept-Encoding")),
    ]);
    let chunks = named(script.text(), "widget/");
    assert!(!chunks.is_empty(), "the panel is loaded when it is opened");
    for path in chunks {
        let chunk = ask(server(), "GET", &path, &[("Origin", "http://localhost:3000")]).await;
        assert_eq!(chunk.status, 200, "{path}");
        chunk.assert_headers(&[
            ("cache-control", Some("public, max-age=31536000, immutable")),
            // Not the origin: a cache may hand it to the next site.
            ("access-control-allow-origin", Some("*")),
            ("cross-origin-resource-policy", Some("cross-origin")),
            ("vary", Some("Accept-Encoding")),
        ]);
    }
    ask(server(), "GET", "/widget/nothing.js", &[]).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn the_demo_is_a_page_of_its_own() {
    let page = get("/demo").await;
    page.assert_headers(&[
        ("content-type", Some("text/html; charset=utf-8")),
        ("content-security-policy", Some(PAGE_POLICY)),
        ("referrer-policy", Some("same-origin")),
        ("cache-control", Some("no-cache")),
    ]);
    assert!(page.text().contains("/widget.js"), "it carries the widget by the script tag: {}", page.text());
    assert_eq!(get("/demo/").await.body, page.body);
    for path in named(page.text(), "demo/") {
        get(&path).await.assert_headers(&[
            ("cache-control", Some("no-cache")),
            ("content-security-policy", Some(FILE_POLICY)),
            ("access-control-allow-origin", None),
        ]);
    }
    for path in ["/demo/index.html", "/demo/nothing.css"] {
        ask(server(), "GET", path, &[]).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn pages_hold_nothing_that_their_policy_forbids() {
    for path in ["/", "/demo"] {
        let page = get(path).await;
        let text = page.text().to_ascii_lowercase();
        for inline in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:", "http-equiv"] {
            assert!(!text.contains(inline), "{path} has {inline}: {text}");
        }
    }
}

#[tokio::test]
async fn each_client_gets_the_smallest_form_that_it_takes() {
    let plain = get("/").await;
    let script = named(plain.text(), "assets/").into_iter().find(|path| path.ends_with(".js")).expect("a script");
    for path in ["/", script.as_str(), "/widget.js"] {
        let plain = get(path).await;
        assert_eq!(plain.header("content-encoding"), None, "{path}: nothing was offered");
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip, deflate", Some("gzip")),
            ("deflate", None),
            ("identity", None),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("br;q=0.2, gzip;q=0.8", Some("gzip")),
            ("gzip;q=0, *;q=0.1", Some("br")),
            ("*;q=0", None),
            ("br;q=0.5, identity", None),
        ] {
            let answer = ask(server(), "GET", path, &[("Accept-Encoding", accepted)]).await;
            assert_eq!((answer.status, answer.header("content-encoding")), (200, encoding), "{path} {accepted}");
            assert_eq!(answer.content(), plain.body, "{path} {accepted}: the same content");
            answer.assert_headers(&[("vary", Some("Accept-Encoding")), ("content-type", plain.header("content-type"))]);
            let is_compressed = encoding.is_some();
            assert_eq!(answer.body.len() < plain.body.len(), is_compressed, "{path} {accepted}: smaller");
            assert_eq!(
                answer.header("etag") != plain.header("etag"),
                is_compressed,
                "{path} {accepted}: a tag of its own"
            );
        }
        let several = [("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")];
        assert_eq!(ask(server(), "GET", path, &several).await.header("content-encoding"), Some("br"), "{path}");
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    for path in ["/", "/widget.js", "/demo"] {
        let with_brotli = ("Accept-Encoding", "br");
        let first = ask(server(), "GET", path, &[with_brotli]).await;
        let tag = first.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with("-br\""), "{tag}");
        let weak = format!("W/{tag}");
        let among = format!("\"other\", {tag}");
        for known in [tag.as_str(), weak.as_str(), among.as_str(), "*"] {
            let again = ask(server(), "GET", path, &[with_brotli, ("If-None-Match", known)]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
            again.assert_headers(&[
                ("etag", Some(&tag)),
                ("cache-control", first.header("cache-control")),
                ("vary", Some("Accept-Encoding")),
                ("content-security-policy", first.header("content-security-policy")),
                ("content-encoding", None),
            ]);
        }
        for (encoding, known) in [("br", "\"other\""), ("gzip", tag.as_str()), ("br", tag.trim_matches('"'))] {
            let again = ask(server(), "GET", path, &[("Accept-Encoding", encoding), ("If-None-Match", known)]).await;
            assert_eq!(again.status, 200, "{path}: {known} is another form than {encoding}");
        }
    }
}

#[tokio::test]
async fn heads_are_like_the_answers_and_other_methods_are_refused() {
    for path in ["/", "/inbox/conv_1", "/widget.js", "/demo", "/app.json"] {
        let accepted = ("Accept-Encoding", "gzip");
        let whole = ask(server(), "GET", path, &[accepted]).await;
        let head = ask(server(), "HEAD", path, &[accepted]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let without_date = |answer: &Answer| -> Vec<(String, String)> {
            let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
            headers.sort();
            headers
        };
        assert_eq!(without_date(&head), without_date(&whole), "{path}");
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = ask(server(), method, path, &[("Content-Length", "0")]).await;
            refused.assert_problem(405, "method_not_allowed");
            refused.assert_headers(&[("allow", Some("GET, HEAD"))]);
        }
    }
    ask(server(), "HEAD", "/assets/nothing.js", &[]).await.assert_headers(&[("etag", None)]);
}

#[tokio::test]
async fn nothing_outside_of_the_apps_can_be_reached() {
    let inbox = get("/").await;
    let script = named(inbox.text(), "assets/").remove(0);
    for path in [
        "/../Cargo.toml",
        "/assets/../../../etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/index.html",
        "/widget/..%5c..%5cwidget.js",
        "/demo/../app.json",
        "/inbox/../../etc/passwd.txt",
        "//etc/passwd",
        "/assets//index.js",
        "/assets/index.js%00",
        "/inputs.hash",
        &format!("{script}.map"),
        &format!("{script}/"),
        &script.replacen("/assets/", "/assets/./", 1),
    ] {
        let answer = ask(server(), "GET", path, &[]).await;
        answer.assert_problem(404, "not_found");
    }
    // Asked for by its whole address, as proxies do, a path is the same path.
    let whole = format!("http://{}/demo", server().address());
    assert_eq!(ask(server(), "GET", &whole, &[]).await.status, 200);
}

#[tokio::test]
async fn the_apps_are_told_who_is_who_in_dev() {
    let info = get("/app.json").await;
    info.assert_headers(&[("content-type", Some("application/json")), ("cache-control", Some("no-store"))]);
    let info: Value = serde_json::from_slice(&info.body).expect("JSON");
    let ready = server().ready();
    let dev = &info["dev"];
    assert_eq!(
        [&dev["organizationId"], &dev["websiteId"], &dev["publicKey"], &dev["secretKey"], &dev["demoUrl"]],
        [ready.organization_id.as_str(), &ready.website_id, &ready.public_key, &ready.secret_key, "/demo"],
    );
    let people = dev["people"].as_array().expect("people");
    assert!(people.len() > 1 && people.iter().all(|person| person["sub"].is_string() && person["name"].is_string()));
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn without_dev_the_apps_are_told_nothing_and_there_is_no_demo() {
    let server = ServerOptions::new(BINARY).production().start();
    let info = ask(&server, "GET", "/app.json", &[]).await;
    assert_eq!(info.text(), format!("{{\"version\":\"{}\",\"dev\":null}}", env!("CARGO_PKG_VERSION")));
    assert_eq!(ask(&server, "GET", "/", &[]).await.status, 200);
    assert_eq!(ask(&server, "GET", "/widget.js", &[]).await.status, 200);
    for path in ["/demo", "/demo/", "/demo/index.html"] {
        ask(&server, "GET", path, &[]).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_server_can_do_without_the_apps() {
    let server = ServerOptions::new(BINARY).flag("--no-apps").start();
    for path in ["/", "/inbox", "/widget.js", "/demo", "/app.json"] {
        ask(&server, "GET", path, &[]).await.assert_problem(404, "not_found");
    }
    assert_eq!(ask(&server, "GET", "/openapi.json", &[]).await.status, 200);
    assert!(!server.output().contains("/demo"), "it does not name what is not there: {}", server.output());
}
