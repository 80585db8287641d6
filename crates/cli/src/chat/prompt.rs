//! The prompt of a terminal, and above it an area that is drawn anew again and again.
//!
//! The screen from above: lines that stay, the area, the line that is being written. rustyline owns the last one and
//! prints above it what it is given; so each print first goes up over the area (and over a line that was just
//! submitted), clears all from there on, and writes new lines and the new area.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::measure_text_width;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, ExternalPrinter, Helper};
use tokio::sync::{mpsc, watch};

/// What stands before the line that is being written.
const PROMPT: &str = "> ";

/// Lines that wait for a terminal that takes nothing; the oldest are dropped beyond it.
const MAX_LINES: usize = 1_000;

/// How long the last lines may take.
const ENDING: Duration = Duration::from_millis(500);

/// What the person did.
#[derive(Debug)]
pub(super) enum Input {
    /// Wrote a line.
    Line(String),
    /// Wants to leave.
    End,
    /// Cannot be heard any more.
    Failed(ReadlineError),
}

/// The prompt and the area.
pub(super) struct Prompt {
    /// What the person did.
    pub(super) inputs: mpsc::Receiver<Input>,
    /// The line as it is being written.
    pub(super) draft: watch::Receiver<String>,
    frame: Arc<Shared>,
    /// The terminal as it was found.
    original: Termios,
}

