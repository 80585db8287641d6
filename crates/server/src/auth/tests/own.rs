//! Tokens that the server issues, and the customers' word about who a visitor is.

use super::*;

fn request(kind: UserType, websites: Websites) -> TokenRequest {
    TokenRequest {
        organization: OrganizationId::new("o1").unwrap(),
        kind,
        id: person("p1"),
        websites,
        is_admin: true,
        name: Some("Pat".into()),
        email: Some("p@x.y".into()),
        avatar_url: None,
        life: Duration::from_secs(60),
    }
}

#[test]
fn an_issued_token_says_what_was_asked_for() {
    let (authenticator, directory) = (authenticator(), directory());
    let issued = authenticator.issue_token(&request(UserType::User, Websites::All), NOW);
    assert_eq!(issued.expires_at, Timestamp((NOW_SECONDS + 60) * 1000));
    let user = authenticator.jwt(&issued.token, &directory, NOW).unwrap();
    assert_eq!((user.kind, user.is_admin, &user.websites), (UserType::User, true, &Websites::All));
    assert_eq!((user.name.as_deref(), user.email.as_deref()), (Some("Pat"), Some("p@x.y")));
    assert_eq!((user.issued_at, user.expires_at), (Some(NOW), Some(issued.expires_at)));
    assert_eq!(user.credential, CredentialKind::Own);
    let end = authenticator.jwt(&issued.token, &directory, issued.expires_at);
    assert_eq!(code(end), ErrorCode::TokenExpired);

    let agent = authenticator.issue_token(&request(UserType::AiAgent, Websites::All), NOW);
    assert!(!authenticator.jwt(&agent.token, &directory, NOW).unwrap().is_admin);
}

#[test]
fn a_new_visitor_comes_back_by_its_token() {
    let (authenticator, directory) = (authenticator(), directory());
    let website = directory.website(&site("o1", "w2")).unwrap();
    let (visitor, issued) = authenticator.admit_visitor(website, person("visitor_1"), NOW);
    assert_eq!(visitor.visitor_site(), Some(site("o1", "w2")));
    assert_eq!(issued.expires_at, Timestamp((NOW_SECONDS + 1000) * 1000));
    let back = authenticator.socket(&issued.token, None, &directory, NOW.plus_millis(900_000)).unwrap();
    assert!(back.is_same_person(&visitor));
    assert_eq!((back.issued_at, back.expires_at), (visitor.issued_at, visitor.expires_at));

    let identity = Identity { external_id: None, email: Some("a@x.y".into()), name: Some("Ann".into()) };
    let named = authenticator.issue_visitor_token(&site("o1", "w2"), person("visitor_1"), Some(&identity), NOW);
    let named = authenticator.jwt(&named.token, &directory, NOW).unwrap();
    assert_eq!((named.name.as_deref(), named.email.as_deref()), (Some("Ann"), Some("a@x.y")));
}

#[test]
fn own_tokens_are_never_taken_for_others() {
    let (authenticator, directory) = (authenticator(), directory());
    let claims = claims(json!({}));
    // Signed by the operator or an organization, but under our kid; signed by our secret, but under none or another.
    for token in [
        hs256(Some(OWN_KID), &claims, SECRET),
        hs256(Some(OWN_KID), &claims, ORGANIZATION_SECRET),
        hs256(None, &claims, "own-secret-own-secret-own-secret"),
        hs256(Some("k_hs"), &claims, "own-secret-own-secret-own-secret"),
    ] {
        assert_eq!(code(authenticator.jwt(&token, &directory, NOW)), ErrorCode::Unauthorized);
    }
    assert!(KeyId::new(OWN_KID).is_err(), "no key can have the id");
    let issued = authenticator.issue_token(&request(UserType::User, Websites::All), NOW);
    let elsewhere = Authenticator::new(AuthSettings { own: own_secrets("another"), ..settings() }).unwrap();
    assert_eq!(code(elsewhere.jwt(&issued.token, &directory, NOW)), ErrorCode::Unauthorized);
}

#[test]
fn own_tokens_are_revoked_by_the_millisecond() {
    let authenticator = authenticator();
    let issued = authenticator.issue_token(&request(UserType::User, Websites::All), NOW);
    for (at, is_refused) in [(NOW.0 + 1, true), (NOW.0, false)] {
        let mut rows = rows();
        let user = PersonKey { kind: UserType::User, id: person("p1") };
        let organization = OrganizationId::new("o1").unwrap();
        rows.revocations.push(RevocationRow { organization, person: user, at: Timestamp(at) });
        let result = authenticator.jwt(&issued.token, &Directory::new(rows, 2), NOW);
        assert_eq!(result.is_err(), is_refused);
    }
}

