//! Rich text that is safe to show.

use std::collections::HashSet;
use std::sync::LazyLock;

/// How often HTML is cleaned until it stays as it is; two times are enough for nearly all.
const MAX_ROUNDS: usize = 8;
/// The most elements that may be open at once.
const MAX_DEPTH: usize = 100;
/// The most work that HTML may make: for each element, how many are open then.
const MAX_WORK: usize = 60_000;
/// Elements that have no end, and so hold nothing.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that end where the next one of their kind begins.
const SIBLINGS: [&str; 10] = ["p", "li", "dd", "dt", "tr", "td", "th", "option", "rt", "rp"];

/// Elements whose content is text up to their end.
const RAW: [&str; 9] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript"];

/// Whether HTML can be made safe in a moment. For each element its parser may walk through all that are open and open
/// some of them again, so a short text of elements in elements could keep it busy for seconds, and make megabytes.
///
/// What is open is counted as the parser does, and where that is in doubt, as more: an end counts only where it cannot
/// be part of a comment, of a value, or of a language within HTML.
pub(super) fn is_simple(html: &str) -> bool {
    let (mut open, mut work): (Vec<&str>, usize) = (Vec::new(), 0);
    let mut doubt = Doubt::None;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--").filter(|_| doubt == Doubt::None) {
            let (text, behind) = comment.split_once("-->").unwrap_or((comment, ""));
            if text.starts_with('>') || comment.starts_with("->") || text.contains("--!>") {
                return false;
            }
            rest = behind;
            continue;
        }
        let (is_end, tag) = rest.strip_prefix('/').map_or((false, rest), |tag| (true, tag));
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // Text; or a comment too, of a kind that ends with the first `>`.
            if doubt == Doubt::None && (is_end || rest.starts_with(['!', '?'])) {
                rest = rest.split_once('>').map_or("", |(_, behind)| behind);
            }
            continue;
        }
        let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
        let (name, attributes) = tag.split_at(end.unwrap_or(tag.len()));
        rest = if doubt == Doubt::None { behind_tag(attributes) } else { attributes };
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        if is_end {
            match doubt {
                Doubt::UpTo(raw) if is(&raw) => doubt = Doubt::None,
                Doubt::UpTo(_) | Doubt::ForEver => continue,
                Doubt::None => {}
            }
            if let Some(at) = open.iter().rposition(is) {
                open.truncate(at);
            }
            continue;
        }
        if SIBLINGS.iter().any(is) && open.last().is_some_and(is) {
            open.pop();
        }
        if !VOID.iter().any(is) {
            open.push(name);
        }
        work += open.len();
        if open.len() > MAX_DEPTH || work > MAX_WORK {
            return false;
        }
        if ["svg", "math", "plaintext", "template"].iter().any(is) {
            doubt = Doubt::ForEver;
        } else if doubt == Doubt::None && RAW.iter().any(is) {
            doubt = Doubt::UpTo(name);
        }
    }
    true
}

/// Whether what looks like a tag is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt<'h> {
    None,
    /// Not before the end of this element.
    UpTo(&'h str),
    /// There is no telling from here on.
    ForEver,
}

/// What follows a tag, from what follows its name. A quote counts only where a value begins.
fn behind_tag(attributes: &str) -> &str {
    #[derive(Clone, Copy)]
    enum At {
        Gap,
        Name,
        NameEnded,
        Equals,
        Value,
    }
    let mut chars = attributes.char_indices();
    let mut at = At::Gap;
    while let Some((index, char)) = chars.next() {
        at = match (at, char) {
            (_, '>') => return &attributes[index + 1..],
            (At::Equals, '"' | '\'') => {
                if !chars.by_ref().any(|(_, other)| other == char) {
                    return "";
                }
                At::Gap
            }
            (At::Name | At::NameEnded, '=') => At::Equals,
            (At::Gap | At::Name | At::NameEnded, '/') => At::Gap,
            (At::Name | At::NameEnded, char) if char.is_ascii_whitespace() => At::NameEnded,
            (At::Gap | At::Value, char) if char.is_ascii_whitespace() => At::Gap,
            (At::Equals, char) if char.is_ascii_whitespace() => At::Equals,
            (At::Gap | At::Name | At::NameEnded, _) => At::Name,
            (At::Equals | At::Value, _) => At::Value,
        };
    }
    ""
}