/// What is to be drawn.
#[derive(Default)]
struct Frame {
    lines: VecDeque<String>,
    area: Vec<String>,
    is_new: bool,
    is_idle: bool,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    /// Guards what goes from the session to the thread that draws.
    frame: Mutex<Frame>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Frame> {
        // Half of a frame is still a frame.
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prompt {
    /// Starts to read and draw; `None` on a terminal that cannot.
    pub(super) fn start() -> anyhow::Result<Option<Self>> {
        let original = tcgetattr(std::io::stdin())?;
        let mut editor: Editor<Watcher, DefaultHistory> = Editor::new()?;
        let Ok(printer) = editor.create_external_printer() else { return Ok(None) };
        let (draft_sender, draft) = watch::channel(String::new());
        editor.set_helper(Some(Watcher(draft_sender)));
        let (input_sender, inputs) = mpsc::channel(16);
        let submitted = Arc::new(AtomicUsize::new(0));
        let frame = Arc::new(Shared::default());
        // Both threads end with the process: a read of a terminal cannot be called off.
        let rows = Arc::clone(&submitted);
        std::thread::spawn(move || read(editor, &input_sender, &rows));
        let shared = Arc::clone(&frame);
        std::thread::spawn(move || draw(printer, &shared, &submitted));
        Ok(Some(Self { inputs, draft, frame, original }))
    }

    /// Adds lines that stay, and replaces the area.
    pub(super) fn show(&self, lines: Vec<String>, area: Vec<String>) {
        let mut frame = self.frame.lock();
        frame.lines.extend(lines);
        let excess = frame.lines.len().saturating_sub(MAX_LINES);
        frame.lines.drain(..excess);
        frame.area = area;
        frame.is_new = true;
        self.frame.changed.notify_all();
    }

    /// Draws what is left and gives the terminal back as it was.
    pub(super) fn end(self, is_reading: bool) -> anyhow::Result<()> {
        let mut frame = self.frame.lock();
        frame.is_over = true;
        self.frame.changed.notify_all();
        let is_drawing = |frame: &mut Frame| frame.is_new || !frame.is_idle;
        drop(self.frame.changed.wait_timeout_while(frame, ENDING, is_drawing));
        if is_reading {
            tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.original)?;
            // Also the mode in which pasted text is marked as such.
            std::io::stdout().write_all(b"\x1b[?2004l\r\n")?;
        }
        Ok(())
    }
}

fn read(mut editor: Editor<Watcher, DefaultHistory>, inputs: &mpsc::Sender<Input>, submitted: &AtomicUsize) {
    loop {
        let columns = console::Term::stdout().size().1;
        let read = editor.readline(PROMPT);
        let line = read.as_deref().unwrap_or_default();
        submitted.fetch_add(rows(line, columns.into()), Ordering::SeqCst);
        if let Some(watcher) = editor.helper() {
            watcher.0.send_replace(String::new());
        }
        let input = match read {
            Ok(line) => {
                // A history that cannot be kept is no loss.
                editor.add_history_entry(line.as_str()).unwrap_or_default();
                Input::Line(line)
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Input::End,
            Err(error) => Input::Failed(error),
        };
        let is_last = !matches!(input, Input::Line(_));
        if inputs.blocking_send(input).is_err() || is_last {
            return;
        }
    }
}

/// How many rows a line takes behind the prompt.
fn rows(line: &str, columns: usize) -> usize {
    let columns = columns.max(1);
    let first = PROMPT.len();
    line.split('\n')
        .enumerate()
        .map(|(at, part)| {
            let width = measure_text_width(part) + if at == 0 { first } else { 0 };
            width / columns + 1
        })
        .sum()
}

fn draw(mut printer: impl ExternalPrinter, shared: &Shared, submitted: &AtomicUsize) {
    let mut area_rows = 0;
    loop {
        let mut frame = shared.lock();
        while !frame.is_new {
            if frame.is_over {
                return;
            }
            frame = wait(shared, frame);
        }
        frame.is_new = false;
        frame.is_idle = false;
        let lines = std::mem::take(&mut frame.lines);
        let area = frame.area.clone();
        drop(frame);
        let up = area_rows + submitted.swap(0, Ordering::SeqCst);
        if up > 0 || !lines.is_empty() || !area.is_empty() {
            area_rows = area.len();
            let text = compose(up, lines.into_iter().chain(area));
            if printer.print(text).is_err() {
                return;
            }
        }
        shared.lock().is_idle = true;
        shared.changed.notify_all();
    }
}

fn wait<'a>(shared: &'a Shared, frame: MutexGuard<'a, Frame>) -> MutexGuard<'a, Frame> {
    shared.changed.wait(frame).unwrap_or_else(PoisonError::into_inner)
}

/// The text that goes up over what is to vanish and writes new rows.
fn compose(up: usize, rows: impl Iterator<Item = String>) -> String {
    let mut text = if up > 0 { format!("\x1b[{up}A\r\x1b[J") } else { String::new() };
    let start = text.len();
    for row in rows {
        text.push_str(&row);
        text.push('\n');
    }
    if text.len() == start {
        // A print always ends its row, so without any rows it begins one further up.
        text.push_str("\x1b[1A\n");
    }
    text
}

/// Sees the line with every key.
struct Watcher(watch::Sender<String>);

impl Hinter for Watcher {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.0.send_if_modified(|draft| {
            let is_other = draft != line;
            if is_other {
                line.clone_into(draft);
            }
            is_other
        });
        None
    }
}

impl Completer for Watcher {
    type Candidate = String;
}

impl Highlighter for Watcher {}

impl Validator for Watcher {}

impl Helper for Watcher {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_the_rows_that_it_wraps_over() {
        assert_eq!(rows("", 80), 1);
        assert_eq!(rows("hello", 80), 1);
        assert_eq!(rows(&"x".repeat(77), 80), 1);
        assert_eq!(rows(&"x".repeat(78), 80), 2);
        assert_eq!(rows("a\nb", 80), 2);
        assert_eq!(rows("x", 0), 4);
    }

    #[test]
    fn a_print_clears_what_was_there_and_ends_its_row() {
        let rows = |rows: &[&str]| rows.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter();
        assert_eq!(compose(0, rows(&["a", "b"])), "a\nb\n");
        assert_eq!(compose(2, rows(&["a"])), "\x1b[2A\r\x1b[Ja\n");
        assert!(compose(1, rows(&[])).ends_with('\n'));
    }
}
