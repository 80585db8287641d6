//! Streams to begin with, after the groups of Autobahn's cases.

use cossistant_server::gateway::deflate::Deflater;

use super::{BINARY, DEFLATE, FROM_SERVER, ROOMY};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    frame
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let text = |text: &str| frame(FIN | 1, text.as_bytes());
    let close = |payload: &[u8]| frame(FIN | 8, payload);
    let mut deflater = Deflater::new();
    let deflated = |text: &str, deflater: &mut Deflater| frame(FIN | RSV1 | 1, deflater.deflate(text.as_bytes()));
    let clients = [
        // 1: messages of some lengths.
        [text(""), text("a"), text(&"*".repeat(125)), text(&"*".repeat(126)), text(&"*".repeat(200))].concat(),
        text(&"*".repeat(201)),
        [frame(FIN | 2, b""), frame(FIN | 2, &[0xff; 127])].concat(),
        [FIN | 1, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4].to_vec(),
        [FIN | 1, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4].to_vec(),
        // 2: pings and pongs.
        [frame(FIN | 9, b""), frame(FIN | 9, b"payload"), frame(FIN | 10, b"unasked")].concat(),
        frame(FIN | 9, &[0xfe; 125]),
        frame(FIN | 9, &[0xfe; 126]),
        // 3 and 4: reserved bits and opcodes.
        [text("first"), frame(FIN | 0x20 | 1, b"second")].concat(),
        frame(FIN | RSV1 | 9, b""),
        frame(FIN | 3, b"x"),
        frame(FIN | 11, b"x"),
        b"\x81\x05Hello".to_vec(),
        // 5: fragments, with others in between.
        [frame(1, b"frag"), frame(FIN | 9, b"between"), frame(0, b""), frame(FIN, b"ment"), text("next")].concat(),
        [frame(1, b"frag"), text("not a continuation")].concat(),
        frame(FIN, b"continues nothing"),
        frame(0, b"continues nothing"),
        frame(9, b"part of a ping"),
        [frame(1, b"a"), frame(0, b"b"), frame(0, b"c"), frame(0, b"d"), frame(FIN, b"e")].concat(),
        [frame(2, &[1; 150]), frame(FIN, &[2; 51])].concat(),
        // 6: UTF-8, whole, cut within a character, and wrong.
        [text("κόσμε"), frame(1, b"\xce"), frame(FIN, b"\xba")].concat(),
        frame(1, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"),
        text("\u{10ffff}\0\u{fffe}"),
        frame(FIN | 1, b"\xf4\x90\x80\x80"),
        frame(FIN | 1, b"\xc0\xaf"),
        [frame(1, b"\xf0\x9f"), frame(FIN | 10, b""), frame(FIN, b"\x98")].concat(),
        // 7: closes.
        close(b""),
        [close(b"\x03\xe8bye"), text("unheard")].concat(),
        close(b"\x03"),
        close(b"\x03\xec"),
        close(b"\x03\xf7"),
        close(b"\x0b\xb8"),
        close(b"\x13\x87"),
        close(b"\x13\x88"),
        close(b"\x03\xe8\xff"),
        close(&[&[0x03, 0xe8], &[b'x'; 123][..]].concat()),
        [frame(1, b"half"), close(b"\x03\xe9")].concat(),
        // 12 and 13: compressed ones, also in parts.
        [deflated("Hello", &mut deflater), deflated("", &mut deflater), text("plain")].concat(),
        deflated(&"x".repeat(200), &mut deflater),
        deflated(&"x".repeat(201), &mut deflater),
        [frame(RSV1 | 1, b"\xf2\x48"), frame(FIN | 9, b"p"), frame(FIN, b"\xcd\xc9\xc9\x07\x00")].concat(),
        [frame(RSV1 | 1, b"\xf2"), frame(FIN | RSV1, b"\x48\xcd\xc9\xc9\x07\x00")].concat(),
        frame(FIN | RSV1 | 1, b"\xff\xff"),
        frame(FIN | RSV1 | 2, b""),
    ];
    let mut seeds = Vec::new();
    for stream in clients {
        for flags in [BINARY, DEFLATE, BINARY | DEFLATE | ROOMY] {
            seeds.push([&[flags, 7], &stream[..]].concat());
        }
    }
    let servers: [&[u8]; 4] =
        [b"\x81\x05Hello", b"\x89\x01p\x8a\x00", b"\x88\x02\x03\xe8", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"];
    seeds.extend(servers.map(|stream| [&[FROM_SERVER | DEFLATE, 3], stream].concat()));
    seeds
}
