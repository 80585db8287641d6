//! Credentials: whatever a client shows, only what was signed by the right key lets somebody in, as the one whom it
//! names, and until it ends.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cossistant_protocol::{KeyId, OrganizationId, Timestamp, TypingPreview, WebsiteId};
use cossistant_server::auth::{
    AuthSettings, Authenticator, CredentialKind, HttpPrincipal, OwnSecrets, Principal, Secret,
};
use cossistant_server::directory::Directory;
use cossistant_server::store::{
    DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, SiteKey, WebsiteRow, WebsiteSettings,
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::Value;

use crate::Target;

/// An input is a text to be shown, or, behind a digit, header and payload on two lines that are signed by the secret of
/// that number.
pub(crate) const TARGET: Target = Target {
    name: "tokens",
    run,
    seeds,
    words: &[
        "\"alg\":\"HS256\"",
        "\"alg\":\"none\"",
        "\"alg\":\"ES256\"",
        "\"kid\":\"",
        "k_hs",
        "k_es",
        "k_other",
        "cossistant.own",
        "\"crit\":",
        "\"typ\":\"JWT\"",
        "\"sub\":",
        "\"type\":\"",
        "visitor",
        "user",
        "ai_agent",
        "\"org\":\"",
        "\"websites\":[",
        "\"*\"",
        "\"exp\":",
        "\"nbf\":",
        "\"iat\":",
        "\"iatMs\":",
        "\"role\":\"admin\"",
        "\"name\":\"",
        "\"email\":\"",
        "\"avatarUrl\":\"https://",
        "1700000060",
        "1e999",
        "\\u202e",
    ],
    max_bytes: 2_048,
    change: None,
};

const NOW: Timestamp = Timestamp(1_700_000_000_500);
const OPERATOR: &str = "operator-secret-operator-secret-";
const ORGANIZATION: &str = "organization-secret-organization";
const STRANGER: &str = "stranger-secret-stranger-secret-";
const ES256_PRIVATE: &str = include_str!("../../../crates/server/tests/keys/test-es256-private.pem");
const ES256_PUBLIC: &str = include_str!("../../../crates/server/tests/keys/test-es256-public.pem");
const EDDSA_PRIVATE: &str = include_str!("../../../crates/server/tests/keys/test-eddsa-private.pem");
const EDDSA_PUBLIC: &str = include_str!("../../../crates/server/tests/keys/test-eddsa-public.pem");
const RS256_PRIVATE: &str = include_str!("../../../crates/server/tests/keys/test-rs256-private.pem");
const RS256_PUBLIC: &str = include_str!("../../../crates/server/tests/keys/test-rs256-public.pem");

struct World {
    authenticator: Authenticator,
    directory: Directory,
    /// What stands before the signature in every token that a key of ours has signed.
    signed: HashSet<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    authenticator: Authenticator::new(AuthSettings {
        jwt_secret: Some(Secret::new(OPERATOR)),
        jwt_secret_previous: None,
        jwt_public_key: Some(ES256_PUBLIC.into()),
        jwt_algorithm: None,
        jwks: None,
        own: OwnSecrets {
            admin_key: Secret::new("ak_one").into(),
            own: Secret::new("own-secret-own-secret-own-secret").into(),
        },
        visitor_token_life: Duration::from_secs(1_000),
    })
    .expect("the settings are good"),
    directory: directory(),
    signed: tokens().iter().filter_map(|token| token.rsplit_once('.')).map(|(message, _)| message.to_owned()).collect(),
});

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let world = &*WORLD;
    let secrets = [OPERATOR, ORGANIZATION, STRANGER];
    let signing = text.split_at_checked(1).and_then(|(digit, rest)| {
        let at: usize = digit.parse().ok()?;
        Some((*secrets.get(at)?, rest.split_once('\n')?))
    });
    let Some((secret, (header, payload))) = signing else {
        if let Some(principal) = shown(world, text) {
            let message = text.rsplit_once('.').map(|(message, _)| message);
            let is_signed = message.is_some_and(|message| world.signed.contains(message));
            assert!(is_signed || text == "sk_one", "{principal:?} was let in by nothing");
        }
        return;
    };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = sign(message.as_bytes(), &key, Algorithm::HS256).expect("a secret signs");
    let Some(principal) = shown(world, &format!("{message}.{signature}")) else { return };
    check(&principal, secret, header, payload);
    // A bit of the signature, and a character of what is signed.
    let (first, others) = signature.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    assert!(shown(world, &format!("{message}.{other}{others}")).is_none(), "a changed signature is one");
    assert!(shown(world, &format!("{message}A.{signature}")).is_none(), "what was not signed is taken");
    assert!(shown(world, &format!("{message}.")).is_none(), "no signature is taken");
}

