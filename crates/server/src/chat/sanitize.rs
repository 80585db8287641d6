//! Rich text that is safe to show.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Keeps of HTML what a chat message needs and nothing that runs, loads or submits.
pub(super) fn html(html: &str) -> String {
    static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
        let mut builder = ammonia::Builder::default();
        builder
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .link_rel(Some("noopener noreferrer nofollow"))
            .rm_tags(["img", "map", "area", "audio", "video"])
            .generic_attributes(HashSet::from(["dir", "lang", "title"]));
        builder
    });
    CLEANER.clean(html).to_string()
}

/// The words of HTML without its tags, for the search.
pub(super) fn words(html: &str) -> String {
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
    fn words_stay_apart() {
        assert_eq!(super::words("<p>one</p><p>two</p>").split_whitespace().collect::<Vec<_>>(), ["one", "two"]);
    }
}
