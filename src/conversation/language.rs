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

/// Characters from which a turn is taken for a sentence.
const SENTENCE: usize = 5;

/// How much a turn says about its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Nothing: digits, a loan word, characters of both. The call's language goes on.
    Neutral,
    /// A hint.
    Weak,
    /// A few function words, or a short phrase.
    Clear,
    /// A whole sentence.
    Overwhelming,
}

/// A judgement and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The language.
    pub language: Language,
    /// In a word.
    pub evidence: &'static str,
    /// How sure.
    pub strength: Strength,
}

/// The language of the replies, following the caller's turns.
///
/// | turn | reply |
/// |---|---|
/// | neutral, or in the reply's language | stays |
/// | another language, at least clear, the first that tells anything | changes at once |
/// | another language, overwhelming | changes at once |
/// | another language, twice in a row (three times after a request for a language) | changes |
/// | asks for a language | changes at once, and is held |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// What the next turn is judged against.
    pub before: Before,
    candidate: Option<(Language, u8)>,
    trust: Trust,
}

/// How easily the language is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// The line's own; the caller has said nothing that tells.
    Assumed,
    /// The caller speaks it.
    Heard,
    /// The caller asked for it.
    Asked,
}

impl Follow {
    /// The line's own language.
    pub fn new(before: Before) -> Self {
        Self { before, candidate: None, trust: Trust::Assumed }
    }

    /// The caller asked for this language.
    pub fn asked(&mut self, language: Language) {
        self.change(language);
        self.trust = Trust::Asked;
    }

    /// Hears one turn.
    pub fn hear(&mut self, judged: Judged) {
        if judged.strength == Strength::Neutral {
            return;
        }
        if judged.language == self.before.current {
            self.candidate = None;
            if self.trust == Trust::Assumed {
                self.trust = Trust::Heard;
            }
            return;
        }
        let times = match self.candidate {
            Some((language, times)) if language == judged.language => times.saturating_add(1),
            Some(_) | None => 1,
        };
        let change = match self.trust {
            Trust::Assumed => judged.strength >= Strength::Clear || times >= 2,
            Trust::Heard => judged.strength == Strength::Overwhelming || times >= 2,
            Trust::Asked => times >= 3,
        };
        if change {
            self.change(judged.language);
            self.trust = Trust::Heard;
        } else {
            self.candidate = Some((judged.language, times));
        }
    }

    fn change(&mut self, language: Language) {
        self.before.current = language;
        if language != Language::English {
            self.before.chinese = language;
        }
        self.candidate = None;
    }
}

/// What went before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let judged = |language, evidence, strength| Judged { language, evidence, strength };
    if han == 0 {
        return match (words.as_slice(), engine) {
            ([], _) => judged(before.current, "nothing said", Strength::Neutral),
            ([one], _) if LOANS.contains(one) => judged(before.current, "one loan word", Strength::Neutral),
            ([_], Some(language)) => judged(language, "recogniser", Strength::Weak),
            ([_], None) => judged(Language::English, "english words", Strength::Weak),
            ([_, _] | [_, _, _], _) => judged(Language::English, "english words", Strength::Clear),
            ([..], _) => judged(Language::English, "english words", Strength::Overwhelming),
        };
    }
    if words.len() >= 3 && han * 2 <= words.len() {
        return judged(Language::English, "mostly english words", Strength::Clear);
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
    // A whole sentence in characters is no English, whichever Chinese it is.
    let sentence = before.current == Language::English && han >= SENTENCE && words.is_empty();
    let strength = match cantonese.abs_diff(mandarin) {
        0 => Strength::Neutral,
        _ if sentence => Strength::Overwhelming,
        1..=2 => Strength::Weak,
        6.. if han >= SENTENCE => Strength::Overwhelming,
        3.. => Strength::Clear,
    };
    match cantonese.cmp(&mandarin) {
        std::cmp::Ordering::Greater => judged(Language::Cantonese, "cantonese characters", strength),
        std::cmp::Ordering::Less => judged(Language::Mandarin, "mandarin characters", strength),
        std::cmp::Ordering::Equal if sentence => {
            judged(before.chinese, "chinese characters of both", Strength::Overwhelming)
        }
        std::cmp::Ordering::Equal if before.current == Language::English => {
            judged(before.chinese, "chinese characters of both", Strength::Weak)
        }
        std::cmp::Ordering::Equal => judged(before.chinese, "neutral characters", Strength::Neutral),
    }
}

/// A language that the caller asks for: 「講普通話」, "English please".
pub fn asked_for(views: &Views) -> Option<Language> {
    let said = views.joined();
    // Who says which language he does not speak asks for none of it; what he speaks is heard.
    let not = [
        "唔識",
        "唔明",
        "唔講",
        "聽唔明",
        "不會",
        "不懂",
        "不説",
        "聽不懂",
        " don't ",
        " not ",
        " cannot ",
        " can't ",
        " no ",
    ];
    if not.iter().any(|word| said.contains(word)) {
        return None;
    }
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

    /// Calls of `tests/data/language/calls.tsv`: the reply's language after each turn, and that it never changes where the caller
    /// did not.
    #[test]
    fn replies_follow_callers_and_not_their_loan_words() {
        let readings = Readings::load();
        let (mut turns, mut wrong, mut calls) = (0, Vec::new(), 0);
        let begin = || Follow::new(Before { current: Language::Cantonese, chinese: Language::Cantonese });
        let mut follow = begin();
        for (number, line) in include_str!("../../tests/data/language/calls.tsv").lines().enumerate() {
            if line.starts_with('#') || line.is_empty() {
                follow = begin();
                calls += usize::from(line.is_empty());
                continue;
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let [text, engine, expected] = fields[..] else { panic!("calls.tsv:{}", number + 1) };
            let views = Views::of(text, &readings);
            match asked_for(&views) {
                Some(language) => follow.asked(language),
                None => follow.hear(judge(text, &views, engine.parse().ok(), follow.before, &readings)),
            }
            turns += 1;
            if follow.before.current.code() != expected {
                wrong.push(format!(
                    "calls.tsv:{}: {text} -> {}, expected {expected}",
                    number + 1,
                    follow.before.current
                ));
            }
        }
        assert!(wrong.is_empty(), "{} of {turns} turns:\n{}", wrong.len(), wrong.join("\n"));
        assert!(calls >= 12, "{calls} calls");
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
            ("我唔識英文", None),
            ("i don't speak mandarin", None),
            ("我聽不懂广东话", None),
            ("唔該轉英文", Some(Language::English)),
            ("mandarin please", Some(Language::Mandarin)),
            ("請用國語", Some(Language::Mandarin)),
            ("用 English 講得唔得", Some(Language::English)),
        ];
        for (text, expected) in table {
            assert_eq!(asked_for(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
