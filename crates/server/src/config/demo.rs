//! What exists under `--dev`, for everybody to know: nothing of it is a secret.

use cossistant_protocol::{KeyId, OrganizationId, Timestamp, TypingPreview, WebsiteId};
use sha2::{Digest as _, Sha256};

use crate::store::{DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, SiteKey, WebsiteRow, WebsiteSettings};

/// The organization.
pub const DEMO_ORGANIZATION: &str = "org-demo";
/// Its website.
pub const DEMO_WEBSITE: &str = "website-123";
/// The website's public key.
pub const DEMO_PUBLIC_KEY: &str = "pk_dev";
/// The organization's secret key.
pub const DEMO_SECRET_KEY: &str = "sk_dev";
/// The admin key.
pub const DEMO_ADMIN_KEY: &str = "ak_dev";
/// The secret that signs tokens.
pub const DEMO_JWT_SECRET: &str = "dev-secret-dev-secret-dev-secret-";
/// Members of the team whom one can be without asking: `sub` and name.
pub const DEMO_PEOPLE: [(&str, &str); 2] = [("grace", "Grace Hopper"), ("alan", "Alan Turing")];
/// Where the website's pages may be: on this machine, at any port.
pub const DEMO_DOMAINS: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "[::1]"];

/// The organization, website and keys of `--dev`, as rows for a store that has none of them yet.
#[must_use]
pub fn demo_rows(at: Timestamp) -> DirectoryRows {
    const PLAIN: &str = "the ids of the demo are ids";
    let organization = OrganizationId::new(DEMO_ORGANIZATION).expect(PLAIN);
    let website = WebsiteId::new(DEMO_WEBSITE).expect(PLAIN);
    let key = |id: &str, material| KeyRow {
        id: KeyId::new(id).expect(PLAIN),
        organization: organization.clone(),
        material,
        created_at: at,
    };
    DirectoryRows {
        organizations: vec![OrganizationRow { id: organization.clone(), name: "Demo".to_owned(), created_at: at }],
        websites: vec![WebsiteRow {
            key: SiteKey { organization: organization.clone(), website: website.clone() },
            settings: WebsiteSettings {
                name: "Demo shop".to_owned(),
                accent: None,
                questions: Vec::new(),
                allowed_domains: DEMO_DOMAINS.map(str::to_owned).to_vec(),
                typing_preview: TypingPreview::Text,
                unseen_after: 60,
            },
            created_at: at,
        }],
        keys: vec![
            key("key_demo_public", KeyMaterial::Public { key: DEMO_PUBLIC_KEY.to_owned(), website }),
            key("key_demo_secret", KeyMaterial::Secret { sha256: Sha256::digest(DEMO_SECRET_KEY).into() }),
        ],
        revocations: Vec::new(),
    }
}
