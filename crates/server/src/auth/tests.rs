//! What is let in, and, at greater length, what is not.

mod keys;
mod own;

use cossistant_protocol::{TypingPreview, WebsiteId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::{
    DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, PersonKey, RevocationRow, WebsiteRow, WebsiteSettings,
    Websites,
};

const NOW: Timestamp = Timestamp(1_700_000_000_500);
const NOW_SECONDS: u64 = 1_700_000_000;
const SECRET: &str = "operator-secret-operator-secret-";
const ORGANIZATION_SECRET: &str = "organization-secret-organization";

fn site(organization: &str, website: &str) -> SiteKey {
    SiteKey { organization: OrganizationId::new(organization).unwrap(), website: WebsiteId::new(website).unwrap() }
}

fn person(id: &str) -> PersonId {
    PersonId::new(id).unwrap()
}

fn rows() -> DirectoryRows {
    let organization =
        |id: &str| OrganizationRow { id: OrganizationId::new(id).unwrap(), name: id.into(), created_at: Timestamp(1) };
    let website = |organization: &str, id: &str| WebsiteRow {
        key: site(organization, id),
        settings: WebsiteSettings {
            name: id.into(),
            accent: None,
            questions: Vec::new(),
            allowed_domains: vec!["shop.example".into()],
            typing_preview: TypingPreview::Text,
            unseen_after: 60,
        },
        created_at: Timestamp(1),
    };
    let key = |id: &str, organization: &str, material| KeyRow {
        id: KeyId::new(id).unwrap(),
        organization: OrganizationId::new(organization).unwrap(),
        material,
        created_at: Timestamp(1000),
    };
    let public = |name: &str, pem: &str| KeyMaterial::JwtPublic { pem: pem.into(), algorithm: name.into() };
    DirectoryRows {
        organizations: vec![organization("o1"), organization("o2")],
        websites: vec![website("o1", "w1"), website("o1", "w2"), website("o2", "w1")],
        keys: vec![
            key("k_hs", "o1", KeyMaterial::JwtHs256 { secret: ORGANIZATION_SECRET.into() }),
            key("k_rs", "o1", public("RS256", keys::RS256_PUBLIC)),
            key("k_es", "o1", public("ES256", keys::ES256_PUBLIC)),
            key("k_ed", "o1", public("EdDSA", keys::EDDSA_PUBLIC)),
            key("k_other", "o2", KeyMaterial::JwtHs256 { secret: ORGANIZATION_SECRET.into() }),
            key("k_sk", "o1", KeyMaterial::Secret { sha256: Sha256::digest("sk_one").into() }),
            key("k_pk", "o1", KeyMaterial::Public { key: "pk_one".into(), website: WebsiteId::new("w1").unwrap() }),
        ],
        revocations: Vec::new(),
    }
}

fn directory() -> Directory {
    Directory::new(rows(), 1)
}

fn own_secrets(own: &str) -> OwnSecrets {
    OwnSecrets { admin_key: Secret::new("ak_one").into(), own: Secret::new(own).into() }
}

fn settings() -> AuthSettings {
    AuthSettings {
        jwt_secret: Some(Secret::new(SECRET)),
        jwt_secret_previous: None,
        jwt_public_key: None,
        jwt_algorithm: None,
        jwks: None,
        own: own_secrets("own-secret-own-secret-own-secret"),
        visitor_token_life: Duration::from_secs(1000),
    }
}

fn authenticator() -> Authenticator {
    Authenticator::new(settings()).unwrap()
}

/// A good visitor's claims, with some of them replaced; `null` takes one out.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"sub": "v1", "type": "visitor", "org": "o1", "websites": ["w1"], "exp": NOW_SECONDS + 60});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn hs256(kid: Option<&str>, claims: &Value, secret: &str) -> String {
    sign(Algorithm::HS256, kid, claims, &EncodingKey::from_secret(secret.as_bytes()))
}

fn verify(changes: Value) -> Result<Principal, Refusal> {
    authenticator().jwt(&hs256(None, &claims(changes), SECRET), &directory(), NOW)
}

fn code(result: Result<Principal, impl Into<AuthError>>) -> ErrorCode {
    let error = result.map_err(Into::into).expect_err("refused");
    let close = if error.code == ErrorCode::Forbidden { CloseCode::Forbidden } else { CloseCode::Unauthorized };
    assert_eq!(error.close, close);
    error.code
}

