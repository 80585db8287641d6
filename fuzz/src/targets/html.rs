//! Rich text: what is left of any HTML is so plain that a strict reader takes it apart, has nothing that runs, loads or
//! submits, leads to the web and to mail alone, and stays as it is when it is cleaned again.

use cossistant_server::chat::sanitize;
use url::Url;

use crate::{Dice, Target};

/// An input is HTML as a client sends it.
pub(crate) const TARGET: Target = Target {
    name: "html",
    run,
    seeds: || SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    words: WORDS,
    max_bytes: 2_048,
    change: Some(change),
};

/// The elements that text is made of; none of them runs, loads or submits anything.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Attributes that say how something reads.
const ATTRIBUTES: &[&str] = &[
    "align", "char", "charoff", "colspan", "datetime", "dir", "headers", "hreflang", "lang", "rel", "rowspan", "scope",
    "size", "span", "start", "summary", "title", "type", "value", "width",
];

/// Attributes that lead somewhere.
const LINKS: &[&str] = &["href"];

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let clean = sanitize::html(text);
    if let Err(fault) = check(&clean) {
        panic!("{fault}: {clean}");
    }
    assert_eq!(sanitize::html(&clean), clean, "cleaning again changes nothing");
    let words = sanitize::words(&clean);
    assert!(!words.contains(['<', '>']), "{words}");
}

/// Reads HTML as only a careful writer writes it: no comments, no quotes but double ones, nothing unescaped.
fn check(mut html: &str) -> Result<(), String> {
    while let Some((text, markup)) = html.split_once('<') {
        check_text(text)?;
        // No value of an attribute has a sign of its own that ends the tag.
        let (tag, rest) = markup.split_once('>').ok_or("a tag without an end")?;
        html = rest;
        match tag.strip_prefix('/') {
            Some(name) => check_name(name)?,
            None => {
                let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
                check_name(name)?;
                check_attributes(attributes)?;
            }
        }
    }
    check_text(html)
}

fn check_name(name: &str) -> Result<(), String> {
    if ELEMENTS.contains(&name) { Ok(()) } else { Err(format!("the element {name:?}")) }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.contains('>') {
        return Err("a sign that is not escaped".to_owned());
    }
    unescape(text).map(drop)
}

fn check_attributes(mut rest: &str) -> Result<(), String> {
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").ok_or("an attribute without a value")?;
        let (value, behind) = behind.split_once('"').ok_or("a value without an end")?;
        let value = unescape(value)?;
        if LINKS.contains(&name) {
            check_link(&value)?;
        } else if !ATTRIBUTES.contains(&name) {
            return Err(format!("the attribute {name:?}"));
        }
        rest = behind.strip_prefix(' ').unwrap_or(behind);
        if rest.len() == behind.len() && !rest.is_empty() {
            return Err("attributes that are not apart".to_owned());
        }
    }
    Ok(())
}

/// Where a link leads, as browsers read it on a page of the web.
fn check_link(value: &str) -> Result<(), String> {
    let page = Url::parse("https://page.example/").map_err(|error| error.to_string())?;
    match page.join(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "mailto") => Ok(()),
        Ok(url) => Err(format!("a link to {url}")),
        // It leads nowhere.
        Err(_) => Ok(()),
    }
}

/// What escaped text says; an escape that is not one of a careful writer's is a fault.
fn unescape(text: &str) -> Result<String, String> {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or("a sign that is not escaped")?;
        out.push_str(match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "nbsp" => "\u{a0}",
            _ => return Err(format!("the escape {name:?}")),
        });
        out.push_str(rest);
    }
    Ok(out)
}

/// Puts a piece of one of the seeds, or a word, at a random place, or takes something out.
fn change(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    let place = |text: &str, dice: &mut Dice| {
        let mut at = dice.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (one, other) = (place(&text, dice), place(&text, dice));
    let (start, end) = (one.min(other), one.max(other));
    let piece = match dice.below(4) {
        0 => *dice.pick(WORDS),
        1 => "",
        _ => {
            let seed = *dice.pick(SEEDS);
            let (one, other) = (place(seed, dice), place(seed, dice));
            &seed[one.min(other)..one.max(other)]
        }
    };
    // What is replaced is short mostly.
    let end = if dice.below(3) == 0 { end } else { start };
    format!("{}{piece}{}", &text[..start], &text[end..]).into_bytes()
}

const WORDS: &[&str] = &[
    "<a href=\"",
    "<b>",
    "</b>",
    "<p>",
    "</p>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<caption>",
    "<select>",
    "<option>",
    "<svg>",
    "</svg>",
    "<math>",
    "<mtext>",
    "<mglyph>",
    "<foreignObject>",
    "<desc>",
    "<title>",
    "<style>",
    "</style>",
    "<script>",
    "</script>",
    "<template>",
    "<noscript>",
    "<textarea>",
    "<xmp>",
    "<plaintext>",
    "<iframe>",
    "<form>",
    "<input>",
    "<button>",
    "<frameset>",
    "<body>",
    "<html>",
    "<head>",
    "<annotation-xml encoding=\"text/html\">",
    "<!--",
    "-->",
    "--!>",
    "<![CDATA[",
    "]]>",
    "<!doctype html>",
    "<?",
    "javascript:",
    "data:text/html,",
    "vbscript:",
    "&#106;",
    "&Tab;",
    "&colon;",
    "&NewLine;",
    "&lt;",
    "&amp;",
    "&nbsp;",
    " onerror=",
    " style=",
    " srcdoc=",
    "=\"",
    "\">",
    "='",
    "/>",
    "\\",
    "\0",
    "\u{a0}",
    "<ruby><rt>",
    "<rtc>",
    "<details><summary>",
    "<pre>\n",
    "<li>",
    "<dl><dd>",
    "<h1>",
    "<nobr>",
    "<font color=x>",
    "<hr>",
    "<br>",
    "<wbr>",
    "<q cite=",
    "<time datetime=",
    "<bdo dir=",
];

const SEEDS: &[&str] = &[
    "",
    "plain &amp; simple",
    "<b>bold</b> and <i>more</i>",
    "<p>One<p>two<br>three",
    "<a href=\"https://example.com/?a=1&amp;b=2\" title='a \"title\"'>link</a>",
    "<a href=mailto:a@b.c>mail</a> <a href=/path>here</a> <a href=//host/>there</a>",
    "<ul><li>one<li>two</ul><ol start=3><li>x</ol>",
    "<table><thead><tr><th scope=col>h<tbody><tr><td colspan=2>d</table>",
    "<blockquote cite=\"https://x.y/\">q</blockquote><pre>\n code</pre>",
    "<script>alert(1)</script><style>p{}</style>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a><a href='\tjava\nscript:alert(1)'>x</a>",
    "<a href='&#106;avascript&colon;alert(1)'>x</a><a href=' data:text/html,x'>y</a>",
    "<svg onload=alert(1)><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "<math><annotation-xml encoding=\"text/html\"><style><a title=\"</style><img src onerror=alert(1)>\">",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<textarea><b></textarea><xmp></b></xmp><plaintext><i>",
    "<template><p></template></p><select><option><b></select>",
    "<!-- a comment --><!doctype html><?php x ?><![CDATA[ y ]]>",
    "<a><table><tr><a>nested</a></table></a>",
    "<b><i><p></b>misnested</i></p>",
    "<a href=x><div><a href=y>z",
    "<p><table><p></table>",
    "<details><summary>s</summary>d</details><ruby>r<rp>(<rt>t</ruby>",
    "<iframe srcdoc='<script>'></iframe><object data=x></object><embed src=y>",
];
