//! When a delivery that was not taken is tried again.

use std::time::Duration;

use cossistant_protocol::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long after the first attempt the others follow, in seconds; a day in all.
const RETRIES: [u64; 9] = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// The most that is added to a pause, as a part of it: what failed together is not to come again together.
const JITTER_PERCENT: u64 = 10;

/// When the next attempt follows on one that ended now, as the `attempts`th; `None` if that was the last one.
///
/// Each pause is counted from the attempt before, so that a server that was away does not make up for all that it
/// missed at once. `random` decides how much is added to it.
pub(super) fn next_attempt(attempts: u32, now: Timestamp, random: u64) -> Option<Timestamp> {
    let at = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let before = at.checked_sub(1).map_or(0, |before| RETRIES[before.min(RETRIES.len() - 1)]);
    let pause = Duration::from_secs(RETRIES.get(at)? - before);
    let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let jitter = random % (pause * JITTER_PERCENT / 100 + 1);
    Some(now.plus_millis(pause + jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delivery that nobody takes, on a clock of the test's.
    fn attempts(random: u64) -> Vec<u64> {
        let begin = Timestamp(1_700_000_000_000);
        let (mut now, mut count, mut at) = (begin, 0, Vec::new());
        loop {
            count += 1;
            at.push((now.as_millis() - begin.as_millis()) / 1000);
            match next_attempt(count, now, random) {
                Some(next) => now = next,
                None => return at,
            }
        }
    }

    #[test]
    fn a_day_of_attempts() {
        assert_eq!(attempts(0), [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    }

    #[test]
    fn jitter_only_adds_and_at_most_a_tenth() {
        for random in [1, 499, 7_777_777, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            let jittered = attempts(random);
            for (jittered, plain) in jittered.iter().zip(attempts(0)) {
                assert!((plain..=plain + plain / 10 + 1).contains(jittered), "{random}: {jittered} for {plain}");
            }
        }
        let spread: std::collections::BTreeSet<_> = (0..100).map(|n| next_attempt(1, Timestamp(0), n * 7)).collect();
        assert!(spread.len() > 50, "what fails together comes again spread");
    }

    #[test]
    fn there_is_no_attempt_behind_the_last() {
        assert_eq!(next_attempt(10, Timestamp(0), 0), None);
        assert_eq!(next_attempt(u32::MAX, Timestamp(0), 0), None);
        assert_eq!(next_attempt(0, Timestamp(0), 0), None, "what was never tried has no next attempt");
    }
}
