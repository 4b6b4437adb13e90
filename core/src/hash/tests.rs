extern crate std;

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use super::*;

/// Bytes without a pattern, so that swapped or repeated words show.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn xxh64_matches_the_values_of_another_library() {
    // The sanity buffer of the reference implementation, its prime seed; computed with the Python
    // package xxhash.
    let mut generator = 2_654_435_761_u64;
    let buffer: Vec<u8> = core::iter::repeat_with(|| {
        let byte = (generator >> 56) as u8;
        generator = generator.wrapping_mul(11_400_714_785_074_694_797);
        byte
    })
    .take(222)
    .collect();
    for (length, unseeded, seeded) in [
        (0, 0xEF46_DB37_51D8_E999, 0xAC75_FDA2_929B_17EF),
        (1, 0xE934_A84A_DB05_2768, 0x5014_6076_43A9_B4C3),
        (4, 0x9136_A0DC_A574_57EE, 0xCAAB_286B_D8E9_FDB5),
        (14, 0x8282_DCC4_994E_35C8, 0xC3BD_6BF6_3DEB_6DF0),
        (222, 0xB641_AE8C_B691_C174, 0x20CB_8AB7_AE10_C14A),
    ] {
        let text = &buffer[..length];
        assert_eq!(xxh64(text, 0), unseeded, "length {length}");
        assert_eq!(xxh64(text, 2_654_435_761), seeded, "length {length}");
    }
}

#[test]
fn xxh64_agrees_with_xxhash_rust_at_every_length() {
    let text = bytes(300);
    for length in 0..=300 {
        for seed in [0, 1, 42, 0x8000_0000_0000_0000, u64::MAX] {
            let part = &text[..length];
            let want = xxhash_rust::xxh64::xxh64(part, seed);
            assert_eq!(xxh64(part, seed), want, "length {length}, seed {seed}");
        }
    }
}

#[test]
fn salted_hash_matches_the_values_of_another_library() {
    // Python: xxhash.xxh64(salt + b"\x1f" + unit, seed).intdigest(), seeds 0 and 42.
    for (salt, unit, unseeded, seeded) in [
        (
            "new-checkout/eu-first",
            "user-1",
            0x0EE2_3BB3_5077_5B76,
            0xD513_DD21_1AAA_7EFE,
        ),
        ("a", "bc", 0x959A_8685_9BBF_B189, 0x954B_0376_A9D2_8A5C),
        ("ab", "c", 0x6DBF_78EC_71E8_63E9, 0x2A11_8310_3B15_2B27),
        ("", "", 0x4C7F_8D21_E9DD_7505, 0x9CD8_117C_A61C_7281),
        ("exp-42/1", "", 0x32E1_9C7E_4D07_90AB, 0xBA4C_3003_21BD_9057),
        (
            "exp-42/1",
            "user-000042",
            0x770E_D54E_BEDA_63B8,
            0x41D5_C979_1AE0_1C00,
        ),
        (
            "layer:checkout",
            "00000000-0000-4000-8000-000000000000",
            0xEC26_3BB2_9691_B7EA,
            0x3858_FD1A_2444_3DB1,
        ),
        (
            "żółw",
            "日本語",
            0xF2F0_7266_3144_F807,
            0x052A_A509_4814_57B5,
        ),
        (
            "holdout:q4",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            0x9B2F_D057_A201_E01F,
            0x0B7C_712C_63A1_9FB1,
        ),
        ("0123456", "x", 0xC1BD_3BCB_9B04_34E3, 0x5FAB_B43B_7252_BEB7),
        (
            "01234567",
            "yyyyyyyyyyyyyyyyyyyyyyy",
            0xBF23_BFCC_3755_F7C4,
            0xBBFA_CE95_6357_92CD,
        ),
    ] {
        let hash = |seed| xxh64_salted(salt.as_bytes(), unit.as_bytes(), seed);
        assert_eq!(hash(0), unseeded, "salt {salt:?}, unit {unit:?}");
        assert_eq!(hash(42), seeded, "salt {salt:?}, unit {unit:?}, seed 42");
    }
}

#[test]
fn salted_hash_is_the_hash_of_the_joined_text() {
    let text = bytes(200);
    for salt_length in 0..80 {
        for unit_length in 0..=90 {
            let (salt, unit) = (&text[..salt_length], &text[100..100 + unit_length]);
            let joined = [salt, &[0x1F], unit].concat();
            let want = xxhash_rust::xxh64::xxh64(&joined, 42);
            let got = xxh64_salted(salt, unit, 42);
            assert_eq!(got, want, "salt of {salt_length}, unit of {unit_length}");
        }
    }
}

