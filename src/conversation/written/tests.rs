//! The vectors of `tests/data/itn`, all of them, and the values behind some.

use super::*;

const TABLES: [(&str, Language, &str); 4] = [
    ("yue", Language::Cantonese, include_str!("../../../tests/data/itn/yue.tsv")),
    ("cmn", Language::Mandarin, include_str!("../../../tests/data/itn/cmn.tsv")),
    ("eng", Language::English, include_str!("../../../tests/data/itn/eng.tsv")),
    ("mixed", Language::Cantonese, include_str!("../../../tests/data/itn/mixed.tsv")),
];

#[test]
fn every_vector_is_exact() {
    let readings = Readings::load();
    let (mut rows, mut unchanged, mut wrong) = (0, 0, Vec::new());
    for (name, language, table) in TABLES {
        for (number, line) in table.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (said, expected) = line.split_once('\t').unwrap_or((line, line));
            let found = written(said, language, &readings);
            rows += 1;
            unchanged += usize::from(said == expected);
            if found.text != expected {
                wrong.push(format!("{name}.tsv:{}: {said} -> {}, expected {expected}", number + 1, found.text));
            }
            // What is written is not changed again.
            let again = written(&found.text, language, &readings).text;
            if again != found.text {
                wrong.push(format!("{name}.tsv:{}: {} -> {again} the second time", number + 1, found.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {rows}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 250 && unchanged >= 60, "{rows} rows, {unchanged} unchanged");
}

#[test]
fn values_stand_behind_what_is_written() {
    let readings = Readings::load();
    let table = [
        ("個半鐘", Kind::Duration, "90"),
        ("兩個字", Kind::Duration, "10"),
        ("九折", Kind::Percent, "10"),
        ("一嚿水", Kind::Money, "100"),
        ("三點搭九", Kind::Time, "3:45"),
        ("九一二三四五六七", Kind::Phone, "91234567"),
        ("八五二九一二三四五六七", Kind::Phone, "+85291234567"),
        ("a 一二三四五六括號三", Kind::IdentityCard, "A123456(3) check right"),
        ("a 一二三四五六括號四", Kind::IdentityCard, "A123456(4) check wrong"),
        ("三月十五號", Kind::Date, "3-15"),
    ];
    for (said, kind, value) in table {
        let found = written(said, Language::Cantonese, &readings);
        let [span] = &found.spans[..] else { panic!("{said}: {found:?}") };
        assert_eq!((span.kind, span.value.as_str()), (kind, value), "{said}");
    }
}

#[test]
fn check_digits_of_identity_cards() {
    for (prefix, digits, check) in
        [("A", "123456", '3'), ("G", "123456", 'A'), ("AB", "987654", '3'), ("C", "668668", '9')]
    {
        assert_eq!(digits::check_digit(prefix, digits), Some(check), "{prefix}{digits}");
    }
}

#[test]
fn anything_can_be_said() {
    let readings = Readings::load();
    let words = "一 十 百 千 萬 零 廿 個 半 點 號 月 蚊 a one hundred and half past double o to pm 括號 first of march"
        .split(' ');
    let words: Vec<&str> = words.collect();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let text: Vec<&str> = (0..random.usize(0..9)).map(|_| words[random.usize(..words.len())]).collect();
        for language in Language::ALL {
            // Any outcome but a panic.
            let _ = written(&text.join(" "), language, &readings);
        }
    }
}
