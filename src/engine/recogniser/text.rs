//! From an engine's tokens to text, and from text to a view of its language.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::speech::Language;

/// Pairs of characters, simplified and traditional, the usual ones first; made for `conversation` (see there).
const PAIRS: &str = include_str!("../../../models/readings/simplified.txt");

/// The simplified form of a character, the usual one where there are several; itself where there is none.
pub fn simplified(c: char) -> char {
    static TABLE: OnceLock<FxHashMap<char, char>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table = FxHashMap::default();
        for line in PAIRS.lines() {
            let mut chars = line.chars();
            while let (Some(simplified), Some(traditional)) = (chars.next(), chars.next()) {
                table.entry(traditional).or_insert(simplified);
            }
        }
        table
    });
    table.get(&c).copied().unwrap_or(c)
}

/// Text as the rest of the house reads it: Chinese characters joined, English words in lower case, one space between
/// English words and none beside a Chinese character. `▁` is the word mark of subword models.
pub fn tidy(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut gap = false;
    for c in raw.chars() {
        if c.is_whitespace() || c == '▁' {
            gap = true;
            continue;
        }
        if c.is_control() || c == '\u{FFFD}' {
            continue;
        }
        if gap && is_western(c) && out.chars().next_back().is_some_and(is_western) {
            out.push(' ');
        }
        gap = false;
        out.extend(c.to_lowercase());
    }
    out
}

fn is_western(c: char) -> bool {
    !is_chinese(c) && !('\u{3000}'..='\u{30FF}').contains(&c) && !('\u{FF00}'..='\u{FFEF}').contains(&c)
}

/// True for a Chinese character (CJK ideographs with the extensions that Cantonese writing uses).
pub fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{2FA1F}')
}

/// Characters that written Cantonese has and written Mandarin has not.
const CANTONESE: &str = "嘅係唔冇咗喺嗰啲佢咩嘢哋畀搵睇噉喎啫嚟揾諗嬲攞唞啱噃嘥冚瞓踎嗌嘞喇㗎嚿咁啩𠮶俾嗮晒瞇尋攰乜";
/// Characters that only Simplified writing has, as far as telephone talk goes.
const SIMPLIFIED: &str = "账单询问题这们个为么说话请给电网络让对时间还没钱费约业务办谢帮转员经变动换机号码开关长见现听难过达总讲边远连书车东门马风飞鱼龙头发买卖卡里后从会应该吗骗块贷讯资积区级银实际险维护复态据签传临优价值员宽带视频报读写错误线断";
/// Characters that only Traditional writing has, likewise.
const TRADITIONAL: &str = "賬單詢問題這們個為說話請給電網絡讓對時間還沒錢費約業務辦謝幫轉員經變動換機號碼開關長見現聽難過達總講邊遠連書車東門馬風飛魚龍頭發買賣裡後從會應該嗎騙塊貸訊資積區級銀實際險維護復態據簽傳臨優價值員寬帶視頻報讀寫錯誤線斷";
/// Characters of Mandarin function words that spoken Cantonese writes otherwise.
const MANDARIN: &str = "的是不在他她它们們这這那没沒吗嗎呢吧很说說给給把也和";

/// The language that the text itself speaks for; `None` for no letters at all. A weak view: the dialogue weighs it
/// against the line's languages and what was spoken before.
pub fn language_of(text: &str) -> Option<Language> {
    let (mut chinese, mut letters, mut cantonese, mut mandarin) = (0, 0, 0_i32, 0_i32);
    for c in text.chars() {
        if is_chinese(c) {
            chinese += 1;
            let has = |set: &str| i32::from(set.contains(c));
            let (simplified, traditional) = (has(SIMPLIFIED), has(TRADITIONAL));
            cantonese += 3 * has(CANTONESE) + traditional * (1 - simplified);
            mandarin += 2 * has(MANDARIN) + simplified * (1 - traditional);
        } else if c.is_alphabetic() {
            letters += 1;
        }
    }
    // A word has about four letters, a character is about a word.
    match (chinese, letters) {
        (0, 0) => None,
        (chinese, letters) if chinese * 4 < letters => Some(Language::English),
        _ if cantonese >= mandarin => Some(Language::Cantonese),
        _ => Some(Language::Mandarin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidies() {
        let rows = [
            (" 我 想 查 詢 我 張 單", "我想查詢我張單"),
            ("▁I▁want▁to  pay", "i want to pay"),
            ("我想 CHECK 下 我個 plan b", "我想check下我個plan b"),
            ("  ", ""),
            ("\u{FFFD}好\u{0}", "好"),
        ];
        for (raw, want) in rows {
            assert_eq!(tidy(raw), want);
        }
    }

    #[test]
    fn reads_the_language_off_the_text() {
        let rows = [
            ("我想查詢我張單", Some(Language::Cantonese)),
            ("係呀唔該", Some(Language::Cantonese)),
            ("我想cancel我個plan", Some(Language::Cantonese)),
            ("我想查询我的账单", Some(Language::Mandarin)),
            ("這是我的帳單", Some(Language::Mandarin)),
            ("我要找人工客服", Some(Language::Cantonese)),
            ("i want to check my bill", Some(Language::English)),
            ("", None),
            ("12 34", None),
        ];
        for (text, want) in rows {
            assert_eq!(language_of(text), want, "{text}");
        }
    }
}
