//! What is to be done behind a migration: above all, the server's own secrets have to come along.

use std::path::Path;

use cossistant_server::auth::{OwnSecret, previous_path};
use cossistant_server::store::{Transfer, TransferPlace};

/// The key of the configuration that a secret may be given by, instead of its file.
const fn key(secret: OwnSecret) -> &'static str {
    match secret {
        OwnSecret::AdminKey => "admin_key",
        OwnSecret::Signing => "visitor_secret",
    }
}

/// The steps, in their order.
pub(super) fn steps(what: &Transfer) -> Vec<String> {
    let mut steps = match (&what.from, &what.to) {
        (TransferPlace::Folder(data), _) => to_database(data),
        (TransferPlace::Database(_), TransferPlace::Folder(data)) => to_folder(data),
        (TransferPlace::Database(_), TransferPlace::Database(_)) => Vec::new(),
    };
    steps.push(
        "the source has all that it had, and another epoch: a server that starts on it is another installation, to which \
         nothing comes from the target. Remove it once the target has proved itself"
            .to_owned(),
    );
    steps
}

fn to_database(data: &Path) -> Vec<String> {
    let shown = data.display();
    let mut steps = vec![format!(
        "start the server with database_url (COSSISTANT_DATABASE_URL) set to this database and with --data {shown} as \
         before: its secrets stay there"
    )];
    for secret in OwnSecret::ALL {
        let (path, key) = (secret.path_in(data), key(secret));
        if !path.exists() {
            continue;
        }
        let previous = previous_path(&path);
        let before = if previous.exists() {
            format!("; {key}_previous and {key}_previous_until to the lines of {}", previous.display())
        } else {
            String::new()
        };
        steps.push(format!(
            "where a server has another data folder, set {key} to what is in {}{before}",
            path.display()
        ));
    }
    steps
}

fn to_folder(data: &Path) -> Vec<String> {
    let shown = data.display();
    let missing: Vec<OwnSecret> = OwnSecret::ALL.into_iter().filter(|secret| !secret.path_in(data).exists()).collect();
    let mut steps: Vec<String> = missing
        .into_iter()
        .map(|secret| {
            let (path, key) = (secret.path_in(data), key(secret));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let lost = match secret {
                OwnSecret::AdminKey => "or a new admin key is made",
                OwnSecret::Signing => "or visitors come back as new ones",
            };
            format!(
                "before the first start copy {name} from the data folder of a server so far into {shown}, or go on \
                 setting {key} where that was set: {lost}"
            )
        })
        .collect();
    steps.push(format!("start the server with --data {shown} and without database_url"));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_and_not_shown() {
        let data = std::env::temp_dir().join(format!("cossistant-next-{}", std::process::id()));
        std::fs::create_dir_all(&data).expect("a folder");
        let missing = to_folder(&data).join("\n");
        assert!(missing.contains("copy visitor-secret") && missing.contains("setting admin_key"), "{missing}");
        assert!(!to_database(&data).join("\n").contains("set visitor_secret"));
        std::fs::write(data.join("visitor-secret"), "own_hidden").expect("a file");
        std::fs::write(data.join("visitor-secret.previous"), "own_hidden").expect("a file");
        let there = to_folder(&data).join("\n");
        assert!(!there.contains("visitor-secret") && there.contains("admin-key"), "{there}");
        let named = to_database(&data).join("\n");
        assert!(named.contains("set visitor_secret") && named.contains("visitor_secret_previous_until"), "{named}");
        assert!(!format!("{there}{named}").contains("hidden"));
        std::fs::remove_dir_all(&data).expect("it is ours");
    }
}
