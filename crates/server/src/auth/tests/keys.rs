//! Which key verifies what.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

pub(super) const RS256_PUBLIC: &str = include_str!("../../../tests/keys/test-rs256-public.pem");
pub(super) const ES256_PUBLIC: &str = include_str!("../../../tests/keys/test-es256-public.pem");
pub(super) const EDDSA_PUBLIC: &str = include_str!("../../../tests/keys/test-eddsa-public.pem");
const RS256_PRIVATE: &str = include_str!("../../../tests/keys/test-rs256-private.pem");
const ES256_PRIVATE: &str = include_str!("../../../tests/keys/test-es256-private.pem");
const EDDSA_PRIVATE: &str = include_str!("../../../tests/keys/test-eddsa-private.pem");
const RSA1024_PUBLIC: &str = include_str!("../../../tests/keys/test-rsa1024-public.pem");
const P384_PUBLIC: &str = include_str!("../../../tests/keys/test-p384-public.pem");
const OTHER_ES256_PUBLIC: &str = include_str!("../../../tests/keys/test-other-es256-public.pem");
const JWKS: &str = include_str!("../../../tests/keys/test-jwks.json");

fn rs256(kid: Option<&str>, claims: &Value) -> String {
    sign(Algorithm::RS256, kid, claims, &EncodingKey::from_rsa_pem(RS256_PRIVATE.as_bytes()).unwrap())
}

fn es256(kid: Option<&str>, claims: &Value) -> String {
    sign(Algorithm::ES256, kid, claims, &EncodingKey::from_ec_pem(ES256_PRIVATE.as_bytes()).unwrap())
}

fn eddsa(kid: Option<&str>, claims: &Value) -> String {
    sign(Algorithm::EdDSA, kid, claims, &EncodingKey::from_ed_pem(EDDSA_PRIVATE.as_bytes()).unwrap())
}

fn with_public_key(text: &str, algorithm: Option<SigningAlgorithm>) -> Result<Authenticator, AuthSetupError> {
    Authenticator::new(AuthSettings { jwt_public_key: Some(text.into()), jwt_algorithm: algorithm, ..settings() })
}

/// A token of any header and payload, with any signature.
fn forge(header: &Value, payload: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(payload))
}

#[test]
fn organization_keys_of_every_kind_verify() {
    let claims = claims(json!({}));
    for (kid, token) in [
        ("k_hs", hs256(Some("k_hs"), &claims, ORGANIZATION_SECRET)),
        ("k_rs", rs256(Some("k_rs"), &claims)),
        ("k_es", es256(Some("k_es"), &claims)),
        ("k_ed", eddsa(Some("k_ed"), &claims)),
    ] {
        let visitor = authenticator().jwt(&token, &directory(), NOW).expect(kid);
        assert_eq!(visitor.credential, CredentialKind::Organization(KeyId::new(kid).unwrap()));
    }
}

#[test]
fn operator_keys_of_every_kind_verify_beside_the_secret() {
    let claims = claims(json!({}));
    for (pem, algorithm, token) in [
        (RS256_PUBLIC, SigningAlgorithm::Rs256, rs256(None, &claims)),
        (ES256_PUBLIC, SigningAlgorithm::Es256, es256(None, &claims)),
        (EDDSA_PUBLIC, SigningAlgorithm::EdDsa, eddsa(None, &claims)),
    ] {
        for algorithm in [None, Some(algorithm)] {
            let authenticator = with_public_key(pem, algorithm).unwrap();
            assert!(authenticator.jwt(&token, &directory(), NOW).is_ok());
            assert!(authenticator.jwt(&hs256(None, &claims, SECRET), &directory(), NOW).is_ok());
        }
    }
    // In one line, and as a path.
    let token = es256(None, &claims);
    let one_line = with_public_key(&ES256_PUBLIC.replace('\n', "\\n"), None).unwrap();
    assert!(one_line.jwt(&token, &directory(), NOW).is_ok());
    let path = std::env::temp_dir().join(new_secret("cossistant-pem-").unwrap().expose());
    std::fs::write(&path, ES256_PUBLIC).unwrap();
    let by_path = with_public_key(path.to_str().unwrap(), None).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(by_path.jwt(&token, &directory(), NOW).is_ok());
}

