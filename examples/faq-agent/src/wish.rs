//! Whether somebody wishes to talk to a person rather than to a program.

use crate::words;

/// Who one may wish to talk to.
const PEOPLE: &[&str] = &[
    "person",
    "people",
    "human",
    "humans",
    "someone",
    "somebody",
    "agent",
    "representative",
    "operator",
    "colleague",
    "employee",
    "staff",
    "team",
    "support",
    "mensch",
    "menschen",
    "mitarbeiter",
    "mitarbeiterin",
    "jemand",
    "jemandem",
    "personne",
    "humain",
    "conseiller",
    "conseillère",
    "quelqu",
];
/// What one says when one wishes it.
const WISHES: &[&str] = &[
    "talk", "talking", "speak", "speaking", "chat", "contact", "connect", "reach", "transfer", "need", "want", "give",
    "put", "let", "call", "prefer", "sprechen", "reden", "möchte", "brauche", "parler", "voudrais", "veux", "besoin",
];
/// What else may stand in a message that is nothing but the wish.
const BESIDES: &[&str] = &[
    "a", "an", "the", "real", "live", "please", "not", "bot", "no", "actual", "member", "now", "ein", "bitte", "un",
    "une",
];

/// Whether a message says so in one of many wordings, in English, German or French. A few who meant something else may
/// be taken for it: a person who is asked for nothing costs less than a visitor who is left with a program.
pub(crate) fn is_for_a_person(message: &str) -> bool {
    let said = words::all(message);
    let has = |list: &[&str]| said.iter().any(|word| list.contains(&word.as_str()));
    let is_nothing_else = said.iter().all(|word| PEOPLE.contains(&word.as_str()) || BESIDES.contains(&word.as_str()));
    has(PEOPLE) && (has(WISHES) || is_nothing_else)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_is_heard_in_many_wordings() {
        for message in [
            "Talk to a person",
            "can I speak to someone?",
            "I want to talk to a real human, not a bot!",
            "human please",
            "Agent",
            "a real person",
            "Please connect me with your support team",
            "I need a human",
            "Ich möchte mit einem Menschen sprechen",
            "Mitarbeiter bitte",
            "Je voudrais parler à une personne",
        ] {
            assert!(is_for_a_person(message), "{message}");
        }
        for message in [
            "",
            "How long does delivery take?",
            "Can two people sit on it?",
            "Is it for one person?",
            "I want to return a chair",
            "please, not now",
            "Are you a bot?",
        ] {
            assert!(!is_for_a_person(message), "{message}");
        }
    }
}