#[test]
fn digests_match_hashlib() {
    // Lengths around the padding's edges; Python: bytes((i * 7) & 255 for i in range(length)).
    for (length, sha, md) in [
        (
            0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
        (
            1,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "93b885adfe0da089cdf634904fd59f71",
        ),
        (
            55,
            "576a1bf8d4478657e6dc4af9398544765c2a92cde28478b019235cfed315fc09",
            "8d24280288a696559fd8d5aa1b6d8c6e",
        ),
        (
            56,
            "9b20501dfd1d99161c257950f3444f3e49230c351c5c8e0943ef369f85f5205d",
            "ef2c72b7254c92459e498eddd4ace573",
        ),
        (
            63,
            "30b345906b493f06f69444b6521113511c242f30e29840462950035043682f1e",
            "c4c8c6d513f4e1604eb18508a1769364",
        ),
        (
            64,
            "d8bc63b4fc1156e5e7d95a418b9bf54cd3174bedbc2db40f74895349b229b3c0",
            "a2fcb39a253b9b785b1f97518fa37683",
        ),
        (
            65,
            "1ee23b0fbcaecc1aff4a9e8f1645f35ab2c8e13609cd73b68df8b5e3f63ce073",
            "e49fe82d0bb12967a196c85de313e446",
        ),
        (
            119,
            "7a6589821178918ca8d9edaba5abfc1e9b2669564f4469b66885379c1530b2c8",
            "1640deea49ebb258ec6ede18d4b2d2d7",
        ),
        (
            120,
            "655250427d56b1b0eeb8497d21428704273458a01772d6881b65c0abac0f8a98",
            "05f879f7b542a7ebf0605adff67d4423",
        ),
        (
            200,
            "b531abd8dae7232c861ac9f50aff9952d29c8d4c3772551cc5bce5d39d2cd08d",
            "d96c89b9da43f6903ceaa14a7166a22e",
        ),
    ] {
        let text: Vec<u8> = (0..length).map(|i: usize| (i * 7) as u8).collect();
        let (one, two) = text.split_at(length / 3);
        assert_eq!(hex(&sha256(&[one, two])), sha, "SHA-256 of {length}");
        #[cfg(not(feature = "imported"))]
        let _ = md;
        #[cfg(feature = "imported")]
        assert_eq!(hex(&md5(&[one, b"", two])), md, "MD5 of {length}");
    }
    assert_eq!(
        hex(&sha256_salted(b"exp-42/1", b"user-1")),
        "7066b4234b694d339feb22b1c622a7de9f771d044e06ebecb1c506af7dd05b49"
    );
}

#[test]
fn key_hash_spreads_similar_keys() {
    // Every text of `a`s up to 70 long, and each with one letter changed.
    let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
    for length in 0..=70 {
        keys.insert([b'a'].repeat(length));
        for at in 0..length {
            let mut key = [b'a'].repeat(length);
            key[at] = b'b';
            keys.insert(key);
        }
    }
    let hashes: BTreeSet<u64> = keys.iter().map(|key| key_hash(key, 7)).collect();
    assert_eq!(hashes.len(), keys.len());
    // n keys thrown at 4,096 places take 4,096 * (1 - e^(-n / 4,096)) of them on average, with a
    // standard deviation below sqrt(n) / 2; the limit is four of those.
    let places: BTreeSet<u64> = hashes.iter().map(|hash| hash % 4_096).collect();
    let count = keys.len() as f64;
    let expected = 4_096.0 * (1.0 - (-count / 4_096.0).exp());
    assert!(
        places.len() as f64 > expected - 2.0 * count.sqrt(),
        "{} places",
        places.len()
    );
}

#[test]
fn a_salt_made_ready_hashes_as_the_joined_text() {
    let text: Vec<u8> = (0u8..=200).map(|byte| byte.wrapping_mul(37)).collect();
    for salt in 0..40 {
        let salt = &text[..salt];
        let prefix = Prefix::new(salt);
        for unit in 0..120 {
            let unit = &text[40..40 + unit];
            for seed in [0, 42] {
                let want = (salt.len() < 31).then(|| xxh64_salted(salt, unit, seed));
                let got = prefix.xxh64(unit, seed);
                assert_eq!(got, want, "{} + {}", salt.len(), unit.len());
            }
        }
    }
}

#[test]
fn texts_are_the_same_when_every_byte_is() {
    for length in 0..40 {
        let text: Vec<u8> = (0..length).collect();
        assert!(same(&text, &text.clone()));
        assert!(!same(&text, &[&text[..], &[0]].concat()));
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 0x40;
            assert!(!same(&text, &other), "{length}, {at}");
        }
    }
}
