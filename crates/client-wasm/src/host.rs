//! The engine of an instance, and its record.

use cossistant_engine::Engine;

use crate::input::{read_config, read_input};
use crate::output::{write_idle, write_output};
use crate::record::{Reader, SLOTS, Writer, amount};
use crate::symbol::Symbol;

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) record: [f64; SLOTS],
    engine: Option<Engine<(), (), Symbol>>,
}

impl Host {
    pub(crate) const fn new() -> Self {
        Self { record: [0.0; SLOTS], engine: None }
    }

    pub(crate) fn create(&mut self) -> bool {
        let mut reader = Reader::new(&self.record);
        let seed = reader.number().to_bits();
        let config = read_config(&mut reader);
        let is_taken = self.engine.is_none() && reader.is_sound();
        if is_taken {
            self.engine = Some(Engine::new(config, seed));
        }
        is_taken
    }

    pub(crate) fn handle(&mut self, now: f64) -> bool {
        let mut reader = Reader::new(&self.record);
        let input = read_input(&mut reader);
        match (amount(now), &mut self.engine) {
            (Some(now), Some(engine)) if reader.is_sound() => {
                engine.handle_input(input, now);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn poll(&mut self) -> bool {
        let Some(engine) = &mut self.engine else {
            return false;
        };
        let mut writer = Writer::new(&mut self.record);
        match engine.poll_output() {
            Some(output) => write_output(output, &mut writer),
            None => write_idle(engine, &mut writer),
        }
        true
    }

    pub(crate) fn held(&mut self, first: u32) -> u32 {
        let mut writer = Writer::new(&mut self.record);
        writer.skip(first);
        if let Some(engine) = &self.engine {
            engine.visit_texts(&mut |symbol| writer.text(*symbol));
        }
        writer.written()
    }
}
