//! From sentences to the words that carry their meaning.

/// Words that nearly every sentence has, and greetings: they say nothing of what is asked.
const STOP_WORDS: &[&str] = &[
    "a",
    "about",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "but",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "for",
    "from",
    "get",
    "good",
    "had",
    "has",
    "have",
    "hello",
    "hey",
    "hi",
    "how",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "know",
    "something",
    "anything",
    "everything",
    "want",
    "need",
    "like",
    "may",
    "me",
    "much",
    "my",
    "no",
    "not",
    "of",
    "on",
    "or",
    "our",
    "please",
    "s",
    "so",
    "some",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "to",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "will",
    "with",
    "would",
    "yes",
    "you",
    "your",
    "i",
];
/// Shorter words are never taken for each other.
const SHORTEST_ALIKE: usize = 5;

/// The words of a text in lower case, in order: whatever lies between what is neither letter nor digit.
pub(crate) fn all(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The words of a text that carry its meaning, each once and by its stem. Where nothing would be left, all words count:
/// "hello" means something when it is all that somebody says.
pub(crate) fn meaningful(text: &str) -> Vec<String> {
    let words = all(text);
    let carries = |word: &&String| word.chars().count() > 1 && !STOP_WORDS.contains(&word.as_str());
    let mut chosen: Vec<String> = words.iter().filter(carries).map(|word| stem(word)).collect();
    if chosen.is_empty() {
        chosen = words;
    }
    chosen.sort();
    chosen.dedup();
    chosen
}

/// A word without the endings that English puts on it. Two forms of one word should come out alike; it does not matter
/// what comes out.
fn stem(word: &str) -> String {
    let cut = |ending: &str, least: usize| word.strip_suffix(ending).filter(|stem| stem.chars().count() >= least);
    if let Some(stem) = cut("ies", 2) {
        return format!("{stem}y");
    }
    if let Some(stem) = cut("ing", 3).or_else(|| cut("ed", 3)) {
        let mut letters: Vec<char> = stem.chars().collect();
        // As in shipping.
        if letters.len() > 3 && letters[letters.len() - 1] == letters[letters.len() - 2] {
            letters.pop();
        }
        return letters.into_iter().collect();
    }
    match cut("s", 3) {
        Some(stem) if !stem.ends_with('s') => stem.to_owned(),
        Some(_) | None => word.to_owned(),
    }
}

/// Whether two stems are the same word: equal, the one a longer form of the other, or one slip of the keyboard apart.
pub(crate) fn are_alike(a: &str, b: &str) -> bool {
    a == b
        || (a.len().min(b.len()) >= SHORTEST_ALIKE
            && (a.starts_with(b) || b.starts_with(a) || are_one_slip_apart(a, b)))
}

/// Whether one letter more, one less, another one, or two that changed places make the one of the other.
fn are_one_slip_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&a[..a.len() - tail], &b[..b.len() - tail]) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_no_meaning_is_left_out() {
        assert_eq!(meaningful("Hello, how long does the delivery take?"), ["delivery", "long", "take"]);
        assert_eq!(meaningful("Where's my order?! My ORDER"), ["order"]);
        assert_eq!(meaningful("Hello!"), ["hello"]);
        assert_eq!(meaningful("¿?"), Vec::<String>::new());
    }

    #[test]
    fn forms_of_a_word_are_alike() {
        for (a, b) in [
            ("deliveries", "delivery"),
            ("delivered", "delivery"),
            ("returned", "returns"),
            ("shipping", "ship"),
            ("paying", "pay"),
            ("refnud", "refund"),
            ("delivry", "delivery"),
            ("deliverry", "delivery"),
            ("pasword", "passwords"),
        ] {
            assert!(are_alike(&stem(a), &stem(b)), "{a} {b}: {} {}", stem(a), stem(b));
        }
        for (a, b) in [("card", "cart"), ("ship", "shop"), ("order", "offer"), ("return", "refund"), ("size", "prize")]
        {
            assert!(!are_alike(&stem(a), &stem(b)), "{a} {b}");
        }
    }
}
