//! The engines of one instance, and the two buffers.

use cossistant_engine::Engine;

use crate::abi::{MALFORMED, NO_ROOM, NO_SUCH_ENGINE};
use crate::input::{read_config, read_input};
use crate::output::{write_output, write_stats};
use crate::record::{Malformed, Reader, Writer, amount};

/// The longest record that is taken, in bytes.
const MAX_RECORD: u32 = 1 << 24;
/// A buffer that grew beyond this for one record is given back, in bytes.
const KEPT: usize = 1 << 16;
/// Engines that may live at one time; a page needs one.
const MAX_ENGINES: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Host {
    engines: Vec<(i32, Engine<(), ()>)>,
    /// The number of the newest engine. Numbers are not given twice, so that a stale one finds nothing.
    newest: i32,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Host {
    pub(crate) const fn new() -> Self {
        Self { engines: Vec::new(), newest: 0, input: Vec::new(), output: Vec::new() }
    }

    pub(crate) fn input(&mut self, length: u32) -> *mut u8 {
        if length > MAX_RECORD {
            return core::ptr::null_mut();
        }
        if self.input.capacity() > KEPT {
            self.input = Vec::new();
        }
        self.input.resize(length as usize, 0);
        self.input.as_mut_ptr()
    }

    pub(crate) fn output(&self) -> *const u8 {
        self.output.as_ptr()
    }

    pub(crate) fn create(&mut self, length: u32) -> i32 {
        if self.engines.len() >= MAX_ENGINES || self.newest == i32::MAX {
            return NO_ROOM;
        }
        let Ok(engine) = self.read(length, |reader| {
            let seed = reader.number().to_bits();
            Engine::new(read_config(reader), seed)
        }) else {
            return MALFORMED;
        };
        self.newest += 1;
        self.engines.push((self.newest, engine));
        self.newest
    }

    pub(crate) fn free(&mut self, number: i32) {
        self.engines.retain(|(known, _)| *known != number);
    }

    pub(crate) fn handle(&mut self, number: i32, length: u32, now: f64) -> i32 {
        let (Ok(input), Ok(now)) = (self.read(length, read_input), amount(now)) else {
            return MALFORMED;
        };
        self.answer(number, |engine, writer| {
            engine.handle_input(input, now);
            writer.number(engine.poll_timeout().map_or(-1.0, |at| at as f64));
            writer.integer(engine.queued_message_count() as u64);
            while let Some(output) = engine.poll_output() {
                write_output(output, writer);
            }
        })
    }

    pub(crate) fn stats(&mut self, number: i32) -> i32 {
        self.answer(number, |engine, writer| write_stats(engine.stats(), writer))
    }

    /// Reads the whole of a record.
    fn read<T>(&self, length: u32, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Malformed> {
        let mut reader = Reader::new(self.input.get(..length as usize).ok_or(Malformed)?);
        let result = read(&mut reader);
        reader.end()?;
        Ok(result)
    }

    /// Gives a record of an engine's.
    fn answer(&mut self, number: i32, write: impl FnOnce(&mut Engine<(), ()>, &mut Writer<'_>)) -> i32 {
        let Some((_, engine)) = self.engines.iter_mut().find(|(known, _)| *known == number) else {
            return NO_SUCH_ENGINE;
        };
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
        self.output.clear();
        write(engine, &mut Writer(&mut self.output));
        // An instance of WebAssembly has less memory than would make this fail.
        i32::try_from(self.output.len()).unwrap_or(NO_ROOM)
    }
}
