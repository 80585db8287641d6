//! Rich text that is safe to show.

use std::collections::HashSet;
use std::sync::LazyLock;

/// How often HTML is cleaned until it stays as it is; two times are enough for nearly all.
const MAX_ROUNDS: usize = 8;

/// Keeps of HTML what a chat message needs and nothing that runs, loads or submits.
///
/// What it gives stays as it is when it is cleaned again. That means that browsers, which read what was written, see
/// the very elements that were found harmless: misnested ones are put elsewhere at every reading, and what moves may
/// come to mean something else. What does not come to rest within a few rounds is kept as its words alone.
#[must_use]
pub fn html(html: &str) -> String {
    let mut clean = clean_once(html);
    for _ in 1..MAX_ROUNDS {
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
