use alloc::vec::Vec;

use super::*;

#[test]
fn lists_match_another_encoder() {
    // Python: base64.b64encode of the differences in LEB128, ten lines by the definition.
    let lists: &[(&str, &[u64])] = &[
        ("", &[]),
        ("AA==", &[0]),
        ("AQ==", &[1]),
        ("fw==", &[127]),
        ("gAE=", &[128]),
        ("AAE=", &[0, 1]),
        ("AP///////////wE=", &[0, 0xFFFF_FFFF_FFFF_FFFF]),
        ("////////////AQ==", &[0xFFFF_FFFF_FFFF_FFFF]),
        (
            "/v//////////AQE=",
            &[0xFFFF_FFFF_FFFF_FFFE, 0xFFFF_FFFF_FFFF_FFFF],
        ),
        ("AQEBAQ==", &[1, 2, 3, 4]),
        (
            "9rbdg7X2jvEOk6yh2qTaktyGAeGMyNbPpe3FVg==",
            &[
                0x0EE2_3BB3_5077_5B76,
                0x959A_8685_9BBF_B189,
                0xEC26_3BB2_9691_B7EA,
            ],
        ),
        (
            "AX+Af4CAf4CAgH+AgICAf4CAgICAf4CAgICAgH+AgICAgICAf4CAgICAgICAfw==",
            &[
                1,
                128,
                0x0000_0000_0000_4000,
                0x0000_0000_0020_0000,
                0x0000_0000_1000_0000,
                0x0000_0008_0000_0000,
                0x0000_0400_0000_0000,
                0x0002_0000_0000_0000,
                0x0100_0000_0000_0000,
                0x8000_0000_0000_0000,
            ],
        ),
    ];
    for (text, ids) in lists {
        assert_eq!(
            decode_ids(text.as_bytes(), 10).as_deref(),
            Ok(*ids),
            "{text}"
        );
        let unpadded = text.trim_end_matches('=');
        assert_eq!(
            decode_ids(unpadded.as_bytes(), 10).as_deref(),
            Ok(*ids),
            "{unpadded}"
        );
        let mut ids: Vec<u64> = ids.iter().rev().chain(*ids).copied().collect();
        assert_eq!(encode_ids(&mut ids), *text);
    }
}

#[test]
fn long_lists_come_back() {
    let mut ids: Vec<u64> = (0..10_000_u64)
        .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    let text = encode_ids(&mut ids);
    let read = decode_ids(text.as_bytes(), 10_000).unwrap();
    assert!(read == ids && read.is_sorted());
    assert_eq!(read.capacity(), 10_000);
    let error = HashedIdsError {
        position: 0,
        problem: HashedIdsProblem::TooMany,
    };
    assert_eq!(decode_ids(text.as_bytes(), 9_999), Err(error));
}

#[test]
fn every_byte_survives_base64() {
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for length in 0..bytes.len() {
        let text = encode_base64(&bytes[..length]);
        assert_eq!(text.len() % 4, 0);
        let back: Result<Vec<u8>, usize> = Bytes::new(text.as_bytes()).collect();
        assert_eq!(back.as_deref(), Ok(&bytes[..length]), "{length} bytes");
    }
    // RFC 4648 section 10.
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
    ] {
        assert_eq!(encode_base64(bytes.as_bytes()), text);
    }
}

#[test]
fn what_does_not_read_says_where() {
    use HashedIdsProblem::{Base64, Number, Order, TooMany};
    for (text, position, problem) in [
        ("A", 1, Base64), // six bits are no byte
        ("AQID_", 4, Base64),
        ("-w==", 0, Base64), // the alphabet for URLs
        ("AQ ==", 2, Base64),
        ("AQ\n==", 2, Base64),
        ("AQ=", 2, Base64), // padding, but not all of it
        ("=", 0, Base64),
        ("====", 0, Base64),
        ("A===", 1, Base64),
        ("AQ==AQ==", 2, Base64), // padding inside
        ("AR==", 2, Base64),     // bits beyond the byte
        ("AR", 2, Base64),
        ("AQJ", 3, Base64),
        ("ä", 0, Base64),
        ("gA==", 4, Number), // ends inside a number
        ("Af8=", 4, Number),
        ("gQA=", 3, Number),              // 1 in two bytes
        ("gICAgICAgICAAg==", 14, Number), // 65 bits
        ("/////////////wE=", 14, Number),
        ("AQA=", 3, Order),              // twice
        ("AAA=", 3, Order),              // twice
        ("////////////AQE=", 15, Order), // beyond 2^64
        ("AQEBAQEBAQEBAQE=", 0, TooMany),
    ] {
        let want = HashedIdsError { position, problem };
        assert_eq!(decode_ids(text.as_bytes(), 10), Err(want), "{text:?}");
    }
}
