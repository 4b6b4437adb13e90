use alloc::{format, string::String, vec, vec::Vec};

use super::*;

fn double(token: &str) -> Option<f64> {
    match parse_json_number(token.as_bytes())? {
        Number::Integer(_) => None,
        Number::Double(double) => Some(double),
    }
}

/// Compares with the standard library, bit for bit; where that says infinity, a refusal is right.
fn check_double(token: &str) {
    let want: f64 = token.parse().unwrap();
    let want = want.is_finite().then_some(want.to_bits());
    assert_eq!(double(token).map(f64::to_bits), want, "{token}");
}

/// A generator good enough to choose tests by.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

#[test]
fn integers_are_integers_when_they_fit() {
    for (token, want) in [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-12", -12),
        ("9007199254740993", 9_007_199_254_740_993), // not a double
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(
            parse_json_number(token.as_bytes()),
            Some(Number::Integer(want)),
            "{token}"
        );
    }
    // One beyond: doubles.
    assert_eq!(
        double("9223372036854775808"),
        Some(9_223_372_036_854_775_808.0)
    );
    assert_eq!(
        double("-9223372036854775809"),
        Some(-9_223_372_036_854_775_808.0)
    );
    // A fraction or exponent makes a double, whatever its value.
    assert_eq!(double("1.0"), Some(1.0));
    assert_eq!(double("1e2"), Some(100.0));
    assert_eq!(double("-0.0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
}

#[test]
fn what_is_not_json_is_refused() {
    let long = "1".repeat(129);
    for token in [
        "",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "1e-",
        "1E1.0",
        " 1",
        "1 ",
        "1_000",
        "0x10",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e1e1",
        "--1",
        "1,0",
        "١",
        "1\0",
        "1e 5",
        &long,
    ] {
        assert_eq!(parse_json_number(token.as_bytes()), None, "{token:?}");
    }
    assert!(parse_json_number(&long.as_bytes()[..128]).is_some());
}

#[test]
fn beyond_the_largest_double_is_refused() {
    for token in [
        "1e309",
        "-1e309",
        "1e999999999999999999999",
        "1.7976931348623159e308",
        // Just above the middle between the largest double and 2^1024.
        "1.7976931348623158079372897140530341507993413271003782693617377898044496829276\
         4750946649017977587207096330286416692887911e308",
    ] {
        assert_eq!(parse_json_number(token.as_bytes()), None, "{token}");
        assert!(token.parse::<f64>().unwrap().is_infinite(), "{token}");
    }
    assert_eq!(double("1.7976931348623157e308"), Some(f64::MAX));
    assert_eq!(double("1.7976931348623158e308"), Some(f64::MAX));
    assert_eq!(double("1e-999999999999999999999"), Some(0.0));
    assert_eq!(double("0e999999999999999999999"), Some(0.0));
}

#[test]
fn hard_decimals_round_as_the_standard_library_rounds_them() {
    let exponents = [
        -400, -342, -325, -324, -323, -308, -307, -300, -100, -23, -22, 0, 22, 23, 100,
    ];
    let mut tokens: Vec<String> = vec![];
    for mantissa in [
        "1.0",
        "4.9406564584124654",
        "2.4703282292062327",
        "2.4703282292062328",
        "2.2250738585072011",
        "2.2250738585072014",
        "2.225073858507201136057409796709131975934819546351645648023426109724822",
        "9007199254740992.5",
        "9007199254740993.0",
        "9007199254740993.00000000000000000000000000001",
        "9007199254740994.5",
        "9007199254740995.0",
        "18446744073709551615.0",
        "18446744073709551616.0",
        "36893488147419103233.0",
        "0.00000000000000000000000001",
        "123456789012345678901234567890.123456789012345678901234567890",
        "9.999999999999999999999",
    ] {
        for exponent in exponents.iter().chain(&[200, 290, 300, 307, 308, 309]) {
            tokens.push(format!("{mantissa}e{exponent}"));
        }
    }
    // Just below and above the middles between the largest double and 2^1024, and between the
    // least double and 0.
    for token in [
        "1.7976931348623158079372897140530341507993413271003782693617377898044496829276\
         4750946649017977587207096330286416692887910e308",
        "2.4703282292062327208828439643411068618252990130716238221279284125033775363510\
         437593264991818081799618989828234772285e-324",
        "2.4703282292062327208828439643411068618252990130716238221279284125033775363510\
         437593264991818081799618989828234772286e-324",
    ] {
        tokens.push(token.into());
    }
    for zeros in 0..=100 {
        tokens.push(format!("0.{}1", "0".repeat(zeros)));
        tokens.push(format!("1{}.0", "0".repeat(zeros)));
        tokens.push(format!("{}.0", "9".repeat(zeros + 1)));
    }
    for token in &tokens {
        check_double(token);
        check_double(&format!("-{token}"));
    }
}

#[test]
fn neighbourhoods_of_doubles_round_as_the_standard_library_rounds_them() {
    let mut random = SplitMix(1);
    for _ in 0..2_000 {
        let double = f64::from_bits(random.next());
        if !double.is_finite() {
            continue;
        }
        check_double(&format!("{double:e}"));
        check_double(&format!("{double:.16e}"));
        // One digit less than is needed, and more than can matter.
        check_double(&format!("{double:.15e}"));
        check_double(&format!("{double:.100e}"));
    }
}

#[test]
fn ties_and_their_neighbours_round_as_the_standard_library_rounds_them() {
    // The exact midpoint of two doubles of 54-bit integers times a power of two has few enough
    // digits here to be written out whole.
    let mut random = SplitMix(2);
    for _ in 0..1_000 {
        let midpoint = u128::from(random.next() >> 10 | 1 << 53 | 1) << (random.next() % 60);
        for near in [midpoint - 1, midpoint, midpoint + 1] {
            check_double(&format!("{near}.0"));
            check_double(&format!("{near}e0"));
            check_double(&format!("{near}.000000000000000000000000000000000000001"));
        }
        let half = midpoint as f64 / 4_503_599_627_370_496.0;
        check_double(&format!("{half:.60}"));
    }
}

#[test]
fn random_tokens_round_as_the_standard_library_rounds_them() {
    let mut random = SplitMix(3);
    for _ in 0..5_000 {
        let digits = 1 + random.next() % 30;
        let mut token: String = (0..digits)
            .map(|_| (b'0' + (random.next() % 10) as u8) as char)
            .collect();
        token = format!("{}.{token}", random.next() % 1_000);
        let exponent = (random.next() % 700) as i64 - 350;
        check_double(&format!("{token}e{exponent}"));
    }
}

#[test]
fn comparison_is_exact() {
    use Number::{Double, Integer};
    use Ordering::{Equal, Greater, Less};
    let two_63 = 9_223_372_036_854_775_808.0;
    for (left, right, want) in [
        (Integer(1), Integer(2), Some(Less)),
        (Integer(1), Double(1.0), Some(Equal)),
        (Integer(0), Double(-0.0), Some(Equal)),
        (Double(-0.0), Double(0.0), Some(Equal)),
        (Integer(1), Double(1.5), Some(Less)),
        (Integer(2), Double(1.5), Some(Greater)),
        (Integer(-1), Double(-1.5), Some(Greater)),
        (Integer(-2), Double(-1.5), Some(Less)),
        (Integer(0), Double(5e-324), Some(Less)),
        (Integer(0), Double(-5e-324), Some(Greater)),
        // 2^53 + 1 would round to 2^53.
        (
            Integer(9_007_199_254_740_993),
            Double(9_007_199_254_740_992.0),
            Some(Greater),
        ),
        (Integer(i64::MAX), Double(two_63), Some(Less)),
        (Integer(i64::MIN), Double(-two_63), Some(Equal)),
        (Integer(i64::MIN), Double(-two_63 * 1.5), Some(Greater)),
        (Integer(i64::MAX), Double(f64::MAX), Some(Less)),
        (Double(0.1), Double(0.2), Some(Less)),
        (Integer(1), Double(f64::NAN), None),
        (Integer(1), Double(f64::INFINITY), None),
        (Double(f64::NAN), Double(1.0), None),
        (Double(f64::INFINITY), Double(f64::INFINITY), None),
    ] {
        assert_eq!(compare(left, right), want, "{left:?} and {right:?}");
        let reverse = want.map(Ordering::reverse);
        assert_eq!(compare(right, left), reverse, "{right:?} and {left:?}");
    }
}

#[test]
fn percents_are_parts_per_million() {
    for (token, want) in [
        ("0", Some(0)),
        ("-0", Some(0)), // the integer 0
        ("0.0", Some(0)),
        ("0.0001", Some(1)),
        ("12.5", Some(125_000)),
        ("33.3333", Some(333_333)),
        ("99.9999", Some(999_999)),
        ("100", Some(1_000_000)),
        ("100.0000", Some(1_000_000)),
        ("100.0001", None),
        ("101", None),
        ("1000", None),
        ("-1", None),
        ("-0.0001", None),
        ("0.00001", None),
        ("50.00000", None), // five decimals, zero or not
        ("5e1", None),
        ("050", None),
        ("50.", None),
        (".5", None),
        ("50%", None),
        ("", None),
    ] {
        assert_eq!(parse_percent(token.as_bytes()), want, "{token:?}");
    }
}

#[test]
fn only_exact_integers_are_integral() {
    let limit = 9_007_199_254_740_992.0;
    for (double, want) in [
        (0.0, Some(0)),
        (-0.0, Some(0)),
        (42.0, Some(42)),
        (-42.0, Some(-42)),
        (0.5, None),
        (-1e-300, None),
        (limit - 1.0, Some(9_007_199_254_740_991)),
        (1.0 - limit, Some(-9_007_199_254_740_991)),
        (limit, None),
        (-limit, None),
        (1e300, None),
        (-9_223_372_036_854_775_808.0, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
    ] {
        assert_eq!(integral(double), want, "{double:?}");
    }
}

#[test]
fn decimal_digits_match_the_standard_library() {
    let mut random = SplitMix(4);
    let random = (0..1_000).map(|_| random.next()).enumerate();
    let shifted = random.map(|(i, number)| number >> (i % 64));
    for number in shifted.chain([0, 9, 10, 99, 100, u64::MAX, i64::MAX as u64 + 1]) {
        assert_eq!(write_u64(number, &mut [0; 20]), format!("{number}"));
        let signed = number as i64;
        assert_eq!(write_i64(signed, &mut [0; 20]), format!("{signed}"));
    }
    assert_eq!(write_i64(i64::MIN, &mut [0; 20]), "-9223372036854775808");
}