/// Keeps of HTML what a chat message needs and nothing that runs, loads or submits.
///
/// What it gives stays as it is when it is cleaned again. That means that browsers, which read what was written, see
/// the very elements that were found harmless: misnested ones are put elsewhere at every reading, and what moves may
/// come to mean something else. What does not come to rest within a few rounds is kept as its words alone.
#[must_use]
pub fn html(html: &str) -> String {
    let mut clean = clean_once(html);
    for _ in 1..MAX_ROUNDS {
        if !is_simple(&clean) {
            break;
        }
        let again = clean_once(&clean);
        if again == clean {
            return clean;
        }
        clean = again;
    }
    words(&clean)
}

fn clean_once(html: &str) -> String {
    static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
        let mut builder = ammonia::Builder::default();
        builder
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .link_rel(Some("noopener noreferrer nofollow"))
            .rm_tags(["img", "map", "area", "audio", "video"])
            // Nobody is shown where a quotation comes from, and its scheme would not be checked.
            .rm_tag_attributes("blockquote", ["cite"])
            .rm_tag_attributes("q", ["cite"])
            .rm_tag_attributes("del", ["cite"])
            .rm_tag_attributes("ins", ["cite"])
            .generic_attributes(HashSet::from(["dir", "lang", "title"]));
        builder
    });
    CLEANER.clean(html).to_string()
}

