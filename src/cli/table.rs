//! Tables for a terminal: columns as wide as their widest cell, where a Chinese character takes two places.

use unicode_width::UnicodeWidthStr;

/// Rows of cells under a head. The last column is not padded.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).into()], right: Vec::new() }
    }

    /// Aligns a column to the right, for figures.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, the head first.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let space = " ".repeat(widths[column].saturating_sub(cell.width()));
                let (before, after) =
                    if self.right.contains(&column) { (space.as_str(), "") } else { ("", space.as_str()) };
                line += &format!("{before}{cell}{after}  ");
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A size for people, in thousands or millions of bytes.
pub fn size(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    match bytes {
        0..1_000_000 => format!("{:.0} kB", mb * 1000.0),
        1_000_000..10_000_000 => format!("{mb:.1} MB"),
        _ => format!("{mb:.0} MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_takes_two_places_and_figures_stand_to_the_right() {
        let mut table = Table::new(["model", "MB", "says"]).right(1);
        table.row(["聽話".to_owned(), "7".to_owned(), "好".to_owned()]);
        table.row(["a-long-name".to_owned(), "123".to_owned(), String::new()]);
        assert_eq!(table.lines(), ["model         MB  says", "聽話           7  好", "a-long-name  123"]);
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([30_000, 1_234_404, 239_233_841].map(size), ["30 kB", "1.2 MB", "239 MB"]);
    }
}
