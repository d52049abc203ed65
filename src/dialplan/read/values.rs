//! Values written as strings.

use std::str::FromStr;
use std::time::Duration;

use crate::dialplan::schema::{SlotKind, When};

/// Kind of a slot: `phone`, `yes_no`, `digits`, `digits:4`, `digits:4-6`, `hkid`, `card`, `date`, `date:future`, `date:past`, `amount`,
/// `amount:1-5000`, `code:HT########`, `choice`.
pub(super) struct Kind(pub(super) SlotKind);

impl FromStr for Kind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = match text.split_once(':') {
            None if text == "phone" => SlotKind::Phone,
            None if text == "yes_no" => SlotKind::YesNo,
            None if text == "hkid" => SlotKind::IdentityCard,
            None if text == "card" => SlotKind::Card,
            None if text == "date" => SlotKind::Day(When::Any),
            None if text == "choice" => SlotKind::Choice(Vec::new()),
            None if text == "amount" => SlotKind::Amount { min: 0, max: u32::MAX },
            Some(("date", "future")) => SlotKind::Day(When::Future),
            Some(("date", "past")) => SlotKind::Day(When::Past),
            Some(("amount", range)) => {
                let (min, max) = range.split_once('-').ok_or("amounts are written 1-5000")?;
                match (min.parse::<u32>(), max.parse::<u32>()) {
                    (Ok(min), Ok(max)) if min <= max => SlotKind::Amount { min, max },
                    _ => return Err("amounts are written 1-5000"),
                }
            }
            Some(("code", shape)) => {
                let known = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '#' || c == '@';
                if !(3..=32).contains(&shape.len()) || !shape.chars().all(known) || !shape.contains('#') {
                    return Err("a code has 3 to 32 of # (digit), @ (letter), capitals and digits");
                }
                SlotKind::Code(shape.to_owned())
            }
            None if text == "digits" => SlotKind::Digits { min: 1, max: 20 },
            Some(("digits", range)) => {
                let (min, max) = range.split_once('-').unwrap_or((range, range));
                let (min, max) = (min.parse::<u8>(), max.parse::<u8>());
                match (min, max) {
                    (Ok(min), Ok(max)) if 1 <= min && min <= max && max <= 32 => SlotKind::Digits { min, max },
                    _ => return Err("1 to 32 digits"),
                }
            }
            Some(_) | None => return Err("unknown kind"),
        };
        Ok(Self(kind))
    }
}

/// A time: `400ms`, `25s`, `2m`.
pub(super) struct Span(pub(super) Duration);

impl FromStr for Span {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or("no unit: ms, s or m")?);
        let number: u64 = number.parse().map_err(|_| "no number")?;
        let span = match unit.trim() {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            _ => return Err("units are ms, s and m"),
        };
        if span.is_zero() || span > Duration::from_secs(3600) { Err("1ms to 60m") } else { Ok(Self(span)) }
    }
}