#[test]
fn a_visitor_is_a_person_of_one_website() {
    let changes =
        json!({"name": " A\u{202e}nn\n", "email": "a@x.y", "avatarUrl": "https://x.y/a.png", "role": "admin"});
    let visitor = verify(changes).unwrap();
    assert_eq!((visitor.kind, visitor.id.as_str(), visitor.is_admin), (UserType::Visitor, "v1", false));
    assert_eq!(visitor.visitor_site(), Some(site("o1", "w1")));
    assert_eq!((visitor.name.as_deref(), visitor.email.as_deref()), (Some("Ann"), Some("a@x.y")));
    assert_eq!(visitor.avatar_url.as_deref(), Some("https://x.y/a.png"));
    assert_eq!(visitor.expires_at, Some(Timestamp((NOW_SECONDS + 60) * 1000)));
    assert_eq!(visitor.credential, CredentialKind::Operator);
    assert_eq!(visitor.key(), PersonKey { kind: UserType::Visitor, id: person("v1") });
}

#[test]
fn a_team_member_has_the_websites_that_exist() {
    let user = verify(json!({"type": "user", "websites": ["w2", "w9", "not an id", "*"], "role": "admin"})).unwrap();
    assert!(user.is_admin && user.visitor_site().is_none());
    assert_eq!(user.websites, Websites::Only([WebsiteId::new("w2").unwrap()].into()));
    let often = verify(json!({"type": "user", "websites": vec!["w2"; 1000]})).unwrap();
    assert_eq!(often.websites, user.websites, "each is named once");
    let both = verify(json!({"type": "user", "websites": ["w2", "w1", "w2"]})).unwrap();
    assert_eq!(both.websites, Websites::Only(["w1", "w2"].map(|id| WebsiteId::new(id).unwrap()).into()));
    let agent = verify(json!({"type": "ai_agent", "websites": ["*"], "role": "admin"})).unwrap();
    assert_eq!((agent.is_admin, &agent.websites), (false, &Websites::All));
    assert_eq!(verify(json!({"type": "user", "websites": []})).unwrap().websites, Websites::Only([].into()));
    assert!(!verify(json!({"type": "user", "role": "owner"})).unwrap().is_admin);
}

#[test]
fn bad_claims_are_refused() {
    for changes in [
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "a b"}),
        json!({"sub": 7}),
        json!({"type": null}),
        json!({"type": "admin"}),
        json!({"type": "Visitor"}),
        json!({"org": null}),
        json!({"org": 1}),
        json!({"websites": null}),
        json!({"websites": "w1"}),
        json!({"websites": [1]}),
        json!({"websites": []}),
        json!({"websites": ["w1", "w2"]}),
        json!({"websites": ["w1", "w1"]}),
        json!({"websites": ["*"]}),
        json!({"exp": null}),
        json!({"exp": "1800000000"}),
        json!({"exp": true}),
        json!({"nbf": "soon"}),
        json!({"iat": []}),
        json!({"role": 1}),
    ] {
        assert_eq!(code(verify(changes.clone())), ErrorCode::Unauthorized, "{changes}");
    }
    let list = hs256(None, &json!(["v1", "visitor", "o1", ["w1"], NOW_SECONDS + 60]), SECRET);
    assert_eq!(code(authenticator().jwt(&list, &directory(), NOW)), ErrorCode::Unauthorized);
}

#[test]
fn pictures_and_addresses_that_are_none_are_left_out() {
    let visitor = verify(json!({"name": "\u{1}\u{2066}", "email": "a b", "avatarUrl": "javascript:alert(1)"})).unwrap();
    assert_eq!((&visitor.name, &visitor.email, &visitor.avatar_url), (&None, &None, &None));
    let visitor =
        verify(json!({"name": "ä".repeat(300), "avatarUrl": format!("https://{}", "a".repeat(3000))})).unwrap();
    assert_eq!((visitor.name.as_ref().unwrap().chars().count(), &visitor.avatar_url), (256, &None));
}

#[test]
fn what_does_not_exist_is_forbidden() {
    assert_eq!(code(verify(json!({"org": "o9"}))), ErrorCode::Forbidden);
    assert_eq!(code(verify(json!({"org": "not an id"}))), ErrorCode::Forbidden);
    assert_eq!(code(verify(json!({"websites": ["w9"]}))), ErrorCode::Forbidden);
    assert_eq!(code(verify(json!({"org": "o2", "websites": ["w2"]}))), ErrorCode::Forbidden);
}