/// Who is let in, by each of the ways in.
fn shown(world: &World, text: &str) -> Option<Principal> {
    let World { authenticator, directory, .. } = world;
    let by_socket = now(authenticator.authenticate_socket(text, Some("agent-1"), directory, NOW)).ok();
    let by_http = now(authenticator.authenticate_bearer(text, Some("agent-1"), directory, NOW)).ok();
    let site = SiteKey { organization: id("o1"), website: website("w1") };
    let identity = now(authenticator.authenticate_identity(text, &site, directory, NOW)).ok();
    match (&by_socket, by_http) {
        (None, None) => assert!(identity.is_none(), "an identity is a token that lets in"),
        (None, Some(HttpPrincipal::Admin)) => assert_eq!(text, "ak_one", "a guess is the admin key"),
        (Some(_), Some(HttpPrincipal::Secret { .. })) => assert_eq!(text, "sk_one", "a guess is the secret key"),
        (Some(one), Some(HttpPrincipal::Person(other))) => {
            assert_eq!((&one.organization, &one.id, &one.kind), (&other.organization, &other.id, &other.kind));
        }
        (one, other) => panic!("a socket takes {one:?}, HTTP takes {other:?}"),
    }
    by_socket
}

/// Whether a token may let in the one whom it did, by a second reading of it.
fn check(principal: &Principal, secret: &str, header: &str, payload: &str) {
    assert_ne!(secret, STRANGER, "a stranger's signature lets in");
    let read = |text: &str| serde_json::from_str::<Value>(text);
    // A claim that nobody reads may be a number that no double holds, which this reading refuses.
    let (Ok(header), Ok(payload)) = (read(header), read(payload)) else { return };
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none_or(Value::is_null), "an extension that is not known is critical");
    match &principal.credential {
        CredentialKind::Operator => assert!(secret == OPERATOR && header["kid"].is_null()),
        CredentialKind::Organization(kid) => {
            assert!(secret == ORGANIZATION && header["kid"] == kid.as_str());
            let of = if kid.as_str() == "k_hs" { "o1" } else { "o2" };
            assert_eq!(principal.organization.as_str(), of, "a key lets in to another organization");
        }
        CredentialKind::Own | CredentialKind::SecretKey(_) => panic!("{principal:?} was not signed by such a key"),
    }
    assert_eq!(payload["sub"], principal.id.as_str());
    assert_eq!(payload["org"], principal.organization.as_str());
    assert_eq!(payload["type"], principal.kind.to_string());
    assert!(payload["exp"].as_f64().is_some_and(|seconds| seconds * 1000.0 > 1_700_000_000_500.0), "it has ended");
    assert!(principal.expires_at.is_some_and(|at| at > NOW));
    if principal.is_admin {
        assert!(payload["role"] == "admin" && payload["type"] == "user");
    }
    if let Some(name) = &principal.name {
        assert!(!name.is_empty() && name.chars().count() <= 256 && !name.contains(char::is_control));
    }
    if let Some(url) = &principal.avatar_url {
        let url = url.to_ascii_lowercase();
        assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
    }
}

/// The answer of a future that never waits: there is no key set to be fetched.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn id(text: &str) -> OrganizationId {
    OrganizationId::new(text).expect("an id")
}

fn website(text: &str) -> WebsiteId {
    WebsiteId::new(text).expect("an id")
}

