//! The two dates of a certificate, read out of its DER form; nothing else of it is looked at.

use cossistant_protocol::Timestamp;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which certificates of the first one lack.
const VERSION: u8 = 0xa0;

/// From when until when a certificate is valid; `None` if it is none, or its dates are of no known form.
pub(super) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (mut fields, _) = take(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        (_, fields) = take(fields, VERSION)?;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = take(fields, tag)?;
    }
    let (dates, _) = take(fields, SEQUENCE)?;
    let (from, dates) = time(dates)?;
    let (until, _) = time(dates)?;
    Some((from, until))
}

/// The content of the first value, which must have this tag, and what is behind it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match *short {
        short if short < 0x80 => (usize::from(short), rest),
        // A length of up to four bytes of its own.
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let tag = *der.first()?;
    let (text, rest) = take(der, tag)?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let text = match tag {
        // Two digits of the year: up to 49 they are of this century.
        UTC_TIME if text.len() == 13 && text < "50" => format!("20{text}"),
        UTC_TIME if text.len() == 13 => format!("19{text}"),
        GENERALIZED_TIME if text.len() == 15 => text.to_owned(),
        _ => return None,
    };
    let [year, month, day] = [&text[..4], &text[4..6], &text[6..8]];
    let [hour, minute, second] = [&text[8..10], &text[10..12], &text[12..14]];
    let written = format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000{}", &text[14..]);
    Some((written.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let pem = include_bytes!("../webhook/send/certificates/receiver.pem");
        let der = CertificateDer::from_pem_slice(pem).expect("a certificate");
        let (from, until) = validity(&der).expect("it has dates");
        assert!(from < until, "{from} {until}");
        // `openssl x509 -enddate` says the same.
        assert_eq!((from.to_string().as_str(), until.to_string().as_str()), (FROM, UNTIL));
        for cut in 0..der.len().min(200) {
            assert_eq!(validity(&der[..cut]), None, "{cut} bytes are no certificate");
        }
    }

    const FROM: &str = "2026-11-26T23:15:08.000Z";
    const UNTIL: &str = "2126-11-02T23:15:08.000Z";

    #[test]
    fn both_forms_of_time_are_read() {
        let of = |tag: u8, text: &str| {
            let der = [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
            time(&der).map(|(at, _)| at.to_string())
        };
        assert_eq!(of(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59.000Z"));
        assert_eq!(of(UTC_TIME, "991231235959Z").as_deref(), Some("1999-12-31T23:59:59.000Z"));
        assert_eq!(of(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00.000Z"));
        for (tag, text) in [
            (UTC_TIME, "4912312359Z"),
            (UTC_TIME, "491331235959Z"),
            (UTC_TIME, "4912312359590"),
            (GENERALIZED_TIME, "2050010100000Z"),
            (GENERALIZED_TIME, "20500101000000+"),
            (INTEGER, "491231235959Z"),
        ] {
            assert_eq!(of(tag, text), None, "{text}");
        }
    }
}
