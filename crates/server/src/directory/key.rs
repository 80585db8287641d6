//! Keys by which the signatures of tokens are verified.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::DecodingKey;

/// The shortest modulus of an RSA key, in bytes (2,048 bits).
const MIN_RSA_BYTES: usize = 256;
/// The longest modulus of an RSA key, in bytes (4,096 bits): a longer one makes every verification slow.
const MAX_RSA_BYTES: usize = 512;

/// The algorithms by which a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// HMAC with SHA-256, by a shared secret.
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// The name in the header of a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn code(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match text {
            "HS256" => Ok(Self::Hs256),
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(InvalidKey::Algorithm),
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The algorithm is not one that tokens may be signed by.
    #[error("the algorithm must be one of HS256, RS256, ES256, EdDSA")]
    Algorithm,
    /// The text holds no public key.
    #[error("must be the PEM of a public key: RSA, P-256 or Ed25519")]
    Pem,
    /// The key is of another kind than the algorithm needs.
    #[error("the key does not fit the algorithm")]
    Mismatch,
    /// The key is too short to be safe, or too long to be fast.
    #[error("an RSA key must have 2048 to 4096 bits")]
    RsaLength,
    /// A shared secret without a character.
    #[error("a secret must not be empty")]
    EmptySecret,
}

/// A key and the one algorithm that it is for; a token of another algorithm is never verified by it.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: SigningAlgorithm,
    key: DecodingKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// A shared secret, for HS256.
    ///
    /// # Errors
    /// [`InvalidKey::EmptySecret`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, InvalidKey> {
        if secret.is_empty() {
            return Err(InvalidKey::EmptySecret);
        }
        Ok(Self { algorithm: SigningAlgorithm::Hs256, key: DecodingKey::from_secret(secret) })
    }

    /// A public key as PEM; without `algorithm` the kind of key says which.
    ///
    /// # Errors
    /// [`InvalidKey`]: no public key (a private one neither), or one that does not fit the algorithm.
    pub fn from_pem(pem: &str, algorithm: Option<SigningAlgorithm>) -> Result<Self, InvalidKey> {
        if pem.contains("PRIVATE KEY") || !pem.contains("PUBLIC KEY") {
            return Err(InvalidKey::Pem);
        }
        let bytes = pem.as_bytes();
        // The readers of other kinds refuse the PEM, except that of RSA: it goes last.
        let (found, key) = if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
            (SigningAlgorithm::Es256, key)
        } else if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
            (SigningAlgorithm::EdDsa, key)
        } else if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
            (SigningAlgorithm::Rs256, key)
        } else {
            return Err(InvalidKey::Pem);
        };
        if algorithm.is_some_and(|algorithm| algorithm != found) {
            return Err(InvalidKey::Mismatch);
        }
        Self { algorithm: found, key }.checked()
    }

    /// The modulus and exponent of an RSA key, in base64url, as a JWK has them.
    pub(crate) fn from_rsa(n: &str, e: &str) -> Result<Self, InvalidKey> {
        let key = DecodingKey::from_rsa_components(n, e).map_err(|_| InvalidKey::Mismatch)?;
        Self { algorithm: SigningAlgorithm::Rs256, key }.checked()
    }

    /// The coordinates of a point on P-256, in base64url, as a JWK has them.
    pub(crate) fn from_p256(x: &str, y: &str) -> Result<Self, InvalidKey> {
        let key = DecodingKey::from_ec_components(x, y).map_err(|_| InvalidKey::Mismatch)?;
        Self { algorithm: SigningAlgorithm::Es256, key }.checked()
    }

    /// An Ed25519 key, in base64url, as a JWK has it.
    pub(crate) fn from_ed25519(x: &str) -> Result<Self, InvalidKey> {
        let key = DecodingKey::from_ed_components(x).map_err(|_| InvalidKey::Mismatch)?;
        Self { algorithm: SigningAlgorithm::EdDsa, key }.checked()
    }

    /// What it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Whether `signature` (base64url) is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.key, self.algorithm.code()).unwrap_or(false)
    }

    /// Refuses what would fail, or be unsafe, at the first token.
    fn checked(self) -> Result<Self, InvalidKey> {
        match self.algorithm {
            SigningAlgorithm::Hs256 => {}
            SigningAlgorithm::Rs256 => {
                let bytes = self.rsa_bytes().ok_or(InvalidKey::Pem)?;
                if !(MIN_RSA_BYTES..=MAX_RSA_BYTES).contains(&bytes) {
                    return Err(InvalidKey::RsaLength);
                }
            }
            // The verifier takes the first 32 bytes and would panic on fewer.
            SigningAlgorithm::EdDsa => {
                if self.key.try_get_as_bytes().map_or(0, <[u8]>::len) != 32 {
                    return Err(InvalidKey::Mismatch);
                }
            }
            SigningAlgorithm::Es256 => {
                if self.key.try_get_as_bytes().map_or(0, <[u8]>::len) != 65 {
                    return Err(InvalidKey::Mismatch);
                }
            }
        }
        // An empty signature is never valid, but a key that cannot be read is an error.
        jsonwebtoken::crypto::verify("", b"", &self.key, self.algorithm.code()).map_err(|_| InvalidKey::Mismatch)?;
        Ok(self)
    }

    /// How long the modulus is; `None` when the key cannot be read.
    fn rsa_bytes(&self) -> Option<usize> {
        use base64::Engine as _;
        let jwk = jsonwebtoken::jwk::Jwk::from_decoding_key(&self.key, None).ok()?;
        let jsonwebtoken::jwk::AlgorithmParameters::RSA(parameters) = jwk.algorithm else { return None };
        let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(parameters.n).ok()?;
        Some(modulus.iter().skip_while(|byte| **byte == 0).count())
    }
}