fn directory() -> Directory {
    let settings = WebsiteSettings {
        name: "a website".into(),
        accent: None,
        questions: Vec::new(),
        allowed_domains: vec!["shop.example".into()],
        typing_preview: TypingPreview::Text,
        unseen_after: 60,
    };
    let key = |name: &str, of: &str, material| KeyRow {
        id: KeyId::new(name).expect("an id"),
        organization: id(of),
        material,
        created_at: Timestamp(1_000),
    };
    let public = |algorithm: &str, pem: &str| KeyMaterial::JwtPublic { pem: pem.into(), algorithm: algorithm.into() };
    let shared = || KeyMaterial::JwtHs256 { secret: ORGANIZATION.into() };
    let sites = [("o1", "w1"), ("o1", "w2"), ("o2", "w1")];
    // The SHA-256 of `sk_one`.
    let sha256 = sha256(b"sk_one");
    let rows = DirectoryRows {
        organizations: ["o1", "o2"]
            .map(|of| OrganizationRow { id: id(of), name: of.into(), created_at: Timestamp(1) })
            .into(),
        websites: sites
            .map(|(of, name)| WebsiteRow {
                key: SiteKey { organization: id(of), website: website(name) },
                settings: settings.clone(),
                created_at: Timestamp(1),
            })
            .into(),
        keys: vec![
            key("k_hs", "o1", shared()),
            key("k_other", "o2", shared()),
            key("k_rs", "o1", public("RS256", RS256_PUBLIC)),
            key("k_es", "o1", public("ES256", ES256_PUBLIC)),
            key("k_ed", "o1", public("EdDSA", EDDSA_PUBLIC)),
            key("k_sk", "o1", KeyMaterial::Secret { sha256 }),
            key("k_pk", "o1", KeyMaterial::Public { key: "pk_one".into(), website: website("w1") }),
        ],
        revocations: Vec::new(),
    };
    Directory::new(rows, 1)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

const VISITOR: &str = r#"{"sub":"v1","type":"visitor","org":"o1","websites":["w1"],"exp":1700000060}"#;
const USER: &str = r#"{"sub":"u1","type":"user","org":"o1","websites":["*"],"exp":1700000060.5,"nbf":1699999999,"iat":1700000000,"role":"admin","name":" Ann\u202e","email":"a@x.y","avatarUrl":"https://x.y/a.png"}"#;
const AGENT: &str = r#"{"sub":"a1","type":"ai_agent","org":"o2","websites":["w1","w9"],"exp":1700000060,"iatMs":5}"#;

/// Tokens signed by keys of every kind.
fn tokens() -> Vec<String> {
    let token = |header: &str, payload: &str, key: &EncodingKey, algorithm| {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = sign(message.as_bytes(), key, algorithm).expect("a key signs");
        format!("{message}.{signature}")
    };
    let secret = |text: &str| EncodingKey::from_secret(text.as_bytes());
    let es256 = EncodingKey::from_ec_pem(ES256_PRIVATE.as_bytes()).expect("a key");
    let eddsa = EncodingKey::from_ed_pem(EDDSA_PRIVATE.as_bytes()).expect("a key");
    let rs256 = EncodingKey::from_rsa_pem(RS256_PRIVATE.as_bytes()).expect("a key");
    vec![
        token(r#"{"alg":"HS256","typ":"JWT"}"#, VISITOR, &secret(OPERATOR), Algorithm::HS256),
        token(r#"{"alg":"HS256","kid":"k_hs"}"#, USER, &secret(ORGANIZATION), Algorithm::HS256),
        token(r#"{"alg":"ES256"}"#, AGENT, &es256, Algorithm::ES256),
        token(r#"{"alg":"ES256","kid":"k_es"}"#, VISITOR, &es256, Algorithm::ES256),
        token(r#"{"alg":"EdDSA","kid":"k_ed"}"#, VISITOR, &eddsa, Algorithm::EdDSA),
        token(r#"{"alg":"RS256","kid":"k_rs"}"#, VISITOR, &rs256, Algorithm::RS256),
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<String> = tokens();
    // The public key as a shared secret, the classic confusion.
    let confused = EncodingKey::from_secret(ES256_PUBLIC.as_bytes());
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k_es"}"#), URL_SAFE_NO_PAD.encode(VISITOR));
    let signature = sign(message.as_bytes(), &confused, Algorithm::HS256).expect("a secret signs");
    seeds.push(format!("{message}.{signature}"));
    seeds.push(format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(VISITOR)));
    for (secret, header, payload) in [
        (0, r#"{"alg":"HS256"}"#, VISITOR),
        (0, r#"{"alg":"HS256","kid":null}"#, USER),
        (0, r#"{"alg":"HS256","kid":"k_hs"}"#, VISITOR),
        (0, r#"{"alg":"HS256","kid":"cossistant.own"}"#, VISITOR),
        (0, r#"{"alg":"HS256","crit":["exp"]}"#, VISITOR),
        (0, r#"{"alg":"none"}"#, VISITOR),
        (1, r#"{"alg":"HS256","kid":"k_hs"}"#, USER),
        (1, r#"{"alg":"HS256","kid":"k_other"}"#, AGENT),
        (1, r#"{"alg":"HS256","kid":"k_other"}"#, VISITOR),
        (1, r#"{"alg":"ES256","kid":"k_es"}"#, VISITOR),
        (2, r#"{"alg":"HS256"}"#, VISITOR),
    ] {
        seeds.push(format!("{secret}{header}\n{payload}"));
    }
    seeds.extend(["sk_one", "sk_two", "ak_one", "ak_", "pk_one", "", ".", "..", "a.b.c"].map(str::to_owned));
    seeds.into_iter().map(String::into_bytes).collect()
}
