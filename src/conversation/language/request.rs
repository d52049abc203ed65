//! A language that the caller asks for: 「講普通話」, "English please", 「唔好講英文，講中文」. Not one that he says he does not speak,
//! and not one that he wants a letter in.

use crate::conversation::normalise::{Token, Views};
use crate::speech::Language;

/// Names of languages; `None` is Chinese, whichever.
const NAMES: [(Option<Language>, &str); 4] = [
    (Some(Language::Mandarin), "普通話 國語 mandarin putonghua"),
    (Some(Language::Cantonese), "廣東話 粵語 白話 廣州話 cantonese"),
    (Some(Language::English), "英文 英語 鬼佬話 english"),
    (None, "中文 漢語 華語 中國話 chinese"),
];
/// What makes a sentence with a name in it a request.
const VERBS: &str = "講 説 說 轉 用 識 請 唔該 謝謝 得 服務 speak speaks speaker speaking talk in please use to want have instead switch \
                     service";
/// Right before the name they make a request of a long sentence, and of one about a letter.
const SPEAK: &str = "講 説 說 speak speaks talk";
/// Negations: of the name that follows, or of the name before where it is said first (「英文我唔識」).
const NOT: &str = "唔識 唔明 唔懂 唔講 唔好 唔要 唔想 唔使 唔會 唔係 唔用 不會 不懂 不明 不説 不講 不要 不想 不用 不是 不太 不能 不好 \
                   別説 別講 別用 別跟 別再 別給 don't doesn't not cannot can't isn't won't never";
/// Of the next word only: who says "no, English please" wants it.
const NO: &str = "no 唔";
/// Who says that he does not understand does not go on with a verb of speaking: 「聽唔明講廣東話」 is two sentences.
const NOT_UNDERSTOOD: &str = "唔明 唔懂 不懂 不明";
/// What is written in a language.
const WRITTEN: &str =
    "單 信 合約 合同 説明書 版 短訊 短信 電郵 名 寄 印 bill letter statement contract version email sms name text";
/// Between names from which the caller chooses nothing.
const OR: &str = "定 或 還是 or";

/// How far a negation reaches, in tokens.
const REACH: usize = 4;
/// A sentence so short is a request by a name alone.
const SHORT: usize = 4;
/// With a verb somewhere.
const MEDIUM: usize = 12;
/// With a verb of speaking right before the name.
const LONG: usize = 24;

/// The language that is asked for. Where it is "Chinese", it is `chinese`.
pub fn asked_for(views: &Views, chinese: Language) -> Option<Language> {
    let said = plain(&views.tokens);
    let names = names(&said);
    let last = names.iter().rev().find(|name| !name.denied)?;
    let others = names.iter().filter(|name| !name.denied && name.language != last.language);
    let mut open =
        others.filter(|other| other.at < last.at).map(|other| said.get(other.end..last.at).unwrap_or_default());
    if open.any(|between| contains(between, OR)) {
        return None;
    }
    let before = said.get(last.at.saturating_sub(2)..last.at).unwrap_or_default();
    let spoken = contains(before, SPEAK);
    let about_letter = contains(&said, WRITTEN) && !spoken;
    let length = views.core.len();
    let request = length <= SHORT || length <= MEDIUM && contains(&said, VERBS) || length <= LONG && spoken;
    (request && !about_letter).then(|| last.language.unwrap_or(chinese))
}

/// A language that the caller says he does not speak or want.
pub fn declined(views: &Views) -> Option<Language> {
    let said = plain(&views.tokens);
    let short = views.core.len() <= MEDIUM && !contains(&said, WRITTEN);
    names(&said).iter().filter(|name| name.denied && short).find_map(|name| name.language)
}

struct Name {
    language: Option<Language>,
    at: usize,
    end: usize,
    denied: bool,
}

/// Tokens without what only looks like a negation: 識唔識 is a question, 唔好意思 an excuse, 唔該 a please.
fn plain(tokens: &[Token]) -> Vec<String> {
    let all: Vec<String> = tokens.iter().map(Token::text).collect();
    let mut out: Vec<String> = Vec::with_capacity(all.len());
    let mut at = 0;
    while let Some(token) = all.get(at) {
        let is_not = |text: &String| matches!(text.as_str(), "唔" | "不" | "沒" | "冇");
        match all.get(at + 1..at + 3) {
            Some([not, again]) if is_not(not) && again == token => {
                out.push(token.clone());
                at += 3;
            }
            _ => match all.get(at..at + 4).map(<[String]>::concat) {
                Some(four) if four == "唔好意思" || four == "不好意思" => at += 4,
                Some(_) | None => {
                    out.push(token.clone());
                    at += 1;
                }
            },
        }
    }
    out
}

