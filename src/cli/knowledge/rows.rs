//! Tables as rows of cells: CSV, TSV, XLSX, Markdown. Every row knows where it stands in its file.

use std::path::Path;

use calamine::{Data, Reader, Xlsx, open_workbook};

use crate::cli::CliError;

/// Most rows of one file.
const ROWS: usize = 20_000;

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Names of the columns.
    pub(super) head: Vec<String>,
    /// Line (row of a sheet) from 1, cells.
    pub(super) rows: Vec<(usize, Vec<String>)>,
}

/// Reads the tables of a file by the ending of its name. In a workbook the first sheet counts.
pub(super) fn read(path: &Path) -> Result<Vec<Rows>, CliError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let shown = path.display();
    let text = || {
        let system = |source| CliError::System { doing: format!("cannot read {shown}"), source };
        std::fs::read_to_string(path).map_err(system)
    };
    let tables = match ending.as_str() {
        "csv" => vec![separated(&text()?, b',').map_err(|error| CliError::Usage(format!("{shown}: {error}")))?],
        "tsv" => vec![separated(&text()?, b'\t').map_err(|error| CliError::Usage(format!("{shown}: {error}")))?],
        "md" | "markdown" => markdown(&text()?),
        "xlsx" => vec![workbook(path).map_err(|error| CliError::Usage(format!("{shown}: {error}")))?],
        other => return Err(CliError::Usage(format!("{shown}: '{other}' is no table here; csv, tsv, xlsx or md"))),
    };
    match tables.iter().map(|table| table.rows.len()).sum::<usize>() {
        0 => Err(CliError::Usage(format!("{shown}: no table with rows in it"))),
        count if count > ROWS => Err(CliError::Usage(format!("{shown}: {count} rows, at most {ROWS} are read"))),
        _ => Ok(tables),
    }
}

/// Columns with a separator between them.
pub(super) fn separated(text: &str, separator: u8) -> Result<Rows, csv::Error> {
    let text = text.trim_start_matches('\u{FEFF}');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<String>>();
    let head = cells(reader.headers()?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((usize::try_from(line).unwrap_or(0), cells(&record)));
    }
    Ok(Rows { head, rows })
}

/// Tables of pipes; `<br>` is a new line, `\|` a pipe.
pub(super) fn markdown(text: &str) -> Vec<Rows> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.contains('-') && line.contains('|') && line.chars().all(|c| "|-: \t".contains(c));
    let mut tables: Vec<Rows> = Vec::new();
    let mut inside = false;
    for (number, line) in lines.iter().enumerate() {
        let begins = lines.get(number + 1).is_some_and(|next| is_rule(next)) && line.contains('|');
        if begins {
            tables.push(Rows { head: cells(line), rows: Vec::new() });
        } else if let Some(table) = tables.last_mut().filter(|_| inside && !is_rule(line) && line.contains('|')) {
            table.rows.push((number + 1, cells(line)));
        }
        inside = begins || inside && line.contains('|');
    }
    tables
}

/// The cells of a line of Markdown.
fn cells(line: &str) -> Vec<String> {
    const PIPE: char = '\u{1}';
    let line = line.trim().replace("\\|", &PIPE.to_string());
    let line = line.strip_prefix('|').unwrap_or(&line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let whole = |cell: &str| {
        let cell = cell.trim().replace("<br/>", "\n").replace("<br />", "\n").replace("<br>", "\n");
        cell.replace(PIPE, "|")
    };
    line.split('|').map(whole).collect()
}

fn workbook(path: &Path) -> Result<Rows, calamine::XlsxError> {
    let mut book: Xlsx<_> = open_workbook(path)?;
    let Some(range) = book.worksheet_range_at(0).transpose()? else { return Ok(Rows::default()) };
    let first = range.start().map_or(0, |(row, _)| row as usize) + 1;
    let mut rows = range.rows().enumerate().map(|(at, cells)| (first + at, cells.iter().map(cell).collect::<Vec<_>>()));
    let head = rows.next().map(|(_, cells)| cells).unwrap_or_default();
    Ok(Rows { head, rows: rows.collect() })
}

fn cell(data: &Data) -> String {
    match data {
        Data::DateTime(at) => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::DateTimeIso(text) => text.split('T').next().unwrap_or(text).to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_where_they_stand() {
        let table = separated("\u{FEFF}id,answer_eng\nfee,\"two\nlines\"\nhours,nine\n", b',').unwrap();
        assert_eq!(table.head, ["id", "answer_eng"]);
        let expected = [(2, vec!["fee".to_owned(), "two\nlines".to_owned()]), (4, vec!["hours".into(), "nine".into()])];
        assert_eq!(table.rows, expected);
        let text = "# FAQ\n\n| id | questions_eng |\n|----|:---:|\n| fee | how much<br>a \\| b |\n\nno table\n\nid|x\n-|-\na|b\n";
        let tables = markdown(text);
        assert_eq!((tables.len(), &tables[0].head[1]), (2, &"questions_eng".to_owned()));
        assert_eq!(tables[0].rows, [(5, vec!["fee".to_owned(), "how much\na | b".to_owned()])]);
        assert_eq!(tables[1].rows, [(11, vec!["a".to_owned(), "b".to_owned()])]);
    }
}
