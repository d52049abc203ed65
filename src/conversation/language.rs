//! Which language a caller's turn was in, so that the reply can follow it: Cantonese and Mandarin words ([`words`]), script, share of
//! English words, the recogniser's own view, and what was spoken before. "Neutral" is a real answer: then the language of the
//! call goes on. One English noun in Cantonese does not make English. `tingwa eval --language` measures it.

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::{Readings, Script};
use crate::speech::Language;

mod request;
mod words;

pub use request::{asked_for, declined};

/// English words that Hong Kong Cantonese and Mandarin speakers say alone.
const LOANS: &str = "bill plan roaming data sim card ok okay hello hi bye check cancel app email wifi account password internet \
                     broadband sorry call phone online thanks thank you";
/// Numerals, whose script tells nothing of the speaker.
const NUMERALS: &str = "零〇一二三四五六七八九十百千萬万億亿兩两半";
/// What is counted in dates and times: nor does theirs after a numeral.
const COUNTED: &str = "年月日號号點点時时分秒";
/// First words of romanised names, as far as they are no English words.
const SURNAMES: &str = "au chan chau cheng cheung choi chow chu chung fok fong fung hui ip kwan kwok lai lam lau leung liu lo lui mak \
                        mok ng poon pang siu szeto tam tang tong tsang tse tsui wong yau yeung yip yiu yu yuen li wang zhang liu chen \
                        yang huang zhao wu zhou xu zhu hu guo lin gao luo";
/// Words of which one makes a short phrase English, whatever else is in it.
const ENGLISH: &str =
    "i i'm a an the my your me is are was it this that to of in on for and or not no yes please want need";

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
/// | declines the reply's language | changes at once, to what he says it in |
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

    /// Takes what a turn tells.
    pub fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Asked(language) => self.asked(language),
            Turn::Spoke(judged) => self.hear(judged),
            Turn::Declined(language, judged) => {
                self.hear(judged);
                self.declined(language, judged);
            }
        }
    }

    /// The caller does not want this language, in a turn that was heard.
    pub fn declined(&mut self, language: Language, judged: Judged) {
        if self.before.current != language {
            return;
        }
        if judged.language != language && judged.strength > Strength::Neutral {
            self.change(judged.language);
        } else if language == Language::English {
            self.change(self.before.chinese);
        }
        self.trust = Trust::Heard;
    }

    fn change(&mut self, language: Language) {
        self.before.current = language;
        if language != Language::English {
            self.before.chinese = language;
        }
        self.candidate = None;
    }
}

/// What a turn tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The caller asks for this language.
    Asked(Language),
    /// He speaks.
    Spoke(Judged),
    /// He speaks, and does not want this language.
    Declined(Language, Judged),
}

/// Hears one turn by its text and the recogniser's view.
pub fn hear(text: &str, engine: Option<Language>, before: Before, readings: &Readings) -> Turn {
    let views = Views::of(text, readings);
    let judged = judge(text, &views, engine, before, readings);
    match asked_for(&views, chinese_meant(judged, before)) {
        Some(language) => Turn::Asked(language),
        None => declined(&views).map_or(Turn::Spoke(judged), |language| Turn::Declined(language, judged)),
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
        Token::Word(word) if !word.chars().any(|c| c.is_ascii_digit()) => Some(word.as_str()),
        Token::Word(_) | Token::Han(_) => None,
    });
    let words: Vec<&str> = words.collect();
    let han = views.count().0;
    if han == 0 {
        return judge_words(&words, engine, before);
    }
    if words.len() >= 3 && han * 2 <= words.len() {
        let strength = Strength::Clear;
        return Judged { language: Language::English, evidence: "mostly english words", strength };
    }
    judge_characters(text, (han, words.len()), engine, before, readings)
}

