//! Words by which a caller does not want to be recorded, or remembered, in three languages: these hold in every situation and on every
//! line. Looked for within what was said, not as all of it. Is not the list of an administrator ([`crate::journal::profile`]).

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::journal::profile::OptOut;

const WORDS: &[(OptOut, &[&str])] = &[
    (
        OptOut::Recording,
        &[
            "唔好錄音",
            "唔好錄低",
            "唔好錄我",
            "唔想錄音",
            "唔想俾你錄音",
            "唔想俾人錄音",
            "唔准錄音",
            "唔使錄音",
            "停止錄音",
            "停咗個錄音",
            "不要录音",
            "不要录我",
            "不想录音",
            "不想被录音",
            "别录音",
            "别录了",
            "不许录音",
            "不同意录音",
            "停止录音",
            "do not record",
            "don't record",
            "not be recorded",
            "don't want to be recorded",
            "do not want to be recorded",
            "stop recording",
            "no recording",
        ],
    ),
    (
        OptOut::Memory,
        &[
            "唔好記住我",
            "唔好記低我",
            "唔好記錄我",
            "唔好留低我嘅資料",
            "不要记住我",
            "不要记录我",
            "不要保留我的资料",
            "do not remember me",
            "don't remember me",
            "forget me",
            "forget about me",
            "do not keep my data",
            "don't keep my data",
        ],
    ),
];

/// The words, ready to be looked for.
#[derive(Clone, Debug)]
pub struct OptingOut {
    words: Vec<(OptOut, Vec<Token>)>,
}

impl OptingOut {
    /// All of them.
    pub fn new(readings: &Readings) -> Self {
        let all = WORDS.iter().flat_map(|(what, words)| words.iter().map(move |word| (*what, word)));
        let all = all.map(|(what, word)| (what, Views::of(word, readings).core));
        Self { words: all.filter(|(_, word)| !word.is_empty()).collect() }
    }

    /// What the caller does not want.
    pub fn find(&self, said: &Views) -> Option<OptOut> {
        let holds = |word: &Vec<Token>| said.core.windows(word.len()).any(|part| part == word.as_slice());
        self.words.iter().find(|(_, word)| holds(word)).map(|(what, _)| *what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_heard_in_three_languages_and_not_in_questions_about_it() {
        let readings = Readings::load();
        let opting_out = OptingOut::new(&readings);
        let table = [
            ("唔好錄音", Some(OptOut::Recording)),
            ("唔該你唔好錄音啦，我想查張單", Some(OptOut::Recording)),
            ("我唔想俾人錄音", Some(OptOut::Recording)),
            ("请不要录音", Some(OptOut::Recording)),
            ("please do not record this call", Some(OptOut::Recording)),
            ("I don't want to be recorded", Some(OptOut::Recording)),
            ("唔好記住我呀", Some(OptOut::Memory)),
            ("please forget me", Some(OptOut::Memory)),
            ("會唔會錄音㗎", None),
            ("are you recording this", None),
            ("i forgot my password", None),
            ("我想查賬單", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(opting_out.find(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