fn names(said: &[String]) -> Vec<Name> {
    let mut all: Vec<Name> = Vec::new();
    let mut at = 0;
    while at < said.len() {
        let rest = said.get(at..).unwrap_or_default();
        let found = NAMES.iter().find_map(|(language, names)| Some((*language, begins(rest, names)?)));
        if let Some((language, length)) = found {
            all.push(Name { language, at, end: at + length, denied: false });
            at += length;
        } else {
            at += 1;
        }
    }
    for at in 0..said.len() {
        if let Some(name) = denied_by(said, at, &all).and_then(|name| all.get_mut(name)) {
            name.denied = true;
        }
    }
    all
}

/// The name that a negation at this place denies.
fn denied_by(said: &[String], at: usize, names: &[Name]) -> Option<usize> {
    let rest = said.get(at..)?;
    let next = names.iter().position(|name| name.at >= at);
    let before = names.iter().rposition(|name| name.end <= at);
    let gap_to = |end: usize| next.and_then(|n| names.get(n)).and_then(|name| name.at.checked_sub(end));
    if begins(rest, NO).is_some_and(|length| gap_to(at + length) == Some(0)) {
        return next;
    }
    let length = begins(rest, NOT)?;
    let end = at + length;
    let gap_before = before.and_then(|n| names.get(n)).map(|name| said.get(name.end..at).unwrap_or_default());
    let named_first = gap_before.is_some_and(|gap| gap.len() <= 3 && gap.first().is_some_and(|first| first == "我"));
    let new_sentence = begins(rest, NOT_UNDERSTOOD).is_some()
        && said.get(end..).is_some_and(|after| begins(after, "講 説 說 請 用").is_some());
    if gap_to(end).is_some_and(|gap| gap <= REACH) && !named_first && !new_sentence {
        return next;
    }
    before.filter(|_| gap_before.is_some_and(|gap| gap.len() <= REACH))
}

/// Length in tokens of the word out of `words` that these tokens begin with.
fn begins(tokens: &[String], words: &str) -> Option<usize> {
    words.split_whitespace().find_map(|word| {
        if word.is_ascii() {
            return tokens.first().filter(|token| *token == word).map(|_| 1);
        }
        let length = word.chars().count();
        let is = |(token, c): (&String, char)| token.chars().eq(std::iter::once(c));
        (tokens.len() >= length && tokens.iter().zip(word.chars()).all(is)).then_some(length)
    })
}

fn contains(tokens: &[String], words: &str) -> bool {
    (0..tokens.len()).any(|at| tokens.get(at..).is_some_and(|rest| begins(rest, words).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::readings::Readings;

    #[test]
    fn hears_a_request_for_a_language() {
        use Language::{Cantonese, English, Mandarin};
        let readings = Readings::load();
        let table = [
            ("講普通話", Some(Mandarin)),
            ("可以说普通话吗", Some(Mandarin)),
            ("English please", Some(English)),
            ("can you speak english", Some(English)),
            ("我想講廣東話", Some(Cantonese)),
            ("唔該寄張英文賬單畀我屋企", None),
            ("我想查詢我張單", None),
            ("我唔識英文", None),
            ("i don't speak mandarin", None),
            ("我聽不懂广东话", None),
            ("唔該轉英文", Some(English)),
            ("mandarin please", Some(Mandarin)),
            ("請用國語", Some(Mandarin)),
            ("用 English 講得唔得", Some(English)),
            ("講中文", Some(Cantonese)),
            ("chinese please", Some(Cantonese)),
            ("你識唔識講英文", Some(English)),
            ("唔好講英文", None),
            ("唔好意思講英文得唔得", Some(English)),
            ("唔好講英文講普通話", Some(Mandarin)),
            ("普通話我聽唔明講廣東話得唔得", Some(Cantonese)),
            ("我英文唔好", None),
            ("no i want english", Some(English)),
            ("no chinese please i speak english", Some(English)),
            ("english not cantonese", Some(English)),
            ("english or cantonese", None),
            ("由英文轉返廣東話", Some(Cantonese)),
            ("can you send my bill in chinese", None),
        ];
        for (text, expected) in table {
            assert_eq!(asked_for(&Views::of(text, &readings), Cantonese), expected, "{text}");
        }
    }

    #[test]
    fn hears_what_the_caller_does_not_speak() {
        let readings = Readings::load();
        let table = [
            ("唔好講英文", Some(Language::English)),
            ("我听不懂粤语", Some(Language::Cantonese)),
            ("no english please", Some(Language::English)),
            ("封英文信我唔識睇", None),
            ("你識唔識講英文", None),
            ("英文", None),
        ];
        for (text, expected) in table {
            assert_eq!(declined(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