/// A turn without a Chinese character.
fn judge_words(words: &[&str], engine: Option<Language>, before: Before) -> Judged {
    let judged = |language, evidence, strength| Judged { language, evidence, strength };
    let is_one_of = |list: &str, word: &&str| list.split_whitespace().any(|one| one == *word);
    let is_name = |first: &&str| {
        words.len() <= 3 && is_one_of(SURNAMES, first) && !words.iter().any(|word| is_one_of(ENGLISH, word))
    };
    match (words, engine) {
        ([], _) => judged(before.current, "nothing said", Strength::Neutral),
        (_, _) if words.iter().all(|word| is_one_of(LOANS, word)) => {
            judged(before.current, "loan words", Strength::Neutral)
        }
        ([first, _, ..], _) if is_name(first) => judged(before.current, "a name", Strength::Neutral),
        ([_], Some(language)) => judged(language, "recogniser", Strength::Weak),
        ([_], None) => judged(Language::English, "english words", Strength::Weak),
        ([_, _] | [_, _, _], _) => judged(Language::English, "english words", Strength::Clear),
        ([..], _) => judged(Language::English, "english words", Strength::Overwhelming),
    }
}

/// A turn in Chinese characters: so many, among so many words.
fn judge_characters(
    text: &str,
    (han, words): (usize, usize),
    engine: Option<Language>,
    before: Before,
    readings: &Readings,
) -> Judged {
    let judged = |language, evidence, strength| Judged { language, evidence, strength };
    let told = words::weigh(text);
    let (mut cantonese, mut mandarin) = (told.cantonese, told.mandarin);
    let (traditional, simplified) = scripts(text, readings);
    // Words know better: Cantonese is written in simplified characters too, and Mandarin in traditional ones.
    if told.mandarin <= told.cantonese {
        cantonese += traditional;
    }
    if told.cantonese <= told.mandarin {
        mandarin += 2 * simplified;
    }
    match engine {
        Some(Language::Cantonese) => cantonese += 3,
        Some(Language::Mandarin) => mandarin += 3,
        Some(Language::English) | None => {}
    }
    // A whole sentence in characters is no English, whichever Chinese it is.
    let sentence = before.current == Language::English && han >= SENTENCE && words == 0;
    let strength = match cantonese.abs_diff(mandarin) {
        0 => Strength::Neutral,
        // One traditional character by itself may be a name or a noun; among English words there are too few to wait for more.
        1 if words == 0 => Strength::Neutral,
        _ if sentence => Strength::Overwhelming,
        1..=2 => Strength::Weak,
        6.. if han >= SENTENCE => Strength::Overwhelming,
        3.. => Strength::Clear,
    };
    let (language, evidence) = match cantonese.cmp(&mandarin) {
        std::cmp::Ordering::Greater => (Language::Cantonese, "cantonese characters"),
        std::cmp::Ordering::Less => (Language::Mandarin, "mandarin characters"),
        std::cmp::Ordering::Equal => (before.chinese, "characters of both"),
    };
    match strength {
        Strength::Neutral if sentence => judged(language, evidence, Strength::Overwhelming),
        Strength::Neutral if before.current == Language::English => judged(language, evidence, Strength::Weak),
        Strength::Neutral => judged(before.current, "neutral characters", Strength::Neutral),
        Strength::Weak | Strength::Clear | Strength::Overwhelming => judged(language, evidence, strength),
    }
}

/// Characters that only traditional and only simplified text has. Those of numbers do not count.
fn scripts(text: &str, readings: &Readings) -> (u32, u32) {
    let (mut all, mut before) = ((0, 0), None);
    for c in text.chars() {
        let counted = COUNTED.contains(c) && before.is_some_and(|before| NUMERALS.contains(before));
        match readings.script(c).filter(|_| !counted && !NUMERALS.contains(c)) {
            Some(Script::Traditional) => all.0 += 1,
            Some(Script::Simplified) => all.1 += 1,
            None => {}
        }
        before = Some(c);
    }
    all
}

/// Which Chinese a caller means who asks for "Chinese": the one that he asks in, else the one spoken before.
pub fn chinese_meant(judged: Judged, before: Before) -> Language {
    let tells = match before.current {
        Language::English => judged.strength > Strength::Neutral,
        Language::Cantonese | Language::Mandarin => judged.strength >= Strength::Clear,
    };
    if tells && judged.language != Language::English { judged.language } else { before.chinese }
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
}
