//! Chinese words that tell Cantonese from Mandarin, in either script, and words that only look as if they did. Written standard
//! Chinese counts as Mandarin: it is what Mandarin speakers say.

/// What a word counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// For Cantonese.
    pub(super) cantonese: u32,
    /// For Mandarin.
    pub(super) mandarin: u32,
}

const fn cantonese(weight: u32) -> Weight {
    Weight { cantonese: weight, mandarin: 0 }
}

const fn mandarin(weight: u32) -> Weight {
    Weight { cantonese: 0, mandarin: weight }
}

/// Words by what they count for. The longest that begins at a place counts, so the last line keeps the characters of its words from
/// counting by themselves: 的士 is no 的.
const WORDS: [(Weight, &str); 7] = [
    (
        cantonese(2),
        "嘅 咗 唔 喺 佢 啲 冇 嚟 咁 嗰 乜 咩 哋 畀 攞 瞓 搵 揾 諗 谂 嘢 啱 噉 㗎 喇 囉 啰 喎 嘞 係 睇 嗌 攰 啫 咪 咋 俾 撳 嘥 掂 嬲 靚 靓 仲",
    ),
    (
        cantonese(3),
        "點解 点解 點樣 点样 邊度 边度 邊個 边个 邊間 边间 邊位 幾多 几多 幾錢 几钱 幾時 几时 而家 依家 家陣 家阵 聽日 听日 \
         尋日 寻日 琴日 噚日 頭先 头先 搞掂 早晨 系咪 系呀 系啊 屋企 成日 呢個 呢个 呢度 呢啲 呢張 呢张 呢部 收工 舖頭 铺头 鍾意 钟意 \
         點收費 點計 點用 點搞 點做 點改 識得 同埋 好耐 好似 琴晚 今晚 聽晚 得閒 得闲",
    ),
    (cantonese(1), "講 今日 返 傾 咭"),
    (mandarin(2), "们 們 这 這 那 么 麼 没 沒 吗 怎 的 了 是 她 他 它 不 很 哪 您 咱 找 给 給 看 在 吧 把"),
    (
        mandarin(3),
        "什么 什麼 怎么 怎麼 为什么 為什麼 没有 沒有 哪里 哪裡 哪裏 哪儿 不知道 现在 現在 明天 昨天 今天 刚才 剛才 能不能 会不会 會不會 \
         下班 这样 這樣 那样 那樣 这里 這裡 那里 那裡 没关系 沒關係 對不起 对不起",
    ),
    (mandarin(1), "嗎 説 說 说 一下 還 还 也 多少 能 丢 丟 些 時候 时候 東西 东西"),
    (
        Weight { cantonese: 0, mandarin: 0 },
        "的士 的確 的确 目的 目的地 了解 瞭解 為了 为了 是但 是否 是次 其他 其它 關係 关系 係數 喇叭 不過 不过 不如 不便 不同 不少 \
         不足 差不多 不停 不斷 不断 實在 实在 存在 在線 在线 現場 找數 找續 找換 看護 看更 看管 酒吧 網吧 小說 小説 小说 説話 說話 说话 説明 說明 说明 還款 \
         还款 還錢 还钱 退還 退还 歸還 可能 功能 智能 功能 把握 沒收 没收 發給 供給 在職 外在 所在地 仲裁 伯仲 一些 那些",
    ),
];
/// Longest of them, in characters.
const LONGEST: usize = 3;

/// All that a text's words count for.
pub(super) fn weigh(text: &str) -> Weight {
    let mut all = Weight::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (length, weight) = longest(rest).unwrap_or((c.len_utf8(), Weight::default()));
        all.cantonese += weight.cantonese;
        all.mandarin += weight.mandarin;
        rest = rest.get(length..).unwrap_or_default();
    }
    all
}

/// The longest word that the text begins with: its length in bytes.
fn longest(text: &str) -> Option<(usize, Weight)> {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take(LONGEST);
    let words = ends.filter_map(|end| text.get(..end)).filter_map(|word| Some((word.len(), weight(word)?)));
    words.last()
}

fn weight(word: &str) -> Option<Weight> {
    WORDS.iter().find(|(_, words)| words.split_whitespace().any(|w| w == word)).map(|(weight, _)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_for_their_language_and_look_alikes_for_none() {
        let table = [
            ("我唔知點解", 5, 0),
            ("我不知道为什么", 0, 6),
            ("我搭的士", 0, 0),
            ("沒關係", 0, 3),
            ("其他嘅關係", 2, 0),
            ("", 0, 0),
        ];
        for (text, cantonese, mandarin) in table {
            assert_eq!(weigh(text), Weight { cantonese, mandarin }, "{text}");
        }
        let all = || WORDS.iter().flat_map(|(_, words)| words.split_whitespace());
        assert_eq!(all().map(|word| word.chars().count()).max(), Some(LONGEST));
    }
}
