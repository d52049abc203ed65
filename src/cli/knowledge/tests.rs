//! Tables to knowledge files and back to a plan; rows that are not taken; what search shows.

use std::path::PathBuf;

use super::*;
use crate::dialplan::demo;
use crate::dialplan::standing::Approval;
use crate::speech::Language;

const HEAD: &str = "id,questions_yue,answer_yue,questions_cmn,answer_cmn,questions_eng,answer_eng,tags,valid_from,valid_to,approved_by,approved_at";
const ROW: &str = "sim_size,換細卡點搞|nano卡,去分店換。,怎么换小卡,到门店换。,how do i get a nano sim,Visit a shop.,sim;card,2026-03-01,2026-03-31,Product,2026-02-01";

fn sorted(rows: &[&str]) -> entries::Sorted {
    let text = format!("{HEAD}\n{}\n", rows.join("\n"));
    let table = rows::separated(&text, b',').unwrap();
    entries::sort(&[table], "faq.csv", &Language::ALL).unwrap()
}

fn plan_with(taken: &[entries::Entry]) -> Plan {
    let mut files = demo::files();
    let changed = files::with_entries(&files, taken, &Language::ALL).unwrap();
    files.files.extend(changed);
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plan = read_plan(&files, &problems, &warnings);
    plan.unwrap_or_else(|| panic!("{}", problems.report()))
}

#[test]
fn a_row_becomes_an_entry_of_the_hotline() {
    let sorted = sorted(&[ROW]);
    assert_eq!(sorted.left, []);
    let plan = plan_with(&sorted.taken);
    assert_eq!(plan.knowledge.len(), demo::plan().knowledge.len() + 1, "the others stay");
    let entry = plan.knowledge.iter().find(|question| question.name == "sim_size").unwrap();
    assert_eq!(entry.questions[&Language::Cantonese], ["換細卡點搞", "nano卡"]);
    assert_eq!(entry.answers[&Language::English], "Visit a shop.");
    assert_eq!(entry.tags, ["sim", "card"]);
    let (by, at) = ("Product".to_owned(), "2026-02-01".parse().unwrap());
    assert_eq!(entry.standing.approval, Some(Approval { by, at }));
    assert_eq!(entry.standing.until, Some("2026-03-31".parse().unwrap()));
}

#[test]
fn an_entry_that_is_there_is_written_over_and_loses_an_approval_that_the_row_does_not_have() {
    let row = ROW.replace("sim_size", "voicemail").replace("Product,2026-02-01", ",");
    let plan = plan_with(&sorted(&[&row]).taken);
    let entry = plan.knowledge.iter().find(|question| question.name == "voicemail").unwrap();
    assert_eq!(entry.answers[&Language::Mandarin], "到门店换。");
    assert_eq!(entry.standing.approval, None);
    assert_eq!(plan.knowledge.len(), demo::plan().knowledge.len());
}

#[test]
fn every_row_that_is_not_taken_says_why() {
    let table = [
        (ROW.replace("sim_size", ""), "the id has letters, digits, _ and - only, found \"\""),
        (ROW.replace("sim_size", "sim.size"), "found \"sim.size\""),
        (ROW.replace("Visit a shop.", ""), "no answer in 'eng'"),
        (ROW.replace("怎么换小卡", " "), "no question in 'cmn'"),
        (ROW.replace("去分店換。", &"長".repeat(401)), "has 401 characters; 400 can be spoken"),
        (ROW.replace("Visit a shop.", "Call {number}."), "has braces"),
        (ROW.replace("2026-03-01", "2026-02-30"), "valid_from: \"2026-02-30\" is no day"),
        (ROW.replace("2026-03-31", "2025-03-31"), "valid_to 2025-03-31 is before valid_from 2026-03-01"),
        (ROW.replace("Product,", ","), "approved_at without approved_by"),
        (ROW.replace(",2026-02-01", ","), "approved_by without approved_at"),
        (format!("{ROW},more"), "13 cells, but 12 columns"),
        (ROW.replace("換細卡", "换卡"), "'sim_size' is there already in line 2"),
        (ROW.replace("sim_size", "other"), "is a question of 'sim_size' already"),
    ];
    for (row, why) in table {
        let sorted = sorted(&[ROW, &row]);
        assert_eq!(sorted.taken.len(), 1, "{row}");
        assert!(sorted.left[0].line == 3 && sorted.left[0].why.contains(why), "{:?}, expected {why}", sorted.left);
    }
    for (head, why) in [
        ("id,question_eng", "the column 'questions_yue' is missing"),
        ("id,answr_yue", "nearest: 'answer_yue'"),
        ("id,name", "twice"),
    ] {
        let table = rows::separated(&format!("{head}\na,b\n"), b',').unwrap();
        let error = entries::sort(&[table], "faq.csv", &Language::ALL).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_workbook_and_a_markdown_table_say_the_same() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/knowledge");
    let of = |name: &str| entries::sort(&rows::read(&folder.join(name)).unwrap(), name, &Language::ALL).unwrap();
    let (book, text) = (of("faq.xlsx"), of("faq.md"));
    assert_eq!(book.taken, text.taken);
    assert_eq!(book.taken.len(), 2);
    assert_eq!(book.taken[0].from, Some("2026-04-01".parse().unwrap()), "a cell with a date");
    assert_eq!((book.left[0].line, book.left.len()), (4, 1));
    assert!(book.left[0].why.contains("no answer in 'eng'"));
}

#[test]
fn an_import_writes_all_files_or_none() {
    let folder = std::env::temp_dir().join(format!("tingwa-knowledge-{}", std::process::id()));
    for (path, text) in demo::files().files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let table = folder.join("faq.csv");
    let import = |rows: &str, all_or_nothing| {
        std::fs::write(&table, format!("{HEAD}\n{rows}\n")).unwrap();
        let args = ImportArgs { file: table.clone(), hotline: folder.clone(), all_or_nothing, dry_run: false };
        super::import(&args).unwrap()
    };
    let entries = || hotline(&folder).unwrap().1.knowledge.len();
    assert_eq!(import(&format!("{ROW}\nbad"), true), ExitCode::FAILURE);
    assert_eq!(entries(), 3, "nothing was written");
    assert_eq!(import(ROW, true), ExitCode::SUCCESS);
    assert_eq!(entries(), 4);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn search_shows_what_would_be_answered_and_why_not() {
    let sorted = sorted(&[ROW]);
    let plan = plan_with(&sorted.taken);
    let mind = Understanding::train(&plan);
    let on = |day: &str| found("點樣換細卡", &plan, &mind, day.parse().unwrap(), 2).join("\n");
    let (march, april) = (on("2026-03-15"), on("2026-04-15"));
    assert!(march.contains("answer     knowledge sim_size") && march.contains("(may be answered)"), "{march}");
    assert!(march.contains("by \"換細卡點搞\": words"), "{march}");
    assert!(!april.contains("answer     knowledge sim_size") && april.contains("only until 2026-03-31"), "{april}");
}
