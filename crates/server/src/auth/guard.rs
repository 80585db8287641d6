//! Slows down whoever tries credentials until one fits.

use std::future::Future;
use std::net::IpAddr;

use cossistant_protocol::{ErrorCode, Timestamp};

use super::{AuthError, Credential};
use crate::limits::{Buckets, Rate};

/// Counts the wrong credentials of each address.
///
/// Past the rate, keys that come from there are refused without a look, so that trying goes no faster than the rate;
/// tokens are still judged, since whoever has a good one must not suffer from a neighbour at the same address, and
/// what a signature must be cannot be found out by trying. A token whose time is over was good, and counts for nothing.
#[derive(Debug)]
pub struct Guard {
    wrong: Buckets<IpAddr>,
}

impl Guard {
    /// So many wrong ones of an address.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { wrong: Buckets::new(rate) }
    }

    /// The outcome of judging a credential from an address, as [`limit_key`](crate::http::limit_key) gives it.
    ///
    /// # Errors
    /// What was judged, or `rate_limited` when too many from there were wrong.
    pub(crate) async fn judge<T>(
        &self,
        credential: &str,
        address: IpAddr,
        now: Timestamp,
        judged: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<T, AuthError> {
        let limited = |wait| AuthError::rate_limited("too many wrong credentials from this address", wait);
        if !matches!(Credential::of(credential), Credential::Jwt) {
            self.wrong.look(&address, now.as_millis()).map_err(limited)?;
        }
        match judged.await {
            Err(error) if error.code == ErrorCode::Unauthorized => {
                self.wrong.take(address, now.as_millis()).map_err(limited)?;
                Err(error)
            }
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wrong_credentials_hold_up_keys_but_no_good_token() {
        let guard = Guard::new(Rate { per_second: 1.0, burst: 3.0 });
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let judge = async |text: &str, address, ms, outcome: Result<(), AuthError>| {
            guard.judge(text, address, Timestamp(ms), std::future::ready(outcome)).await.map_err(|error| error.code)
        };
        let wrong = || Err(AuthError::unauthorized("no"));
        for _ in 0..20 {
            assert_eq!(judge("e30", here, 0, Err(AuthError::token_expired())).await, Err(ErrorCode::TokenExpired));
            assert_eq!(judge("sk_good", here, 0, Ok(())).await, Ok(()));
        }
        for text in ["sk_a", "ak_b", "e30"] {
            assert_eq!(judge(text, here, 0, wrong()).await, Err(ErrorCode::Unauthorized));
        }
        assert_eq!(judge("e30", here, 0, wrong()).await, Err(ErrorCode::RateLimited));
        assert_eq!(judge("sk_good", here, 0, Ok(())).await, Err(ErrorCode::RateLimited), "not even looked at");
        assert_eq!(judge("e30", here, 0, Ok(())).await, Ok(()), "a good token is nobody's guess");
        assert_eq!(judge("sk_good", there, 0, Ok(())).await, Ok(()), "another address");
        assert_eq!(judge("sk_good", here, 1_000, Ok(())).await, Ok(()), "a second later");
    }
}
