//! How long to wait before the next attempt.

use crate::config::{Config, Millis};

/// Seeded randomness (`SplitMix64`); equal seeds and inputs give equal histories.
#[derive(Debug)]
pub(crate) struct Randomness(u64);

impl Randomness {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, but not including, 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The delay before attempt `n` (1 is the first), jittered.
pub(crate) fn delay(config: &Config, n: u32, randomness: &mut Randomness) -> Millis {
    let max = config.max_reconnect_delay as f64;
    let mut base = config.reconnect_delay as f64;
    if config.reconnect_delay_multiplier > 1.0 {
        let mut grown = 1;
        // At zero nothing grows, and past the maximum nothing changes any more.
        while grown < n && base < max && base > 0.0 {
            base *= config.reconnect_delay_multiplier;
            grown += 1;
        }
    }
    let base = if base < max { base } else { max };
    let jitter = config.reconnect_jitter.clamp(0.0, 1.0);
    (base * (1.0 - jitter) + base * jitter * randomness.share()) as Millis
}
