use cossistant_protocol::{PersonId, TypingPreview, UserType};

use super::*;
use crate::store::WebsiteSettings;

fn org(text: &str) -> OrganizationId {
    OrganizationId::new(text).unwrap()
}

fn site(organization: &str, website: &str) -> SiteKey {
    SiteKey { organization: org(organization), website: WebsiteId::new(website).unwrap() }
}

fn key(id: &str, organization: &str, material: KeyMaterial) -> KeyRow {
    KeyRow { id: KeyId::new(id).unwrap(), organization: org(organization), material, created_at: Timestamp(5) }
}

fn website(organization: &str, id: &str, domains: &[&str]) -> WebsiteRow {
    WebsiteRow {
        key: site(organization, id),
        settings: WebsiteSettings {
            name: id.into(),
            accent: None,
            questions: Vec::new(),
            allowed_domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            typing_preview: TypingPreview::Text,
            unseen_after: 60,
        },
        created_at: Timestamp(1),
    }
}

fn organization(id: &str) -> OrganizationRow {
    OrganizationRow { id: org(id), name: id.into(), created_at: Timestamp(1) }
}

fn person(id: &str) -> PersonKey {
    PersonKey { kind: UserType::User, id: PersonId::new(id).unwrap() }
}

fn rows() -> DirectoryRows {
    let sha256 = Sha256::digest(b"sk_one").into();
    DirectoryRows {
        organizations: vec![organization("o1"), organization("o2")],
        websites: vec![
            website("o1", "w1", &["one.com"]),
            website("o1", "w2", &["two.com", "https://bad"]),
            website("o2", "w1", &["*.three.com:81"]),
            website("gone", "w1", &["gone.com"]),
        ],
        keys: vec![
            key("k1", "o1", KeyMaterial::Public { key: "pk_one".into(), website: WebsiteId::new("w1").unwrap() }),
            key("k2", "o1", KeyMaterial::Public { key: "pk_none".into(), website: WebsiteId::new("w9").unwrap() }),
            key("k3", "o1", KeyMaterial::Secret { sha256 }),
            key("k4", "o2", KeyMaterial::JwtHs256 { secret: b"s".to_vec() }),
            key("k5", "o2", KeyMaterial::JwtPublic { pem: "nonsense".into(), algorithm: "RS256".into() }),
            key("k6", "gone", KeyMaterial::JwtHs256 { secret: b"s".to_vec() }),
        ],
        revocations: vec![
            RevocationRow { organization: org("o1"), person: person("p"), at: Timestamp(100) },
            RevocationRow { organization: org("o1"), person: person("p"), at: Timestamp(50) },
        ],
    }
}

#[test]
fn keys_are_found_by_what_they_are() {
    let directory = Directory::new(rows(), 1);
    assert_eq!(directory.public_key("pk_one").unwrap().site, site("o1", "w1"));
    assert!(directory.public_key("pk_none").is_none());
    assert!(directory.public_key("pk_on").is_none());
    let secret = directory.secret_key("sk_one").unwrap();
    assert_eq!((secret.organization.as_str(), secret.id.as_str()), ("o1", "k3"));
    assert!(directory.secret_key("sk_two").is_none());
    assert_eq!(directory.signing_key("k4").unwrap().organization, org("o2"));
    assert!(directory.signing_key("k5").is_none());
    assert!(directory.signing_key("k6").is_none());
    assert!(directory.signing_key("not a kid").is_none());
    assert_eq!(directory.keys().count(), 5);
    assert_eq!(directory.key(&KeyId::new("k5").unwrap()).unwrap().organization, org("o2"));
}

#[test]
fn websites_belong_to_their_organization() {
    let directory = Directory::new(rows(), 1);
    assert!(directory.website(&site("o1", "w2")).is_some());
    assert!(directory.website(&site("o2", "w2")).is_none());
    assert!(directory.website(&site("gone", "w1")).is_none());
    assert_eq!(directory.websites().count(), 3);
    assert_eq!(directory.covered(&org("o1"), &Websites::All).count(), 2);
    let listed = Websites::Only(Arc::from([WebsiteId::new("w1").unwrap(), WebsiteId::new("w9").unwrap()]));
    assert_eq!(directory.covered(&org("o1"), &listed).count(), 1);
    assert_eq!(directory.covered(&org("gone"), &Websites::All).count(), 0);
    assert_eq!(directory.organizations().count(), 2);
}

#[test]
fn origins_are_allowed_by_website_and_by_all_together() {
    let directory = Directory::new(rows(), 1);
    let one = directory.website(&site("o1", "w1")).unwrap();
    assert!(one.allows("https://one.com"));
    assert!(!one.allows("https://two.com"));
    assert!(!one.allows("null"));
    for origin in ["https://one.com", "http://two.com:9", "http://x.three.com:81"] {
        assert!(directory.allowed_origin(origin), "{origin}");
    }
    for origin in ["https://gone.com", "http://x.three.com", "https://bad", "null", "https://one.com.evil"] {
        assert!(!directory.allowed_origin(origin), "{origin}");
    }
}

#[test]
fn the_latest_revocation_counts() {
    let directory = Directory::new(rows(), 1);
    let revoked = |organization: &str, id: &str, at: Option<u64>| {
        directory.is_revoked(&org(organization), &person(id), at.map(Timestamp))
    };
    assert!(revoked("o1", "p", None));
    assert!(revoked("o1", "p", Some(99)));
    assert!(!revoked("o1", "p", Some(100)));
    assert!(!revoked("o2", "p", None));
    assert!(!revoked("o1", "q", None));
    let visitor = PersonKey { kind: UserType::Visitor, id: PersonId::new("p").unwrap() };
    assert!(!directory.is_revoked(&org("o1"), &visitor, None));
}

#[test]
fn an_older_reload_does_not_replace_a_newer() {
    let shared = SharedDirectory::new();
    assert_eq!(shared.current().generation(), 0);
    assert_eq!(shared.install(Directory::new(rows(), 2)).generation(), 2);
    assert_eq!(shared.install(Directory::new(DirectoryRows::default(), 1)).generation(), 2);
    assert_eq!(shared.current().organizations().count(), 2);
}
