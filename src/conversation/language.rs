//! Which language a caller's turn was in, so that the reply can follow it: script, Cantonese and Mandarin function words,
//! share of English words, the recogniser's own view, and what was spoken before. "Neutral" is a real answer: then the
//! language of the call goes on. One English noun in Cantonese does not make English.

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::{Readings, Script};
use crate::speech::Language;

/// Characters of spoken Cantonese that Mandarin does not write.
const CANTONESE: &str = "嘅咗唔喺佢啲冇嚟咁嗰乜咩哋畀攞瞓搵揾諗嘢啱噉㗎喇囉喎嘞係睇";
/// Characters of Mandarin that spoken Cantonese does not use, in either script.
const MANDARIN: &str = "们們这這那么麼没沒吗嗎怎的了是她他它";
/// English words that Hong Kong Cantonese and Mandarin speakers say alone.
const LOANS: [&str; 24] = [
    "bill",
    "plan",
    "roaming",
    "data",
    "sim",
    "card",
    "ok",
    "okay",
    "hello",
    "hi",
    "bye",
    "check",
    "cancel",
    "app",
    "email",
    "wifi",
    "account",
    "password",
    "internet",
    "broadband",
    "sorry",
    "call",
    "phone",
    "online",
];

/// A judgement and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The language.
    pub language: Language,
    /// In a word.
    pub evidence: &'static str,
}

/// What went before.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Language of the last reply.
    pub current: Language,
    /// The Chinese language that this caller used last, or that the line begins with.
    pub chinese: Language,
}

/// Judges one turn.
pub fn judge(text: &str, views: &Views, engine: Option<Language>, before: Before, readings: &Readings) -> Judged {
    let words = views.tokens.iter().filter_map(|token| match token {
        Token::Word(word) if !word.chars().all(|c| c.is_ascii_digit()) => Some(word.as_str()),
        Token::Word(_) | Token::Han(_) => None,
    });
    let words: Vec<&str> = words.collect();
    let han = views.count().0;
    let judged = |language, evidence| Judged { language, evidence };
    if han == 0 {
        return match (words.as_slice(), engine) {
            ([], _) => judged(before.current, "nothing said"),
            ([one], None) if LOANS.contains(one) => judged(before.current, "one loan word"),
            ([_], Some(language)) => judged(language, "recogniser"),
            ([..], _) => judged(Language::English, "english words"),
        };
    }
    if words.len() >= 3 && han * 2 <= words.len() {
        return judged(Language::English, "mostly english words");
    }
    let (mut cantonese, mut mandarin) = (0, 0);
    for c in text.chars() {
        cantonese += i32::from(CANTONESE.contains(c)) * 2;
        mandarin += i32::from(MANDARIN.contains(c)) * 2;
        match readings.script(c) {
            Some(Script::Traditional) => cantonese += 1,
            Some(Script::Simplified) => mandarin += 2,
            None => {}
        }
    }
    match engine {
        Some(Language::Cantonese) => cantonese += 3,
        Some(Language::Mandarin) => mandarin += 3,
        Some(Language::English) | None => {}
    }
    match cantonese.cmp(&mandarin) {
        std::cmp::Ordering::Greater => judged(Language::Cantonese, "cantonese characters"),
        std::cmp::Ordering::Less => judged(Language::Mandarin, "mandarin characters"),
        std::cmp::Ordering::Equal => judged(before.chinese, "neutral characters"),
    }
}

/// A language that the caller asks for: 「講普通話」, "English please".
pub fn asked_for(views: &Views) -> Option<Language> {
    let said = views.joined();
    let names = [
        (Language::Mandarin, ["普通話", "國語", " mandarin ", " putonghua "]),
        (Language::Cantonese, ["廣東話", "粵語", " cantonese ", "白話"]),
        (Language::English, ["英文", "英語", " english ", "鬼佬話"]),
    ];
    let (language, _) = names.into_iter().find(|(_, names)| names.iter().any(|name| said.contains(name)))?;
    let verbs = ["講", "説", "說", "轉", "用", "識", " speak ", " in ", " please ", " use ", " to ", "服務", "service"];
    (views.core.len() <= 4 || views.core.len() <= 12 && verbs.iter().any(|verb| said.contains(verb)))
        .then_some(language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_caller() {
        let readings = Readings::load();
        let yue = Before { current: Language::Cantonese, chinese: Language::Cantonese };
        let eng = Before { current: Language::English, chinese: Language::Mandarin };
        let table = [
            ("我想查詢我張單", None, yue, Language::Cantonese),
            ("我想check下個bill", None, yue, Language::Cantonese),
            ("我要查账单", None, yue, Language::Mandarin),
            ("转人工", None, yue, Language::Mandarin),
            ("i want to check my bill", None, yue, Language::English),
            ("bill", None, yue, Language::Cantonese),
            ("bill", None, eng, Language::English),
            ("operator", None, yue, Language::English),
            ("我想 check roaming plan", None, yue, Language::Cantonese),
            ("唔 i want to check my bill", None, yue, Language::English),
            ("三", None, yue, Language::Cantonese),
            ("三", None, eng, Language::Mandarin),
            ("三", Some(Language::Mandarin), yue, Language::Mandarin),
            ("", None, eng, Language::English),
            ("91234567", None, yue, Language::Cantonese),
        ];
        for (text, engine, before, expected) in table {
            let judged = judge(text, &Views::of(text, &readings), engine, before, &readings);
            assert_eq!(judged.language, expected, "{text} {judged:?}");
        }
    }

    #[test]
    fn hears_a_request_for_a_language() {
        let readings = Readings::load();
        let table = [
            ("講普通話", Some(Language::Mandarin)),
            ("可以说普通话吗", Some(Language::Mandarin)),
            ("English please", Some(Language::English)),
            ("can you speak english", Some(Language::English)),
            ("我想講廣東話", Some(Language::Cantonese)),
            ("唔該寄張英文賬單畀我屋企", None),
            ("我想查詢我張單", None),
        ];
        for (text, expected) in table {
            assert_eq!(asked_for(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