#[test]
fn exp_has_no_leeway() {
    let at = |exp: Value, now: u64| {
        authenticator().jwt(&hs256(None, &claims(json!({ "exp": exp })), SECRET), &directory(), Timestamp(now))
    };
    assert!(at(json!(1000), 999_999).is_ok());
    assert_eq!(code(at(json!(1000), 1_000_000)), ErrorCode::TokenExpired);
    assert!(at(json!(1000.5), 1_000_499).is_ok());
    assert_eq!(code(at(json!(1000.5), 1_000_500)), ErrorCode::TokenExpired);
    for exp in [json!(0), json!(-5), json!(-1e300)] {
        assert_eq!(code(at(exp, NOW.0)), ErrorCode::TokenExpired);
    }
    for exp in [json!(u64::MAX), json!(1e300)] {
        let visitor = at(exp, NOW.0).unwrap();
        assert_eq!(visitor.expires_at.unwrap().to_string(), "9999-12-31T23:59:59.999Z");
    }
    let visitor = at(json!(1000), 1).unwrap();
    assert!(!visitor.is_expired(Timestamp(999_999)) && visitor.is_expired(Timestamp(1_000_000)));
}

#[test]
fn nbf_has_a_minute_of_leeway() {
    let at = |nbf: u64, now: u64| {
        let claims = claims(json!({"exp": 10_000, "nbf": nbf}));
        authenticator().jwt(&hs256(None, &claims, SECRET), &directory(), Timestamp(now))
    };
    assert!(at(1000, 940_000).is_ok());
    assert_eq!(code(at(1000, 939_999)), ErrorCode::Unauthorized);
    assert!(at(0, 1).is_ok());
}

#[test]
fn revoked_is_what_was_issued_before_or_does_not_say() {
    let mut rows = rows();
    let revoked = PersonKey { kind: UserType::Visitor, id: person("v1") };
    let at = Timestamp(NOW_SECONDS * 1000);
    rows.revocations.push(RevocationRow { organization: OrganizationId::new("o1").unwrap(), person: revoked, at });
    let directory = Directory::new(rows, 2);
    let verify = |changes| authenticator().jwt(&hs256(None, &claims(changes), SECRET), &directory, NOW);
    for iat in [json!(null), json!(NOW_SECONDS - 1), json!(NOW_SECONDS as f64 - 0.001), json!(NOW_SECONDS + 61)] {
        assert_eq!(code(verify(json!({ "iat": iat }))), ErrorCode::Unauthorized, "{iat}");
    }
    assert!(verify(json!({"iat": NOW_SECONDS})).is_ok());
    assert!(verify(json!({"sub": "v2"})).is_ok());
    assert!(verify(json!({"type": "user"})).is_ok());

    let before = self::verify(json!({"iat": NOW_SECONDS - 1})).unwrap();
    assert_eq!(before.recheck(&self::directory()), Ok(()));
    assert_eq!(before.recheck(&directory).unwrap_err().close, CloseCode::Forbidden);
}