#[test]
fn an_identity_is_the_word_of_the_customer() {
    let (authenticator, directory) = (authenticator(), directory());
    let verify =
        |token: &str| authenticator.identity(token, &site("o1", "w1"), &directory, NOW).map_err(AuthError::from);
    let said = claims(json!({"sub": "customer|7", "name": "Ann", "email": "a@x.y"}));
    for token in [hs256(None, &said, SECRET), hs256(Some("k_hs"), &said, ORGANIZATION_SECRET)] {
        let found = verify(&token).unwrap();
        assert_eq!(found.external_id.as_str(), "customer|7");
        assert_eq!(
            found.identity,
            Identity { external_id: Some("customer|7".into()), email: Some("a@x.y".into()), name: Some("Ann".into()) }
        );
    }
    let own = authenticator.issue_visitor_token(&site("o1", "w1"), person("v1"), None, NOW).token;
    let user = hs256(None, &claims(json!({"type": "user"})), SECRET);
    let expired = hs256(None, &claims(json!({"exp": NOW_SECONDS})), SECRET);
    for (token, code) in [
        (own.as_str(), ErrorCode::Unauthorized),
        (&user, ErrorCode::Unauthorized),
        (&expired, ErrorCode::TokenExpired),
        ("sk_one", ErrorCode::Unauthorized),
        ("ak_one", ErrorCode::Unauthorized),
        ("pk_one", ErrorCode::Unauthorized),
        (&hs256(None, &claims(json!({"websites": ["w2"]})), SECRET), ErrorCode::Forbidden),
        (&hs256(None, &claims(json!({"org": "o2"})), SECRET), ErrorCode::Forbidden),
    ] {
        assert_eq!(verify(token).unwrap_err().code, code);
    }
}

/// The secrets of `settings`, each replaced by another one and taken until `until`.
fn replaced(until: Timestamp) -> OwnSecrets {
    let pair = |current: &str, old: SecretPair| SecretPair {
        current: Secret::new(current),
        previous: Some(PreviousSecret { secret: old.current, until }),
    };
    OwnSecrets {
        admin_key: pair("ak_two", settings().own.admin_key),
        own: pair("another own secret", settings().own.own),
    }
}

#[test]
fn secrets_that_were_replaced_are_taken_until_their_end() {
    let (authenticator, directory) = (authenticator(), directory());
    let until = NOW.plus_millis(10_000);
    let just_before = NOW.plus_millis(9_999);
    let old = authenticator.issue_token(&request(UserType::User, Websites::All), NOW).token;
    authenticator.renew(&replaced(until)).unwrap();
    let new = authenticator.issue_token(&request(UserType::User, Websites::All), NOW).token;
    for (token, at, is_good) in
        [(&old, NOW, true), (&old, just_before, true), (&old, until, false), (&new, NOW, true), (&new, until, true)]
    {
        let judged = authenticator.jwt(token, &directory, at);
        assert_eq!(judged.is_ok(), is_good, "{at}: {judged:?}");
    }
    let is_admin = |key: &str, at| matches!(authenticator.bearer(key, None, &directory, at), Ok(HttpPrincipal::Admin));
    assert!(is_admin("ak_one", just_before) && !is_admin("ak_one", until));
    assert!(is_admin("ak_two", NOW) && is_admin("ak_two", until) && !is_admin("ak_three", NOW));

    let empty = SecretPair { current: Secret::new(""), previous: None };
    assert!(authenticator.renew(&OwnSecrets { own: empty.clone(), admin_key: empty }).is_err());
    assert!(authenticator.jwt(&new, &directory, NOW).is_ok(), "what was in force stays");
}

#[test]
fn the_operators_secret_before_is_taken_until_its_end() {
    let until = NOW.plus_millis(10_000);
    let previous = PreviousSecret { secret: Secret::new("the secret before this one"), until };
    let authenticator = Authenticator::new(AuthSettings { jwt_secret_previous: Some(previous), ..settings() }).unwrap();
    let signed = |secret: &str| hs256(None, &claims(json!({})), secret);
    let is_taken = |secret: &str, at| authenticator.jwt(&signed(secret), &directory(), at).is_ok();
    assert!(is_taken("the secret before this one", NOW.plus_millis(9_999)));
    assert!(!is_taken("the secret before this one", until));
    assert!(is_taken(SECRET, NOW) && is_taken(SECRET, until));
    assert!(!is_taken("a third one", NOW));
}
