//! A plain yes, as it is wanted before anything is changed. Is not the yes or no of a slot, which is taken more freely.

use crate::conversation::normalise::{Views, joined};

/// Yes, and nothing that could take it back: 「好，但係改做聽日」 and 「好唔好？」 are no yes.
pub fn plain_yes(views: &Views) -> bool {
    const YES: [&str; 27] = [
        "冇問題",
        "沒問題",
        "冇錯",
        "沒錯",
        "正確",
        "確認",
        "同意",
        "可以",
        "係",
        "啱",
        "好",
        "得",
        "是",
        "對",
        "行",
        "嗯",
        "yes ",
        "yeah ",
        "yep ",
        "correct ",
        "right ",
        "sure ",
        "okay ",
        "ok ",
        "confirm ",
        "confirmed ",
        "go ahead ",
    ];
    const POLITE: [&str; 17] = [
        "唔該",
        "麻煩",
        "多謝",
        "謝謝",
        "請",
        "你",
        "曬",
        "嘅",
        "的",
        "就",
        "please ",
        "thank you ",
        "thanks ",
        "that s ",
        "that is ",
        "it is ",
        "all ",
    ];
    let text = views.joined();
    let core = joined(&views.core);
    let (mut rest, mut agreed) = (core.trim_start(), false);
    while !rest.is_empty() {
        let yes = YES.iter().find_map(|word| rest.strip_prefix(word));
        agreed |= yes.is_some();
        match yes.or_else(|| POLITE.iter().find_map(|word| rest.strip_prefix(word))) {
            Some(behind) => rest = behind.trim_start(),
            None => return false,
        }
    }
    agreed && !text.contains('嗎')
}