#[test]
fn a_key_that_cannot_be_used_is_refused_at_the_start() {
    let refused = |text: &str, algorithm| with_public_key(text, algorithm).err().map(|error| error.to_string());
    for (text, algorithm) in [
        ("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----", None),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", None),
        (&RS256_PUBLIC[..200], None),
        (RS256_PRIVATE, None),
        (ES256_PRIVATE, None),
        (EDDSA_PRIVATE, None),
        (RSA1024_PUBLIC, None),
        (P384_PUBLIC, None),
        (ES256_PUBLIC, Some(SigningAlgorithm::Rs256)),
        (RS256_PUBLIC, Some(SigningAlgorithm::EdDsa)),
        (EDDSA_PUBLIC, Some(SigningAlgorithm::Es256)),
        (RS256_PUBLIC, Some(SigningAlgorithm::Hs256)),
        ("/nonexistent/key.pem", None),
    ] {
        let message = refused(text, algorithm).expect("refused");
        assert!(message.starts_with("jwt_public_key: "), "{message}");
        assert!(!message.contains("BEGIN"), "{message}");
    }
    let empty = Authenticator::new(AuthSettings { jwt_secret: Some(Secret::new("")), ..settings() });
    assert!(matches!(empty, Err(AuthSetupError::Secret(_))));
    let empty = Authenticator::new(AuthSettings { own: own_secrets(""), ..settings() });
    assert!(matches!(empty, Err(AuthSetupError::SelfCheck)));
}

#[test]
fn no_token_is_without_signature() {
    let claims = claims(json!({}));
    let good = hs256(None, &claims, SECRET);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut tokens = vec![
        format!("{message}."),
        message.to_owned(),
        format!("{good}x"),
        format!("{good}."),
        format!("{message}.{}", &signature[..signature.len() - 4]),
        format!("{message}.{signature}="),
        format!(" {good}"),
        good.replace('.', ""),
        "..".into(),
        "a.b.c".into(),
        "x".repeat(10_000),
    ];
    for alg in ["none", "None", "NONE", "", "HS384", "HS512", "hs256", "RS256", "PS256"] {
        tokens.push(forge(&json!({"alg": alg, "typ": "JWT"}), &claims, ""));
        tokens.push(forge(&json!({ "alg": alg }), &claims, signature));
    }
    tokens.push(forge(&json!({"typ": "JWT"}), &claims, signature));
    tokens.push(forge(&json!(["HS256"]), &claims, signature));
    // Another payload under the same signature.
    tokens.push(forge(&json!({"typ": "JWT", "alg": "HS256"}), &self::claims(json!({"sub": "v2"})), signature));
    for token in tokens {
        assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized, "{token}");
    }
    let other = hs256(None, &claims, "another-secret-another-secret-an");
    assert_eq!(code(authenticator().jwt(&other, &directory(), NOW)), ErrorCode::Unauthorized);
    let none = Authenticator::new(AuthSettings { jwt_secret: None, ..settings() }).unwrap();
    assert_eq!(code(none.jwt(&good, &directory(), NOW)), ErrorCode::Unauthorized);
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let claims = claims(json!({}));
    for (kid, pem) in [("k_rs", RS256_PUBLIC), ("k_es", ES256_PUBLIC), ("k_ed", EDDSA_PUBLIC)] {
        for secret in [pem, pem.trim()] {
            let token = hs256(Some(kid), &claims, secret);
            assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized, "{kid}");
            let operator = with_public_key(pem, None).unwrap();
            let token = hs256(None, &claims, secret);
            assert_eq!(code(operator.jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized, "{kid}");
        }
    }
    // A key of one kind, the algorithm of another.
    for token in [rs256(Some("k_hs"), &claims), es256(Some("k_rs"), &claims), eddsa(Some("k_es"), &claims)] {
        assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized);
    }
}

#[test]
fn longer_hashes_of_the_same_secret_are_refused() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = sign(algorithm, None, &claims(json!({})), &EncodingKey::from_secret(SECRET.as_bytes()));
        assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized);
    }
}

