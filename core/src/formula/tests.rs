use super::*;

/// The hashes that other libraries publish or compute.
#[test]
fn functions_match_the_values_of_other_libraries() {
    // FIPS 180-4's examples, and lengths around the padding's edges from Python's hashlib of
    // `bytes((i * 7) & 255 for i in range(length))`.
    for (length, want) in [
        (0, 0xDA39_A3EE_5E6B_4B0D_u64),
        (1, 0x5BA9_3C9D_B0CF_F93F_u64),
        (55, 0xAECD_1643_C990_3B9B_u64),
        (56, 0xF5D6_5C62_1C02_CC8E_u64),
        (63, 0x4952_F0FE_097E_4D64_u64),
        (64, 0x1E17_AE1F_C093_E5DA_u64),
        (65, 0xAC44_F5DB_E3E9_B5D2_u64),
        (119, 0xB4A4_E690_60D0_B1E7_u64),
        (120, 0xB651_390C_2996_4063_u64),
        (200, 0x6071_E033_8C68_D8FB_u64),
    ] {
        let text: alloc::vec::Vec<u8> = (0..length).map(|i: usize| (i * 7) as u8).collect();
        let (one, two) = text.split_at(length / 3);
        assert_eq!(sha1_word(one, two), want, "SHA-1 of {length} bytes");
    }
    let digest = imported::sha1(&[b"abc"]);
    assert_eq!(digest.last_chunk(), Some(&0x9CD0_D89D_u32.to_be_bytes()));
    // Python: mmh3.hash(text, seed, signed=False).
    for (text, seed, want) in [
        ("", 0_u32, 0x0000_0000),
        ("", 1_u32, 0x514E_28B7),
        ("a", 0_u32, 0x3C25_69B2),
        ("ab", 86028157_u32, 0x5F07_0A6C),
        ("abc", 0_u32, 0xB3DD_93FA),
        ("abcd", 1_u32, 0x9BF5_4592),
        ("żółw", 0_u32, 0xFD6A_7400),
        ("user-123456", 4294967295_u32, 0x674F_F2C7),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 42_u32, 0x1989_8CFE),
    ] {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (salt, unit) = text.as_bytes().split_at(at);
            assert_eq!(
                imported::murmur3_32(salt, unit, seed),
                want,
                "{text:?}, {seed}, {at}"
            );
        }
    }
    // The test values of the FNV page (Landon Curt Noll).
    for (text, want) in [
        ("", 0x811C_9DC5),
        ("a", 0xE40C_292C),
        ("foobar", 0xBF9C_F968),
    ] {
        let got = imported::fnv1a_32(text.bytes().map(u32::from));
        assert_eq!(got, want, "{text:?}");
    }
    // Java: "hello".hashCode(), "Aa".hashCode() == "BB".hashCode().
    for (text, want) in [("", 0), ("hello", 99_162_322), ("Aa", 2_112), ("BB", 2_112)] {
        assert_eq!(imported::polynomial_31(text), want, "{text:?}");
    }
}

#[test]
fn formulas_give_what_their_sources_publish() {
    let at = |name: &str, modulus, salt: &str, unit: &str| {
        let formula = Formula::named(name).unwrap();
        crate::Hash::Imported { formula, modulus }
            .position(salt, unit)
            .arm
    };
    // LaunchDarkly's published buckets for the flag `hashKey` with the salt `saltyA` and the seed 61
    // (sdk-test-harness): userKeyA 0.42157587, userKeyB 0.6708485, userKeyC 0.10343106; with the seed
    // 0.09801207, 0.14483777, 0.9242641.
    for (salt, unit, millionths) in [
        ("hashKey.saltyA.", "userKeyA", 421_575),
        ("hashKey.saltyA.", "userKeyB", 670_848),
        ("hashKey.saltyA.", "userKeyC", 103_431),
        ("61.", "userKeyA", 98_012),
        ("61.", "userKeyB", 144_837),
        ("61.", "userKeyC", 924_264),
    ] {
        let position = u128::from(at("sha1-60-mod", 1 << 60, salt, unit));
        assert_eq!((position * 1_000_000) >> 60, millionths, "{salt} {unit}");
    }
    // GrowthBook: `hash` of its cases.json, versions 1 and 2.
    assert_eq!(at("fnv1a-32-suffix-mod", 1_000, "", "a"), 220);
    assert_eq!(at("fnv1a-32-suffix-mod", 1_000, "b", "a"), 946);
    assert_eq!(at("fnv1a-32-twice-mod", 10_000, "seed", "a"), 505);
    assert_eq!(at("fnv1a-32-twice-mod", 10_000, "foo", "def"), 2_019);
    // Split counts from 1.
    let unit = "aUfEsdPN1twuEjff9Sl";
    assert_eq!(at("polynomial31-seed-mod", 100, "467569525", unit) + 1, 72);
}

#[test]
fn a_salt_that_is_a_seed_is_written_in_one_way() {
    for (salt, want) in [
        ("0", Some(0)),
        ("-1", Some(u32::MAX)),
        ("4294967295", Some(u32::MAX)),
        ("-2147483648", Some(1 << 31)),
        ("61", Some(61)),
        ("-2147483649", None),
        ("4294967296", None),
        ("99999999999", None),
        ("-0", None),
        ("+1", None),
        ("01", None),
        ("", None),
        ("-", None),
        ("1.0", None),
        (" 1", None),
    ] {
        assert_eq!(seed(salt), want, "{salt:?}");
    }
}

#[test]
fn the_words_of_the_format_are_these_formulas() {
    for (name, max) in crate::schema::MODULUS_HASHES {
        if name == crate::schema::MODULUS_HASH {
            continue;
        }
        let formula = Formula::named(name).unwrap();
        assert_eq!((formula.name(), formula.max_modulus()), (name, max));
    }
    assert_eq!(
        TextUnits::ALL.map(TextUnits::name),
        crate::schema::TEXT_UNITS
    );
}