#[test]
fn access_ends_with_what_it_rested_on() {
    let token = hs256(Some("k_hs"), &claims(json!({})), ORGANIZATION_SECRET);
    let visitor = authenticator().jwt(&token, &directory(), NOW).unwrap();
    let agent = authenticator().socket("sk_one", Some("bot"), &directory(), NOW).unwrap();
    let without = |change: fn(&mut DirectoryRows)| {
        let mut rows = rows();
        change(&mut rows);
        Directory::new(rows, 2)
    };
    let no_key = without(|rows| rows.keys.retain(|key| !matches!(key.id.as_str(), "k_hs" | "k_sk")));
    let no_website = without(|rows| rows.websites.retain(|website| website.key.website.as_str() != "w1"));
    let no_organization = without(|rows| rows.organizations.retain(|organization| organization.id.as_str() != "o1"));
    for gone in [&no_key, &no_organization] {
        assert_eq!(visitor.recheck(gone).unwrap_err().code, ErrorCode::Forbidden);
        assert_eq!(agent.recheck(gone).unwrap_err().code, ErrorCode::Forbidden);
    }
    assert_eq!(visitor.recheck(&no_website).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!((visitor.recheck(&directory()), agent.recheck(&no_website)), (Ok(()), Ok(())));
}

#[test]
fn each_door_takes_its_credentials() {
    let (authenticator, directory) = (authenticator(), directory());
    let socket = |text: &str, agent: Option<&str>| authenticator.socket(text, agent, &directory, NOW);
    let http =
        |text: &str, agent: Option<&str>| authenticator.bearer(text, agent, &directory, NOW).map_err(AuthError::from);
    let token = hs256(None, &claims(json!({})), SECRET);

    assert!(socket(&token, None).is_ok());
    assert!(matches!(http(&token, None), Ok(HttpPrincipal::Person(_))));

    let agent = socket("sk_one", Some("bot:1")).unwrap();
    assert_eq!((agent.kind, &agent.websites, agent.expires_at), (UserType::AiAgent, &Websites::All, None));
    assert_eq!(agent.credential, CredentialKind::SecretKey(KeyId::new("k_sk").unwrap()));
    assert!(matches!(http("sk_one", Some("bot")), Ok(HttpPrincipal::Secret { agent: Some(_), .. })));
    assert!(matches!(http("sk_one", None), Ok(HttpPrincipal::Secret { agent: None, organization, .. })
        if organization.as_str() == "o1"));
    assert!(matches!(http("ak_one", None), Ok(HttpPrincipal::Admin)));

    for (text, agent) in [
        ("sk_one", None),
        ("sk_one", Some("not an id")),
        ("sk_one", Some("")),
        ("sk_two", Some("bot")),
        ("ak_one", None),
        ("pk_one", None),
        ("", None),
        ("null", None),
    ] {
        assert_eq!(code(socket(text, agent)), ErrorCode::Unauthorized, "{text} {agent:?}");
    }
    for (text, agent) in
        [("sk_two", None), ("sk_one", Some("not an id")), ("ak_two", None), ("ak_", None), ("pk_one", None), ("", None)]
    {
        assert_eq!(http(text, agent).unwrap_err().code, ErrorCode::Unauthorized, "{text} {agent:?}");
    }
}

#[test]
fn a_revoked_agent_needs_a_new_secret_key() {
    let mut rows = rows();
    let bot = PersonKey { kind: UserType::AiAgent, id: person("bot") };
    let organization = OrganizationId::new("o1").unwrap();
    rows.revocations.push(RevocationRow { organization, person: bot, at: Timestamp(2000) });
    let verify =
        |rows: &DirectoryRows, id| authenticator().socket("sk_one", Some(id), &Directory::new(rows.clone(), 2), NOW);
    assert_eq!(code(verify(&rows, "bot")), ErrorCode::Unauthorized);
    assert!(verify(&rows, "other").is_ok());
    rows.keys.iter_mut().for_each(|key| key.created_at = Timestamp(3000));
    assert!(verify(&rows, "bot").is_ok());
}

#[test]
fn a_visitors_page_must_be_of_the_website() {
    let directory = directory();
    let visitor = verify(json!({})).unwrap();
    let user = verify(json!({"type": "user"})).unwrap();
    assert_eq!(visitor.check_origin(None, &directory), Ok(()));
    assert_eq!(visitor.check_origin(Some("https://shop.example"), &directory), Ok(()));
    assert_eq!(visitor.check_origin(Some("https://evil.example"), &directory).unwrap_err().close, CloseCode::Forbidden);
    assert_eq!(visitor.check_origin(Some("null"), &directory).unwrap_err().close, CloseCode::Forbidden);
    assert_eq!(user.check_origin(Some("https://evil.example"), &directory), Ok(()));

    let authenticator = authenticator();
    let admit = |key, origin| authenticator.admit_page(key, origin, &directory);
    assert_eq!(admit("pk_one", Some("https://shop.example")).unwrap().row.key, site("o1", "w1"));
    for (key, origin) in [
        ("pk_one", None),
        ("pk_one", Some("null")),
        ("pk_one", Some("https://x.y")),
        ("pk_two", Some("https://shop.example")),
    ] {
        assert_eq!(admit(key, origin).unwrap_err().code, ErrorCode::Forbidden, "{key} {origin:?}");
    }
}

#[test]
fn persons_are_told_apart() {
    let (one, same) = (verify(json!({})).unwrap(), verify(json!({"exp": NOW_SECONDS + 5})).unwrap());
    assert!(one.is_same_person(&same));
    for other in [json!({"sub": "v2"}), json!({"websites": ["w2"]}), json!({"org": "o2"}), json!({"type": "user"})] {
        assert!(!one.is_same_person(&verify(other).unwrap()));
    }
    let user = |websites: Value| verify(json!({"type": "user", "websites": websites})).unwrap();
    assert!(user(json!(["*"])).is_same_person(&user(json!(["w1"]))));
}
