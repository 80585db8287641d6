//! Token buckets.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;

use cossistant_protocol::{OrganizationId, PersonId, WebsiteId};

use crate::store::{PersonKey, SiteKey};

/// A rate: so many a second on average, so many at once. A rate of 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_second: f64,
    /// Tokens of a full bucket.
    pub burst: f64,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self { per_second: 0.0, burst: 0.0 };

    /// Whether anything is limited.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.per_second > 0.0
    }
}

/// One bucket; the time comes from the caller, in ms.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    tokens: f32,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a burst is a small number")]
    pub fn full(rate: &Rate, now_ms: u64) -> Self {
        Self { tokens: rate.burst as f32, at_ms: now_ms }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// After how many ms there is one, if there is none now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "buckets are small and times are differences"
    )]
    pub fn take(&mut self, rate: &Rate, now_ms: u64) -> Result<(), u64> {
        if !rate.is_on() {
            return Ok(());
        }
        let passed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        // A clock that was put back brings no tokens, but must not stop them until it is where it was.
        self.at_ms = now_ms;
        self.tokens = ((f64::from(self.tokens) + passed * rate.per_second).min(rate.burst)) as f32;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - f64::from(self.tokens)) / rate.per_second * 1000.0).ceil() as u64)
    }

    /// Whether it is full again, so that it need not be kept.
    #[expect(clippy::cast_precision_loss, reason = "times are differences")]
    fn is_full(&self, rate: &Rate, now_ms: u64) -> bool {
        let passed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        f64::from(self.tokens) + passed * rate.per_second >= rate.burst
    }
}

/// Buckets by key; those that are full again are forgotten, so the map holds only who was busy lately.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    // Guards the buckets alone; held for one look-up.
    buckets: Mutex<(HashMap<K, Bucket>, usize)>,
}

/// How many buckets there are before the full ones are looked for.
const SWEEP_AT: usize = 1024;

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets of one rate.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new((HashMap::new(), SWEEP_AT)) }
    }

    /// Whether anything is limited.
    pub fn is_on(&self) -> bool {
        self.rate.is_on()
    }

    /// Takes one token of a key.
    ///
    /// # Errors
    /// After how many ms there is one, if there is none now.
    pub fn take(&self, key: K, now_ms: u64) -> Result<(), u64> {
        if !self.rate.is_on() {
            return Ok(());
        }
        let mut guard = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (buckets, sweep_at) = &mut *guard;
        if buckets.len() >= *sweep_at {
            buckets.retain(|_, bucket| !bucket.is_full(&self.rate, now_ms));
            *sweep_at = (buckets.len() * 2).max(SWEEP_AT);
        }
        buckets.entry(key).or_insert_with(|| Bucket::full(&self.rate, now_ms)).take(&self.rate, now_ms)
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Whether a key has a token, without taking it.
    ///
    /// # Errors
    /// After how many ms there is one, if there is none now.
    pub fn look(&self, key: &K, now_ms: u64) -> Result<(), u64> {
        let guard = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.0.get(key).map_or(Ok(()), |bucket| bucket.clone().take(&self.rate, now_ms))
    }
}

/// New visitors, by where they come from and by where they come to.
#[derive(Debug)]
pub struct NewVisitors {
    /// By address, as [`limit_key`](crate::http::limit_key) gives it.
    pub of_address: Buckets<IpAddr>,
    /// By website.
    pub of_website: Buckets<SiteKey>,
}

impl NewVisitors {
    /// Takes a token of both.
    ///
    /// # Errors
    /// After how many ms it may be tried again, if one of them has none now.
    pub fn take(&self, address: IpAddr, site: &SiteKey, now_ms: u64) -> Result<(), u64> {
        self.of_address.take(address, now_ms)?;
        self.of_website.take(site.clone(), now_ms)
    }
}

/// Who sends: over all connections and HTTP together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SenderKey {
    /// Of which organization.
    pub organization: OrganizationId,
    /// Of a visitor: on which website.
    pub website: Option<WebsiteId>,
    /// Who.
    pub person: PersonKey,
}

/// The limits of what people do.
#[derive(Debug)]
pub struct Limiter {
    /// Messages of a visitor.
    pub visitor_messages: Buckets<SenderKey>,
    /// Messages of a user or AI agent.
    pub team_messages: Buckets<SenderKey>,
    /// New conversations of a visitor.
    pub new_conversations: Buckets<(WebsiteId, PersonId)>,
    /// Messages of all visitors of a website.
    pub website_messages: Buckets<SiteKey>,
}

impl Limiter {
    /// No limits at all.
    #[must_use]
    pub fn off() -> Self {
        Self {
            visitor_messages: Buckets::new(Rate::OFF),
            team_messages: Buckets::new(Rate::OFF),
            new_conversations: Buckets::new(Rate::OFF),
            website_messages: Buckets::new(Rate::OFF),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { per_second: 10.0, burst: 3.0 };
        let mut bucket = Bucket::full(&rate, 0);
        for _ in 0..3 {
            assert_eq!(bucket.take(&rate, 0), Ok(()));
        }
        assert_eq!(bucket.take(&rate, 0), Err(100));
        assert_eq!(bucket.take(&rate, 100), Ok(()));
        assert!(bucket.take(&rate, 100).is_err());
    }

    #[test]
    fn a_clock_that_is_put_back_brings_no_tokens_and_stops_none() {
        let rate = Rate { per_second: 10.0, burst: 1.0 };
        let mut bucket = Bucket::full(&rate, 3_600_000);
        assert_eq!(bucket.take(&rate, 3_600_000), Ok(()));
        assert_eq!(bucket.take(&rate, 0), Err(100));
        assert_eq!(bucket.take(&rate, 100), Ok(()));
    }

    #[test]
    fn looking_takes_nothing() {
        let buckets = Buckets::new(Rate { per_second: 1.0, burst: 2.0 });
        for _ in 0..5 {
            assert_eq!(buckets.look(&1, 0), Ok(()));
        }
        assert_eq!((buckets.take(1, 0), buckets.take(1, 0)), (Ok(()), Ok(())));
        assert_eq!(buckets.look(&1, 0), Err(1_000));
        assert_eq!((buckets.look(&1, 1_000), buckets.look(&2, 0)), (Ok(()), Ok(())));
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let buckets = Buckets::new(Rate { per_second: 1.0, burst: 1.0 });
        for key in 0..5_000_u64 {
            assert!(buckets.take(key, key * 10).is_ok());
        }
        assert!(buckets.buckets.lock().unwrap().0.len() < 2_100);
    }
}
