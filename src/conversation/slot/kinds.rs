//! Slots that prove their values: tables of what is said on Wednesday, 4 March 2026, and what it becomes.

use super::*;
use crate::dialplan::schema::{Choice, When};

const DAY: Date = jiff::civil::date(2026, 3, 4);

fn table(kind: &SlotKind, rows: &[(&str, Option<&str>)]) {
    let readings = Readings::load();
    for (text, expected) in rows {
        let found = fill(kind, &Views::of(text, &readings), &readings, DAY);
        assert_eq!(found.as_deref(), *expected, "{text}");
    }
}

#[test]
fn identity_cards_with_a_right_check_digit() {
    table(
        &SlotKind::IdentityCard,
        &[
            ("a 一二三四五六括號三", Some("A123456(3)")),
            ("我身份證係A一二三四五六三", Some("A123456(3)")),
            ("my id is a one two three four five six three", Some("A123456(3)")),
            ("g one two three four five six bracket a", Some("G123456(A)")),
            ("a b nine eight seven six five four three", Some("AB987654(3)")),
            ("A123456(3)", Some("A123456(3)")),
            ("a 一二三四五六括號四", None),
            ("a 一二三四五", None),
            ("a 一二三四五六三四", None),
            ("唔記得", None),
        ],
    );
}

#[test]
fn payment_cards_by_luhn() {
    table(
        &SlotKind::Card,
        &[
            ("四一一一 一一一一 一一一一 一一一一", Some("4111111111111111")),
            ("5500 0000 0000 0004", Some("5500000000000004")),
            ("四一一一一一一一一一一一一一一二", None),
            ("四一一一", None),
        ],
    );
    assert!(is_card("378282246310005") && is_card("4222222222222"));
    assert!(!is_card("411111111111") && !is_card("") && !is_card("4111 1111 1111 1111") && !is_card(&"0".repeat(20)));
    let text = read_back(&SlotKind::Card, "4111111111111111", Language::English, &Texts::default());
    assert_eq!(text, "ending in 1 1 1 1");
}

#[test]
fn days_to_come() {
    table(
        &SlotKind::Day(When::Future),
        &[
            ("今日", Some("2026-03-04")),
            ("聽日下晝", Some("2026-03-05")),
            ("后天", Some("2026-03-06")),
            ("大後日啦", Some("2026-03-07")),
            ("尋日", None),
            ("禮拜五", Some("2026-03-06")),
            ("礼拜一", Some("2026-03-09")),
            ("下個禮拜三", Some("2026-03-11")),
            ("下星期日", Some("2026-03-15")),
            ("十五號", Some("2026-03-15")),
            ("三號", Some("2026-04-03")),
            ("下個月十號", Some("2026-04-10")),
            ("三月五號", Some("2026-03-05")),
            ("三月一號", Some("2027-03-01")),
            ("二零二六年十二月二十五號", Some("2026-12-25")),
            ("tomorrow morning", Some("2026-03-05")),
            ("the day after tomorrow", Some("2026-03-06")),
            ("on friday please", Some("2026-03-06")),
            ("next wednesday", Some("2026-03-11")),
            ("march fifteenth", Some("2026-03-15")),
            ("二月三十號", None),
            ("三十一號", Some("2026-03-31")),
            ("唔係聽日，係後日", Some("2026-03-06")),
            ("no not friday it's monday", Some("2026-03-09")),
            ("聽日或者後日", None),
            ("唔知", None),
        ],
    );
    assert_eq!(check(&SlotKind::Day(When::Future), "0503", DAY).as_deref(), Some("2026-03-05"));
    assert_eq!(check(&SlotKind::Day(When::Any), "31122026", DAY).as_deref(), Some("2026-12-31"));
    assert_eq!(check(&SlotKind::Day(When::Any), "3202", DAY), None);
}

#[test]
fn days_that_are_over() {
    table(
        &SlotKind::Day(When::Past),
        &[
            ("尋日", Some("2026-03-03")),
            ("琴日", Some("2026-03-03")),
            ("前日", Some("2026-03-02")),
            ("上個禮拜五", Some("2026-02-27")),
            ("last monday", Some("2026-02-23")),
            ("禮拜五", Some("2026-02-27")),
            ("十五號", Some("2026-02-15")),
            ("十二月三號", Some("2025-12-03")),
            ("聽日", None),
        ],
    );
    let back = |language| read_back(&SlotKind::Day(When::Any), "2026-03-15", language, &Texts::default());
    assert_eq!(back(Language::Cantonese), "三月十五號，星期日");
    assert_eq!(back(Language::English), "Sunday 15 March");
}

#[test]
fn amounts_within_bounds() {
    table(
        &SlotKind::Amount { min: 1, max: 5000 },
        &[
            ("三百五十蚊", Some("350")),
            ("十二蚊半", Some("12.50")),
            ("一嚿水", Some("100")),
            ("千二", Some("1200")),
            ("two hundred and fifty dollars", Some("250")),
            ("350", Some("350")),
            ("五", Some("5")),
            ("唔係三百蚊，係四百蚊", Some("400")),
            ("六千蚊", None),
            ("冇", None),
        ],
    );
    assert_eq!(check(&SlotKind::Amount { min: 1, max: 5000 }, "120", DAY).as_deref(), Some("120"));
}

#[test]
fn codes_by_their_shape() {
    table(
        &SlotKind::Code("HT######".to_owned()),
        &[
            ("h t 二零四五一二", Some("HT204512")),
            ("order h t two zero four five one two", Some("HT204512")),
            ("HT204512", Some("HT204512")),
            ("二零四五一二", Some("HT204512")),
            ("h k 二零四五一二", None),
            ("二零四五一", None),
        ],
    );
    assert_eq!(check(&SlotKind::Code("HT######".to_owned()), "204512", DAY).as_deref(), Some("HT204512"));
    assert_eq!(most_digits(&SlotKind::Code("HT######".to_owned())), 6);
}

#[test]
fn choices_by_word_and_by_sound() {
    let choice = |name: &str, words: &[&str]| Choice {
        name: name.to_owned(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let kind = SlotKind::Choice(vec![
        choice("refund", &["退款", "退錢", "refund", "money back"]),
        choice("exchange", &["換貨", "換過件", "exchange"]),
        choice("repair", &["維修", "整返好", "repair"]),
    ]);
    table(
        &kind,
        &[
            ("我想退款", Some("refund")),
            ("退款呀唔該", Some("refund")),
            ("我要退寬", Some("refund")),
            ("维修", Some("repair")),
            ("i want my money back please", Some("refund")),
            ("唔係退款，係換貨", Some("exchange")),
            ("退款定換貨好", None),
            ("唔知", None),
        ],
    );
    assert_eq!(check(&kind, "2", DAY).as_deref(), Some("exchange"));
    assert_eq!((check(&kind, "0", DAY), check(&kind, "4", DAY)), (None, None));
    assert_eq!(read_back(&kind, "exchange", Language::Cantonese, &Texts::default()), "換貨");
}
