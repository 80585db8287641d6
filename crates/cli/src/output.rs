//! What commands print on the standard output.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::Failure;

/// Prints a line at once.
///
/// A reader that is gone has all it wanted: that is the end of the program, and no failure of it.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Unheard),
        written => Ok(written.context("cannot write to the standard output")?),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints an answer of the server: as one line of JSON, or field by field for people.
pub(crate) fn show(answer: &Value, is_json: bool) -> Result<(), Failure> {
    if is_json { print(&answer.to_string()) } else { print(&fields(answer)) }
}

/// Prints that something is no more.
pub(crate) fn show_deleted(id: &str, is_json: bool) -> Result<(), Failure> {
    if is_json { print(&json!({ "id": id, "deleted": true }).to_string()) } else { print(&format!("{id} is deleted")) }
}

fn fields(answer: &Value) -> String {
    let Some(object) = answer.as_object() else {
        return answer.to_string();
    };
    let width = object.keys().map(String::len).max().unwrap_or(0);
    let lines = object.iter().map(|(name, value)| format!("{name:width$}  {}", plain(value)));
    lines.collect::<Vec<_>>().join("\n")
}

fn plain(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        tame(text)
    } else if let Some(list) = value.as_array() {
        list.iter().map(plain).collect::<Vec<_>>().join(", ")
    } else {
        value.to_string()
    }
}

/// Text of others for a terminal: what is no character to read cannot move the cursor or set a colour.
/// Lines after the first are set in.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for c in text.trim_end().replace("\r\n", "\n").chars() {
        match c {
            '\n' => tamed.push_str("\n    "),
            '\t' => tamed.push(' '),
            c if is_unseen(c) => tamed.push('\u{fffd}'),
            c => tamed.push(c),
        }
    }
    tamed
}

/// Controls, and the marks that turn the direction of the text behind them.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_others_commands_no_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb\u{7}\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        assert_eq!(tame("one\r\ntwo\n\n"), "one\n    two");
    }

    #[test]
    fn an_answer_is_shown_field_by_field() {
        let answer = json!({"id": "site_1", "allowedDomains": ["a", "*.a"], "unseenAfter": 60});
        assert_eq!(fields(&answer), "allowedDomains  a, *.a\nid              site_1\nunseenAfter     60");
    }
}