/// The words of HTML without its tags, for the search.
#[must_use]
pub fn words(html: &str) -> String {
    static STRIPPER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
        let mut builder = ammonia::Builder::empty();
        builder.clean_content_tags(HashSet::from(["script", "style"]));
        builder
    });
    STRIPPER.clean(&html.replace('<', " <")).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_runs_is_kept() {
        for bad in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<a href='javascript:alert(1)'>x</a>",
            "<a href='\tjava\nscript:alert(1)'>x</a>",
            "<svg onload=alert(1)>",
            "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
            "<form action=//e><input name=q></form>",
            "<p style='background:url(//e)'>x</p>",
            "<blockquote cite='vbscript:x'>x</blockquote><q cite='javascript:x'>x</q>",
        ] {
            let clean = super::html(bad);
            for word in ["script", "onerror", "onload", "<svg", "<form", "style", "<img"] {
                assert!(!clean.contains(word), "{bad} became {clean}");
            }
        }
        assert_eq!(
            super::html("<b>a</b> <a href=\"https://x.y/\">z</a>"),
            "<b>a</b> <a href=\"https://x.y/\" rel=\"noopener noreferrer nofollow\">z</a>"
        );
    }

    fn is_quick(html: &str) -> bool {
        let began = std::time::Instant::now();
        let words = super::words(&super::html(html)).len();
        // Slow machines are as slow with what is known to be quick.
        let took = began.elapsed();
        let began = std::time::Instant::now();
        std::hint::black_box(super::words(&super::html(&"<br>".repeat(8_000))));
        took < began.elapsed() * 20 && words < 100_000
    }

    /// As much as a message may have, of what parsers of HTML find hard: one after the other, and each in the last.
    #[test]
    fn html_that_is_hard_to_read_takes_neither_long_nor_the_stack() {
        let fill = |part: &str| part.repeat(32_000 / part.len());
        for part in [
            "<b>",
            "<div>",
            "<a href=x>",
            "<p><b>",
            "<table>",
            "<table><tr><td>",
            "<table>x",
            "<b><table>",
            "<i><p>",
            "<li>",
            "<dd>",
            "<svg>",
            "<math>",
            "<svg><foreignObject>",
            "<math><mtext>",
            "<select>",
            "<template>",
            "<br>",
            "</p>",
            "</b>",
            "<b></p>",
            "<font><p>",
            "<nobr>",
            "<h1>",
            "<ruby><rt>",
            "<blockquote>",
            "<!--",
            "<![CDATA[",
            "<a b=c ",
            "&amp;",
            "&#",
            "<x-y>",
            "<b><i><u><s><p>",
            "<a><table><a>",
            "<form><table><form>",
            "<",
            "<ul><li>",
        ] {
            let hard = fill(part);
            let began = std::time::Instant::now();
            if super::is_simple(&hard) {
                std::hint::black_box(super::words(&super::html(&hard)));
            }
            // Unbounded, some of them take seconds each; the bound is for machines that are slow and busy.
            assert!(began.elapsed() < std::time::Duration::from_secs(10), "{part}: {:?}", began.elapsed());
        }
        for nested in
            ["<div>", "<b>", "<ul><li>", "<blockquote>", "<b></x>", "<p><b>", "<b></p>", "<B>", "<b\n>", "<b/>"]
        {
            assert!(!super::is_simple(&fill(nested)), "{nested}");
        }
        // Ends that are none.
        for hidden in [
            "<b><!--</b>-->",
            "<b title=\"</b>\">",
            "<b title='\"' x=\"</b>\">",
            "<b title=\">\" x=\"</b>\">",
            "<!--><b><!-->",
            "<b><style></b></style>",
            "<b><script>'</b>'</script>",
            "<b><textarea></b></textarea>",
            "<!--><b></b>--><b>",
            "<!--><b>",
            "<!---><b>",
            "<b><!-- --!></b><!-- --!>",
            "<style><b title=\"</style><b>",
            "<svg><style><b title=\"</style></b>\">",
            "<b><![CDATA[</b>]]>",
            "<b =\"></b>",
            "<b><template></b></template>",
            "<b a=b\"></b \">",
            "<b><title></b></title>",
            "<math><b></b>",
        ] {
            let hard = fill(hidden);
            assert!(!super::is_simple(&hard) || is_quick(&hard), "{hidden}");
        }
        // A hundred elements that are opened again for each paragraph.
        let formats: String = (0..90).map(|at| format!("<b title={at}>")).collect();
        assert!(!super::is_simple(&format!("{formats}{}", "<p>".repeat(8_000))));
    }

    #[test]
    fn html_that_people_write_is_simple() {
        let item = "<li><p>A <b>bold</b> and <a href=\"https://x.example\">linked</a> word<br>and more</p></li>";
        let list = format!("<div><ul>{}</ul></div>", item.repeat(300));
        let row = "<tr><td>1<td>2</tr>";
        for html in ["", "a < b", "<3", "x<!-- <b> -->", "<p>one<p>two<p>three", "</b></b>", &list, &row.repeat(1_000)]
        {
            assert!(super::is_simple(html), "{html:.60}");
        }
        assert!(super::is_simple(&"<p>paragraphs that nobody ended".repeat(1_000)));
        assert!(super::is_simple(&"<br>".repeat(8_000)));
    }

    #[test]
    fn what_is_clean_stays_as_it_is() {
        for html in [
            "<a><table><tr><a>nested</a></table></a>",
            "<pre>\n\n\n code</pre>",
            "<pre>\n\n\n\n\n\n\n\n\n\n\n\n code</pre>",
            "<p><table><p></table>",
        ] {
            let clean = super::html(html);
            assert_eq!(super::html(&clean), clean);
        }
        assert_eq!(super::html("<pre>\n code</pre>"), "<pre> code</pre>");
    }

    #[test]
    fn words_stay_apart() {
        assert_eq!(super::words("<p>one</p><p>two</p>").split_whitespace().collect::<Vec<_>>(), ["one", "two"]);
    }
}
