//! Upper and lower case beyond A to Z.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Every text whose lower-case form is that of `text`, up to the case of A to Z, which `ignoreCase` leaves open;
/// `None` when they are too many to write down.
pub(crate) fn case_variants(text: &str) -> Option<Vec<String>> {
    const MOST: usize = 64;
    let mut variants = Vec::from([String::new()]);
    for character in text.to_lowercase().chars() {
        let mut forms = Vec::from([character]);
        if !character.is_ascii() {
            let mut upper = character.to_uppercase();
            if let (Some(upper), None) = (upper.next(), upper.next()) {
                let mut back = upper.to_lowercase();
                if upper != character && back.next() == Some(character) && back.next().is_none() {
                    forms.push(upper);
                }
            }
        }
        // Signs whose lower case is the letter. The Kelvin sign for `k` is left out: every `k` would be written twice.
        forms.extend(match character {
            'å' => Some('\u{212B}'),
            'ω' => Some('\u{2126}'),
            _ => None,
        });
        if variants.len() * forms.len() > MOST {
            return None;
        }
        variants = variants
            .iter()
            .flat_map(|start| forms.iter().map(move |form| format!("{start}{form}")))
            .collect();
    }
    Some(variants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_case_are_all_that_have_one_lower_case() {
        assert_eq!(case_variants("Ab").unwrap(), ["ab"]);
        assert_eq!(case_variants("É").unwrap(), ["é", "É"]);
        assert_eq!(case_variants("Å").unwrap(), ["å", "Å", "\u{212B}"]);
        assert!(case_variants(&"é".repeat(20)).is_none());
    }
}
