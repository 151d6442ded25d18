//! Folding: the form in which texts are compared for a search.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Folds a text for comparison: without case, accents, Unicode forms, invisible characters, and the kinds of apostrophes,
/// quotation marks and dashes.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

/// Folds texts into one, each on a line of its own.
pub(crate) fn fold_all<const N: usize>(texts: [&str; N]) -> String {
    texts.map(fold).join("\n")
}

/// Appends a folded text.
pub(crate) fn fold_into(folded: &mut String, text: &str) {
    // Most texts are ASCII, and need no tables.
    if text.is_ascii() {
        let start = folded.len();
        folded.push_str(text);
        folded[start..].make_ascii_lowercase();
        return;
    }
    // The acute accent that stands alone is typed as an apostrophe. Its decomposition is a blank and an accent.
    let visible = text.chars().filter(|char| !is_invisible(*char));
    let chars = visible.map(|char| if char == '\u{b4}' { '\'' } else { char });
    for char in DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(chars).filter(|char| !is_accent(*char)) {
        for lower in char.to_lowercase() {
            match replacement(lower) {
                Some(plain) => folded.push_str(plain),
                None => folded.push(lower),
            }
        }
    }
}

/// Whether a character is a combining mark of the blocks for accents. The marks of scripts that write vowels with them stay.
fn is_accent(char: char) -> bool {
    matches!(
        char,
        '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Whether a character takes no room: soft hyphens, joiners, marks of direction and byte order marks. Names that are copied
/// from documents and chats contain them, and nobody types them.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The plain letters of Latin letters that Unicode does not decompose, and the plain forms of punctuation marks that word
/// processors replace.
fn replacement(lower: char) -> Option<&'static str> {
    Some(match lower {
        '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => "'",
        '\u{201c}'..='\u{201f}' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        // The slash of fractions such as ½.
        '\u{2044}' => "/",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' => "d",
        'ħ' => "h",
        'ı' => "i",
        // The sigma at the end of a word.
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folding_removes_what_people_do_not_type() {
        for (text, folded) in [
            ("STRASSE", "strasse"),
            ("Straße ẞ", "strasse ss"),
            ("Æther Øre Łódź Đức Ħamrun İstanbul ısı", "aether ore lodz duc hamrun istanbul isi"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("ﬁn Ａｂ ｶﾞ", "fin ab カ\u{3099}"),
            ("Jean\u{2011}Luc d\u{2bc}Or", "jean-luc d'or"),
            ("Con\u{ad}toso\u{200b} \u{202a}Ltd.\u{202c}\u{feff}", "contoso ltd."),
            ("Nord \u{2013} Süd \u{2014} \u{2212}5", "nord - sud - -5"),
            ("\u{201c}Łódź\u{201d} \u{201e}x\u{201c} ½", "\"lodz\" \"x\" 1/2"),
            ("日本 हिन्दी", "日本 हिन्दी"),
        ] {
            assert_eq!(fold(text), folded);
        }
    }

    proptest! {
        #[test]
        fn folded_texts_fold_to_themselves(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
