//! Signatures of Standard Webhooks: HMAC-SHA256 of id, time and body, in that order with dots between them.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cossistant_protocol::DeliveryId;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::store::SigningSecret;

/// What a secret begins with where people see it.
const PREFIX: &str = "whsec_";
/// The length of a new secret; the standard allows 24 to 64 bytes.
const SECRET_BYTES: usize = 32;

/// Makes a secret that nobody can guess.
pub(crate) fn new_secret() -> io::Result<SigningSecret> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(SigningSecret::new(bytes))
}

/// A secret as it is shown, once.
pub(crate) fn secret_text(secret: &SigningSecret) -> String {
    format!("{PREFIX}{}", STANDARD.encode(secret.expose()))
}

/// The `webhook-signature` of a request.
pub(super) fn signature(secret: &SigningSecret, id: &DeliveryId, seconds: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own documentation.
    #[test]
    fn the_example_of_the_standard() {
        let secret = SigningSecret::new(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let id = DeliveryId::new("msg_p5jXN8AQM9LWM0D4loKWxJek").unwrap();
        let signed = signature(&secret, &id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret_text(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn secrets_are_new_each_time_and_hide_themselves() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), SECRET_BYTES);
        assert!(!format!("{one:?}").contains(&STANDARD.encode(one.expose())));
    }
}
