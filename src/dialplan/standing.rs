//! Whether a text may be spoken on a day: somebody has approved it, and the day is one of its days. For knowledge entries and
//! filed scripts. Days are Hong Kong's ([`super::calendar::day`]). Is not who may approve: that is the business's.

use std::fmt;

use jiff::civil::Date;

use crate::settings::Section;

/// Who has approved a text, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// A name or a role of the business.
    pub by: String,
    /// The day.
    pub at: Date,
}

/// Approval and days of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// None: never spoken.
    pub approval: Option<Approval>,
    /// First day; none: from ever.
    pub from: Option<Date>,
    /// Last day; none: for ever.
    pub until: Option<Date>,
}

/// Why a text may not be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Nobody has approved it.
    NotApproved,
    /// Its first day is still to come.
    NotYet(Date),
    /// Its last day is over.
    Over(Date),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApproved => f.write_str("not approved"),
            Self::NotYet(day) => write!(f, "not before {day}"),
            Self::Over(day) => write!(f, "only until {day}"),
        }
    }
}

impl Standing {
    /// Whether it may be spoken on a day.
    pub fn on(&self, day: Date) -> Result<(), Unfit> {
        match (&self.approval, self.from, self.until) {
            (None, _, _) => Err(Unfit::NotApproved),
            (_, Some(from), _) if day < from => Err(Unfit::NotYet(from)),
            (_, _, Some(until)) if day > until => Err(Unfit::Over(until)),
            (Some(_), _, _) => Ok(()),
        }
    }

    /// Reads `approved_by`, `approved_at`, `valid_from` and `valid_to`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        const DAY: &str = "a day such as \"2026-03-31\"";
        let (by, at) = (section.string("approved_by"), section.parsed::<Date>("approved_at", DAY));
        let (from, until) = (section.parsed::<Date>("valid_from", DAY), section.parsed::<Date>("valid_to", DAY));
        if from > until && until.is_some() {
            section.problem("valid_to", "is before valid_from: it would never be spoken");
        }
        let approval = match (by.filter(|by| !by.trim().is_empty()), at) {
            (Some(by), Some(at)) => Some(Approval { by, at }),
            (Some(_), None) => {
                section.problem("approved_by", "needs approved_at, the day of the approval");
                None
            }
            (None, Some(_)) => {
                section.problem("approved_at", "needs approved_by, who has approved it");
                None
            }
            (None, None) => None,
        };
        Self { approval, from, until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoken_only_where_approved_and_within_its_days() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let approval = Some(Approval { by: "Compliance".to_owned(), at: day("2026-01-05") });
        let months =
            Standing { approval: approval.clone(), from: Some(day("2026-03-01")), until: Some(day("2026-03-31")) };
        let table = [
            ("2026-02-28", Err(Unfit::NotYet(day("2026-03-01")))),
            ("2026-03-01", Ok(())),
            ("2026-03-31", Ok(())),
            ("2026-04-01", Err(Unfit::Over(day("2026-03-31")))),
        ];
        for (text, expected) in table {
            assert_eq!(months.on(day(text)), expected, "{text}");
        }
        assert_eq!(Standing { approval, ..Standing::default() }.on(day("1999-01-01")), Ok(()));
        assert_eq!(Standing::default().on(day("2026-03-01")), Err(Unfit::NotApproved));
    }
}
