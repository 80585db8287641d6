//! The fixtures that other languages are tested with are judged by Rust as they say.

use std::path::Path;

use cossistant_protocol::{ClientFrame, ServerMessage, UnreadableMessage};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    name: String,
    accepted: bool,
    path: Option<String>,
    /// The message as JSON text, with `…` for what is too long to be written out.
    text: String,
    fill: Option<Fill>,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Fixture {
    fn whole_text(&self) -> String {
        match &self.fill {
            Some(fill) => self.text.replace('…', &fill.text.repeat(fill.times)),
            None => self.text.clone(),
        }
    }
}

fn read(file: &str) -> Vec<Fixture> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packages/protocol/fixtures").join(file);
    let fixtures: Vec<Fixture> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(fixtures.len() > 50);
    fixtures
}

#[test]
fn client_messages() {
    for fixture in read("client.json") {
        let got = ClientFrame::parse(&fixture.whole_text()).map(drop);
        let path =
            got.as_ref().err().and_then(|rejected| rejected.invalid.as_ref()).map(|invalid| invalid.path.clone());
        assert_eq!((got.is_ok(), path), (fixture.accepted, fixture.path), "{}", fixture.name);
    }
}

#[test]
fn server_messages() {
    for fixture in read("server.json") {
        let got = ServerMessage::parse(&fixture.whole_text()).map(drop);
        let path = match &got {
            Err(UnreadableMessage::Invalid(invalid)) => Some(invalid.path.clone()),
            Ok(()) | Err(_) => None,
        };
        assert_eq!((got.is_ok(), path), (fixture.accepted, fixture.path), "{}", fixture.name);
    }
}
