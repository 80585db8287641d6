//! Who may touch what: the decisions that every backend takes alike.

use cossistant_protocol::{PersonId, Timestamp, UserType, Visibility};

use super::{PersonKey, Scope, StoreError};

/// What the rules ask of a stored message.
#[derive(Debug)]
pub(super) struct MessageFacts {
    pub(super) sender: PersonKey,
    pub(super) is_note: bool,
    pub(super) created_at: Timestamp,
    pub(super) deleted: bool,
}

impl MessageFacts {
    /// A deleted message is gone, and a note is nothing that a visitor could know of.
    pub(super) fn check_exists(&self, scope: &Scope) -> Result<(), StoreError> {
        let is_hidden = self.is_note && matches!(scope, Scope::Visitor { .. });
        if self.deleted || is_hidden { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// A message is edited by its sender, a note by every user.
    pub(super) fn check_edit(&self, editor: &PersonKey, not_before: Option<Timestamp>) -> Result<(), StoreError> {
        if *editor == self.sender {
            let is_late = not_before.is_some_and(|point| self.created_at < point);
            if editor.kind == UserType::Visitor && is_late {
                return Err(StoreError::Forbidden("the time for changing this message is over"));
            }
            return Ok(());
        }
        if self.is_note && editor.kind == UserType::User {
            return Ok(());
        }
        Err(StoreError::Forbidden("only the sender may change this message"))
    }
}

/// Checks who sends before anything is looked up.
pub(super) fn check_visibility(scope: &Scope, visibility: Visibility) -> Result<(), StoreError> {
    match (scope, visibility) {
        (Scope::Visitor { .. }, Visibility::Internal) => Err(StoreError::Forbidden("notes are for the team")),
        (Scope::Visitor { .. } | Scope::Team { .. }, Visibility::Public | Visibility::Internal) => Ok(()),
    }
}

/// Checks that nobody acts as another one's visitor: `person` has been resolved, `owner` is the conversation's visitor.
pub(super) fn check_person(scope: &Scope, person: &PersonKey, owner: &PersonId) -> Result<(), StoreError> {
    let must_own = matches!(scope, Scope::Visitor { .. }) || person.kind == UserType::Visitor;
    if must_own && (person.kind != UserType::Visitor || person.id != *owner) {
        return Err(StoreError::Forbidden("only the conversation's own visitor acts as a visitor in it"));
    }
    Ok(())
}
