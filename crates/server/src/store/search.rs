//! Words, as every backend searches them.
//!
//! Texts are cut into words and folded here and not by a database, so that all backends find the same.

use std::collections::BTreeSet;

/// Longer words are cut, in texts and in searches alike.
const WORD_LENGTH_MAX: usize = 40;

/// The different words of a text: lower case, without accents. Scripts that put no spaces between words (Chinese,
/// Japanese) are cut into characters.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut length = 0;
    for c in text.chars() {
        if is_combining(c) {
            continue;
        }
        let stands_alone = is_ideograph(c);
        if (stands_alone || !c.is_alphanumeric()) && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
            length = 0;
        }
        if stands_alone {
            words.insert(c.to_string());
        } else if c.is_alphanumeric() && length < WORD_LENGTH_MAX {
            length += 1;
            fold(c, &mut word);
        }
    }
    if !word.is_empty() {
        words.insert(word);
    }
    words
}

/// The words of which a search asks that each begins a word; `None` if it asks for nothing, an empty set if nothing
/// can match (it has only punctuation).
pub(super) fn asked(search: &[String]) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for text in search {
        all.append(&mut words(text));
    }
    (!search.is_empty()).then_some(all)
}

const fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

const fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Writes the letter in lower case and without its accent.
fn fold(c: char, word: &mut String) {
    for c in c.to_lowercase().filter(|c| !is_combining(*c)) {
        match c {
            'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' => word.push('a'),
            'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => word.push('c'),
            'ď' | 'đ' | 'ð' => word.push('d'),
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => word.push('e'),
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => word.push('g'),
            'ĥ' | 'ħ' => word.push('h'),
            'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => word.push('i'),
            'ĵ' => word.push('j'),
            'ķ' => word.push('k'),
            'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => word.push('l'),
            'ñ' | 'ń' | 'ņ' | 'ň' => word.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => word.push('o'),
            'ŕ' | 'ŗ' | 'ř' => word.push('r'),
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => word.push('s'),
            'ţ' | 'ť' | 'ŧ' | 'ț' => word.push('t'),
            'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => word.push('u'),
            'ŵ' => word.push('w'),
            'ý' | 'ÿ' | 'ŷ' => word.push('y'),
            'ź' | 'ż' | 'ž' => word.push('z'),
            'ß' => word.push_str("ss"),
            'æ' => word.push_str("ae"),
            'œ' => word.push_str("oe"),
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_cut() {
        let found: Vec<_> = words("Ünïted, “STRAßE” u\u{308}ber bob@example.com 注文 a1").into_iter().collect();
        assert_eq!(found, ["a1", "bob", "com", "example", "strasse", "uber", "united", "文", "注"]);
        assert_eq!(words(&"x".repeat(99)).first().unwrap().len(), WORD_LENGTH_MAX);
        assert!(words("\" * -- (").is_empty());
    }

    #[test]
    fn a_search_without_words_is_not_no_search() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&["!!".to_owned()]), Some(BTreeSet::new()));
    }
}
