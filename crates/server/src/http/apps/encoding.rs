//! In which encoding a file is sent.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

use super::AppFile;

/// The forms of a file, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Plain];

    /// Takes, of the forms that a file has, the one that the client likes best; of those that it likes alike the
    /// smallest. A client that takes none of them is sent the plain one, as HTTP advises.
    pub(super) fn choose(file: &AppFile, request: &HeaderMap) -> (Self, &'static [u8]) {
        let accepted = Accepted::read(request);
        let forms = [file.brotli, file.gzip, Some(file.plain)];
        let liked = Self::ALL.into_iter().zip(forms).filter_map(|(encoding, form)| {
            let weight = accepted.weight(encoding);
            form.filter(|_| weight > 0).map(|form| (weight, encoding, form))
        });
        // Of equals `max_by_key` takes the last, so the smallest must be that.
        let best = liked.rev().max_by_key(|&(weight, ..)| weight);
        best.map_or((Self::Plain, file.plain), |(_, encoding, form)| (encoding, form))
    }

    /// As `Content-Encoding` says it.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }

    /// What a tag ends with: each form has a tag of its own.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gzip",
            Self::Plain => "",
        }
    }
}

/// What `Accept-Encoding` says, in thousandths; none where a coding is not named.
#[derive(Default)]
struct Accepted {
    brotli: Option<u16>,
    gzip: Option<u16>,
    plain: Option<u16>,
    others: Option<u16>,
}

impl Accepted {
    fn read(request: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
        for part in lists.flat_map(|list| list.split(',')) {
            let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "br" => &mut accepted.brotli,
                "gzip" | "x-gzip" => &mut accepted.gzip,
                "identity" => &mut accepted.plain,
                "*" => &mut accepted.others,
                _ => continue,
            };
            *place = Some(weight(parameters));
        }
        accepted
    }

    fn weight(&self, encoding: Encoding) -> u16 {
        match encoding {
            Encoding::Brotli => self.brotli.or(self.others).unwrap_or(0),
            Encoding::Gzip => self.gzip.or(self.others).unwrap_or(0),
            // It is always taken unless it is refused, but nobody asks for it who does not name it.
            Encoding::Plain => self.plain.or(self.others.filter(|&weight| weight == 0)).unwrap_or(1),
        }
    }
}

/// The weight of parameters such as `q=0.5`. One that cannot be read is a refusal: what is sent is understood then.
fn weight(parameters: &str) -> u16 {
    let Some(value) = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    }) else {
        return 1000;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    value.parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: AppFile = AppFile {
        path: "/a.js",
        media: "text/javascript",
        tag: "a",
        plain: b"plain",
        brotli: Some(b"b"),
        gzip: Some(b"g"),
    };

    fn chosen(file: &AppFile, lists: &[&str]) -> Encoding {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(ACCEPT_ENCODING, list.parse().unwrap());
        }
        Encoding::choose(file, &headers).0
    }

    #[test]
    fn the_smallest_of_what_the_client_likes_best_is_sent() {
        use Encoding::{Brotli, Gzip, Plain};
        for (lists, expected) in [
            (&[][..], Plain),
            (&[""], Plain),
            (&["gzip, deflate, br, zstd"], Brotli),
            (&["gzip, deflate"], Gzip),
            (&["x-gzip"], Gzip),
            (&["GZIP ; Q=0.3"], Gzip),
            (&["deflate"], Plain),
            (&["gzip", "br"], Brotli),
            (&["*"], Brotli),
            (&["*;q=0.1, br;q=0"], Gzip),
            (&["br;q=0.5, gzip;q=0.9"], Gzip),
            (&["br;q=0.5, identity;q=0.9"], Plain),
            (&["br;q=0, gzip;q=0.000"], Plain),
            (&["identity"], Plain),
            (&["br;q=0.001"], Brotli),
            (&["br;q=x, gzip;q=0.1"], Gzip),
            (&["br;q=NaN, gzip;q=0.1"], Gzip),
            (&["br;q=7, gzip"], Brotli),
            // Nothing is taken: HTTP advises to send the plain form.
            (&["*;q=0"], Plain),
            (&["identity;q=0"], Plain),
        ] {
            assert_eq!(chosen(&FILE, lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn a_form_that_does_not_exist_is_not_sent() {
        let bare = AppFile { brotli: None, gzip: None, ..FILE };
        assert_eq!(chosen(&bare, &["br, gzip"]), Encoding::Plain);
        assert_eq!(chosen(&AppFile { brotli: None, ..FILE }, &["br, gzip;q=0.1"]), Encoding::Gzip);
    }
}
