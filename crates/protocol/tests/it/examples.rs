//! Every message with all of its optional fields, and with none.

use cossistant_protocol::examples::{CLIENT, Example, SERVER};
use cossistant_protocol::{ClientFrame, ClientMessage, CloseCode, ErrorCode, ServerMessage};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_client_message_is_written_as_it_was_read() {
    assert_eq!(CLIENT.len(), ClientMessage::TYPES.len());
    for (example, kind) in CLIENT.iter().zip(ClientMessage::TYPES) {
        let [full, least] = [example.full, example.least].map(|text| {
            let frame = ClientFrame::parse(text).unwrap();
            assert_eq!(frame.message.type_name(), *kind);
            let written = frame.encode();
            assert_eq!(json(&written), json(text));
            assert_eq!(ClientFrame::parse(&written).unwrap(), frame);
            written
        });
        insta::assert_snapshot!(format!("client_{kind}"), format!("{full}\n{least}"));
    }
}

#[test]
fn every_server_message_is_written_as_it_was_read() {
    assert_eq!(SERVER.len(), ServerMessage::TYPES.len());
    for (example, kind) in SERVER.iter().zip(ServerMessage::TYPES) {
        let [full, least] = [example.full, example.least].map(|text| {
            let message = ServerMessage::parse(text).unwrap();
            assert_eq!(message.type_name(), *kind);
            let written = message.encode();
            assert_eq!(json(&written), json(text));
            written
        });
        insta::assert_snapshot!(format!("server_{kind}"), format!("{full}\n{least}"));
    }
}

/// The names of an object's properties in the schema, and those of them that are required.
fn properties(schema: &Value) -> (Vec<&String>, Vec<&str>) {
    let all = schema["properties"].as_object().map(|object| object.keys().collect()).unwrap_or_default();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    (all, required)
}

#[test]
fn examples_have_all_fields_and_only_the_required_ones() {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut messages = ClientMessage::schemas(&mut generator);
    messages.extend(ServerMessage::schemas(&mut generator));
    let definitions = generator.definitions();
    let examples: Vec<&Example> = CLIENT.iter().chain(SERVER).collect();
    for (message, example) in messages.iter().zip(examples) {
        let body = message.body.as_value()["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let (all, required) = properties(&definitions[body]);
        let (full, least) = (json(example.full), json(example.least));
        for name in all {
            assert!(full.get(name).is_some(), "{}: full lacks {name}", message.type_name);
        }
        for name in least.as_object().unwrap().keys().filter(|name| *name != "type") {
            assert!(required.contains(&name.as_str()), "{}: least has {name}", message.type_name);
        }
    }
}

#[test]
fn codes_are_stable() {
    let errors: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    insta::assert_snapshot!("error_codes", errors.join("\n"));
    let closes: Vec<String> = CloseCode::ALL.iter().map(|code| format!("{} {code:?}", code.as_u16())).collect();
    insta::assert_snapshot!("close_codes", closes.join("\n"));
}

#[test]
fn a_client_reads_codes_of_a_newer_server() {
    let text = r#"{"type":"error","error":"no","code":"of_a_newer_server"}"#;
    let Ok(ServerMessage::Error(error)) = ServerMessage::parse(text) else { panic!("not read") };
    assert_eq!(error.code, ErrorCode::Unknown);
}