#[test]
fn a_kid_names_the_one_key() {
    let claims = claims(json!({}));
    for token in [
        // Unknown: not tried with the operator's key, whose signature it is.
        hs256(Some("k_none"), &claims, SECRET),
        hs256(Some(""), &claims, SECRET),
        hs256(Some("../k_hs"), &claims, ORGANIZATION_SECRET),
        // Known: not tried with another.
        hs256(Some("k_hs"), &claims, SECRET),
        hs256(None, &claims, ORGANIZATION_SECRET),
        // A key that signs no tokens.
        hs256(Some("k_sk"), &claims, "sk_one"),
        hs256(Some("k_pk"), &claims, "pk_one"),
        // Another organization's key, for this organization, and the other way.
        hs256(Some("k_other"), &claims, ORGANIZATION_SECRET),
        hs256(Some("k_hs"), &self::claims(json!({"org": "o2"})), ORGANIZATION_SECRET),
    ] {
        assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized);
    }
    let other = hs256(Some("k_other"), &self::claims(json!({"org": "o2"})), ORGANIZATION_SECRET);
    assert!(authenticator().jwt(&other, &directory(), NOW).is_ok());
}

#[test]
fn critical_extensions_are_not_ignored() {
    let header = |crit: bool| {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = crit.then(|| vec!["b64".to_owned()]);
        jsonwebtoken::encode(&header, &claims(json!({})), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    assert!(authenticator().jwt(&header(false), &directory(), NOW).is_ok());
    assert_eq!(code(authenticator().jwt(&header(true), &directory(), NOW)), ErrorCode::Unauthorized);
}

// ---- JWKS ----

fn with_jwks(source: &str) -> Authenticator {
    Authenticator::new(AuthSettings { jwks: Some(JwksSource::parse(source)), ..settings() }).unwrap()
}

fn jwks_file(text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(new_secret("cossistant-jwks-").unwrap().expose());
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_key_set_is_read_from_a_file() {
    let path = jwks_file(JWKS);
    let claims = claims(json!({}));
    for source in [path.display().to_string(), format!("file://{}", path.display())] {
        let authenticator = with_jwks(&source);
        assert!(authenticator.jwt(&es256(None, &claims), &directory(), NOW).is_err(), "nothing is read yet");
        assert_eq!(authenticator.reload_keys().await, Ok(3));
        for token in [
            rs256(Some("test-rsa"), &claims),
            es256(Some("test-ec"), &claims),
            eddsa(Some("test-ed"), &claims),
            rs256(None, &claims),
            es256(None, &claims),
            eddsa(None, &claims),
            hs256(None, &claims, SECRET),
        ] {
            let visitor = authenticator.jwt(&token, &directory(), NOW).unwrap();
            assert_eq!(visitor.credential, CredentialKind::Operator);
        }
        for token in [rs256(Some("test-ec"), &claims), hs256(Some("test-ec"), &claims, ES256_PUBLIC)] {
            assert!(authenticator.jwt(&token, &directory(), NOW).is_err());
        }
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_bad_key_set_leaves_the_old_keys() {
    let path = jwks_file(JWKS);
    let authenticator = with_jwks(path.to_str().unwrap());
    assert_eq!(authenticator.reload_keys().await, Ok(3));
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
        std::fs::write(&path, bad).unwrap();
        assert!(authenticator.reload_keys().await.is_err(), "{bad}");
    }
    std::fs::write(&path, " ".repeat(300 * 1024)).unwrap();
    assert!(matches!(authenticator.reload_keys().await, Err(JwksError::Unreadable(_))));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(authenticator.reload_keys().await, Err(JwksError::Unreadable(_))));
    assert!(authenticator.jwt(&es256(None, &claims(json!({}))), &directory(), NOW).is_ok());
}

#[tokio::test]
async fn keys_that_are_not_public_signature_keys_are_not_used() {
    let mut set: Value = serde_json::from_str(JWKS).unwrap();
    let (rsa, ec, ed) = (set["keys"][0].clone(), set["keys"][1].clone(), set["keys"][2].clone());
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    set["keys"] = json!([
        {"kty": "oct", "kid": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
        with(&rsa, "use", json!("enc")),
        with(&rsa, "alg", json!("PS256")),
        with(&rsa, "n", json!("AQAB")),
        with(&ec, "crv", json!("P-384")),
        with(&ec, "x", json!("AAAA")),
        with(&ec, "y", ec["x"].clone()),
        with(&ec, "alg", json!("ES384")),
        with(&ed, "x", json!("AAAA")),
        with(&ed, "x", json!("!")),
        with(&ed, "crv", json!("X25519")),
        {"kty": "RSA"},
        "nonsense",
        with(&ed, "alg", json!("Ed25519")),
    ]);
    let path = jwks_file(&set.to_string());
    let authenticator = with_jwks(path.to_str().unwrap());
    assert_eq!(authenticator.reload_keys().await, Ok(1));
    let claims = claims(json!({}));
    assert!(authenticator.jwt(&eddsa(Some("test-ed"), &claims), &directory(), NOW).is_ok());
    assert!(authenticator.jwt(&hs256(Some("oct"), &claims, SECRET), &directory(), NOW).is_err());
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_token_without_kid_is_not_tried_with_many_keys() {
    let mut set: Value = serde_json::from_str(JWKS).unwrap();
    let mut second = set["keys"][1].clone();
    second["kid"] = json!("test-ec-2");
    set["keys"].as_array_mut().unwrap().push(second);
    let path = jwks_file(&set.to_string());
    let authenticator = with_jwks(path.to_str().unwrap());
    assert_eq!(authenticator.reload_keys().await, Ok(4));
    let claims = claims(json!({}));
    assert!(authenticator.jwt(&es256(None, &claims), &directory(), NOW).is_err());
    assert!(authenticator.jwt(&es256(Some("test-ec-2"), &claims), &directory(), NOW).is_ok());
    std::fs::remove_file(path).unwrap();
}

/// Serves a key set on loopback, and counts how often it is asked for.
async fn serve(body: &'static str) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

#[tokio::test]
async fn an_unknown_kid_has_the_set_fetched_once_a_minute() {
    let (url, asked) = serve(JWKS).await;
    let (authenticator, directory) = (with_jwks(&url), directory());
    let asked = || asked.load(std::sync::atomic::Ordering::SeqCst);
    let claims = claims(json!({"exp": NOW_SECONDS + 3600}));
    let good = es256(Some("test-ec"), &claims);
    let unknown = es256(Some("test-none"), &claims);

    // What needs no key that is not known fetches nothing.
    assert!(authenticator.authenticate_socket(&hs256(None, &claims, SECRET), None, &directory, NOW).await.is_ok());
    assert!(authenticator.authenticate_socket("nonsense", None, &directory, NOW).await.is_err());
    assert_eq!(asked(), 0);

    // Many at once wait for the same reading.
    let attempts = (0..8).map(|_| authenticator.authenticate_socket(&good, None, &directory, NOW));
    for result in join_all(attempts).await {
        assert!(result.is_ok());
    }
    assert_eq!(asked(), 1);

    for later in [1, 59_999] {
        let now = NOW.plus_millis(later);
        let error = authenticator.authenticate_socket(&unknown, None, &directory, now).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthorized);
    }
    assert_eq!(asked(), 1);
    let now = NOW.plus_millis(60_000);
    assert!(authenticator.authenticate_bearer(&unknown, None, &directory, now).await.is_err());
    assert_eq!(asked(), 2);
    assert!(matches!(
        authenticator.authenticate_bearer(&good, None, &directory, now).await,
        Ok(HttpPrincipal::Person(_))
    ));
    assert!(authenticator.authenticate_identity(&good, &site("o1", "w1"), &directory, now).await.is_ok());
    assert_eq!(asked(), 2);
    assert_eq!(authenticator.reload_keys().await, Ok(3));
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_lets_nobody_in_and_stops_nobody() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    let (authenticator, directory) = (with_jwks(&url), directory());
    assert!(authenticator.reload_keys().await.is_err());
    let claims = claims(json!({}));
    let token = es256(Some("test-ec"), &claims);
    assert!(authenticator.authenticate_socket(&token, None, &directory, NOW).await.is_err());
    assert!(authenticator.authenticate_socket(&hs256(None, &claims, SECRET), None, &directory, NOW).await.is_ok());
}

/// Polls all futures together.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        if results.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[test]
fn a_wrong_signature_is_wrong_for_every_kind_of_key() {
    let claims = claims(json!({}));
    let other = with_public_key(OTHER_ES256_PUBLIC, None).unwrap();
    assert_eq!(code(other.jwt(&es256(None, &claims), &directory(), NOW)), ErrorCode::Unauthorized);
    for token in [rs256(Some("k_rs"), &claims), es256(Some("k_es"), &claims), eddsa(Some("k_ed"), &claims)] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[10] ^= 1;
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(code(authenticator().jwt(&token, &directory(), NOW)), ErrorCode::Unauthorized);
    }
}
