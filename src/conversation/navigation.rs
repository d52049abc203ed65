//! Words that move a conversation and are about nothing: leave it, go back, say that again, that was wrong. Counted only where they
//! are all that was said: 「取消漫遊」 is a matter, 「取消」 is none.

use crate::conversation::command::Command;
use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;

const CANCEL: &[&str] = &[
    "取消",
    "唔做喇",
    "唔搞喇",
    "唔攪喇",
    "算啦",
    "算數",
    "唔好搞喇",
    "停",
    "不做了",
    "不办了",
    "算了",
    "不要了",
    "取消吧",
    "cancel",
    "cancel that",
    "cancel it",
    "never mind",
    "nevermind",
    "forget it",
    "stop",
    "stop that",
    "leave it",
];

const BACK: &[&str] = &[
    "返去",
    "返轉頭",
    "上一步",
    "返去上一步",
    "返去上個問題",
    "上一個問題",
    "上一条",
    "返回",
    "返回上一步",
    "回到上一步",
    "回去",
    "go back",
    "back",
    "previous",
    "previous question",
    "previous step",
    "one step back",
];

const REPEAT: &[&str] = &[
    "再講一次",
    "再講多次",
    "講多次",
    "講多一次",
    "重複一次",
    "再说一次",
    "再说一遍",
    "重复一遍",
    "你講咩話",
    "聽唔清楚",
    "听不清",
    "没听清",
    "repeat",
    "repeat that",
    "say that again",
    "say it again",
    "pardon",
    "come again",
];

const DENY: &[&str] = &[
    "唔係",
    "唔啱",
    "唔係咁",
    "答錯咗",
    "答非所問",
    "不是",
    "不对",
    "答错了",
    "no",
    "wrong",
    "that's wrong",
    "that is wrong",
    "not that",
    "that's not what i asked",
    "that is not what i asked",
];

/// Words that add nothing.
const POLITE: &[&str] = &[
    "唔該",
    "麻煩你",
    "麻煩",
    "我想",
    "我要",
    "幫我",
    "请",
    "麻烦",
    "我们",
    "please",
    "can you",
    "could you",
    "sorry",
    "i want to",
];

/// The words, ready to be looked for.
#[derive(Clone, Debug)]
pub struct Navigation {
    words: Vec<(Command, Vec<Token>)>,
    polite: Vec<Vec<Token>>,
}

impl Navigation {
    /// All of them.
    pub fn new(readings: &Readings) -> Self {
        let core = |word: &&str| Views::of(word, readings).core;
        let all =
            [(Command::Cancel, CANCEL), (Command::GoBack, BACK), (Command::Repeat, REPEAT), (Command::Deny, DENY)];
        let words = all.into_iter().flat_map(|(command, words)| words.iter().map(move |word| (command.clone(), word)));
        Self {
            words: words.map(|(command, word)| (command, core(word))).filter(|(_, word)| !word.is_empty()).collect(),
            polite: POLITE.iter().map(core).filter(|word| !word.is_empty()).collect(),
        }
    }

    /// The one that was said, where nothing else was.
    pub fn find(&self, said: &Views) -> Option<Command> {
        let mut core = said.core.as_slice();
        loop {
            if let Some((command, _)) = self.words.iter().find(|(_, word)| word.as_slice() == core) {
                return Some(command.clone());
            }
            let shorter = self.polite.iter().find_map(|polite| {
                core.strip_prefix(polite.as_slice()).or_else(|| core.strip_suffix(polite.as_slice()))
            });
            core = shorter.filter(|rest| !rest.is_empty())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_where_it_is_all_that_was_said() {
        let readings = Readings::load();
        let navigation = Navigation::new(&readings);
        let table = [
            ("取消", Some(Command::Cancel)),
            ("唔該取消啦", Some(Command::Cancel)),
            ("算了", Some(Command::Cancel)),
            ("never mind", Some(Command::Cancel)),
            ("我想取消漫遊", None),
            ("返去上一步吖", Some(Command::GoBack)),
            ("go back please", Some(Command::GoBack)),
            ("唔該再講一次", Some(Command::Repeat)),
            ("can you repeat that", Some(Command::Repeat)),
            ("唔係", Some(Command::Deny)),
            ("that's wrong", Some(Command::Deny)),
            ("唔係，係三號", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(navigation.find(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
