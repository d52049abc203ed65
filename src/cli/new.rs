//! `tingwa new hotline NAME`: a hotline that works and says where to write what, with scenarios that pass.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::dialplan::pattern::Pattern;
use crate::speech::Language;

use super::CliError;

macro_rules! skeleton {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("new/skeleton/", $path)))),*]
    };
}

/// Path within the folder, text.
const SKELETON: [(&str, &str); 19] = skeleton![
    "plan.toml",
    "prompts/yue.toml",
    "prompts/cmn.toml",
    "prompts/eng.toml",
    "phrases/yue.toml",
    "phrases/cmn.toml",
    "phrases/eng.toml",
    "knowledge/yue.toml",
    "knowledge/cmn.toml",
    "knowledge/eng.toml",
    "knowledge/entries.toml",
    "scenarios/yue.txt",
    "scenarios/cmn.txt",
    "scenarios/eng.txt",
    "scenarios/closed_yue.txt",
    "scenarios/closed_cmn.txt",
    "scenarios/closed_eng.txt",
    "scenarios/typhoon.txt",
    "scenarios/silence.txt",
];

/// Make a hotline that works, to change.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa new hotline clinic\n  tingwa new hotline clinic --number 8200 --languages yue,eng --title 安心診所"
)]
pub struct NewArgs {
    #[command(subcommand)]
    what: NewWhat,
}

#[derive(Debug, clap::Subcommand)]
enum NewWhat {
    /// A dialplan with prompts, phrases, knowledge and scenarios
    Hotline(HotlineArgs),
}

#[derive(Debug, clap::Args)]
struct HotlineArgs {
    /// Name of the folder: letters, digits, - and _
    name: String,
    /// Its number, or a pattern
    #[arg(long, default_value = "1000")]
    number: String,
    /// What callers shall hear it called; the name if left out
    #[arg(long)]
    title: Option<String>,
    /// Its languages, the first is the one that calls begin in
    #[arg(long, value_delimiter = ',', default_value = "yue,cmn,eng")]
    languages: Vec<Language>,
    /// Where hotlines are kept
    #[arg(long = "in", value_name = "DIR", default_value = "dialplans")]
    folder: PathBuf,
}

/// Writes the files; never over one that is there.
pub fn run(args: &NewArgs) -> Result<ExitCode, CliError> {
    let NewWhat::Hotline(args) = &args.what;
    let folder = args.folder.join(&args.name);
    let plan = Hotline {
        name: &args.name,
        title: args.title.as_deref().unwrap_or(&args.name),
        number: &args.number,
        languages: &args.languages,
        folder: &folder,
        schema: args.folder.join("schema").is_dir(),
    };
    let files = plan.files().map_err(CliError::Usage)?;
    write(&folder, &files)?;
    println!("{} made: {} files", folder.display(), files.len());
    println!("  tingwa check {}", folder.display());
    println!("  tingwa route-test --to {} {}", args.number, args.folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the files of a new folder; refuses one that is there.
pub(super) fn write(folder: &Path, files: &[(String, String)]) -> Result<(), CliError> {
    if folder.exists() {
        return Err(CliError::Usage(format!("{} is there already; nothing is written over", folder.display())));
    }
    for (path, text) in files {
        let path = folder.join(path);
        let system = |source| CliError::System { doing: format!("cannot write {}", path.display()), source };
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(system)?;
        std::fs::write(&path, text).map_err(system)?;
    }
    Ok(())
}

/// What is filled in.
pub(super) struct Hotline<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) number: &'a str,
    pub(super) languages: &'a [Language],
    pub(super) folder: &'a Path,
    /// The schemas lie beside the hotline.
    pub(super) schema: bool,
}

impl Hotline<'_> {
    /// Path within the folder, text.
    pub(super) fn files(&self) -> Result<Vec<(String, String)>, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(format!("a hotline's name has letters, digits, - and _ only, found \"{}\"", self.name));
        }
        if self.title.chars().any(|c| "\"\\{}".contains(c) || c.is_control()) {
            return Err("a title without quotes, braces and backslashes, please".to_owned());
        }
        self.number.parse::<Pattern>().map_err(|error| format!("\"{}\" {error}", self.number))?;
        let [first, others @ ..] = self.languages else { return Err("a hotline needs a language".to_owned()) };
        if self.languages.iter().enumerate().any(|(at, language)| others.iter().skip(at).any(|other| other == language))
        {
            return Err("a language is there twice".to_owned());
        }
        let spoken = |path: &str| {
            let name = path.rsplit(['/', '_']).next().and_then(|name| name.split('.').next()).unwrap_or("");
            name.parse().map_or(true, |language: Language| self.languages.contains(&language))
        };
        Ok(SKELETON
            .iter()
            .filter(|(path, _)| spoken(path))
            .map(|(path, text)| ((*path).to_owned(), self.fill(path, text, *first)))
            .collect())
    }

    fn fill(&self, path: &str, text: &str, first: Language) -> String {
        let codes: Vec<String> = self.languages.iter().map(|language| format!("\"{language}\"")).collect();
        let keys =
            self.languages.iter().enumerate().map(|(at, language)| format!("{} = \"lang:{language}\", ", at + 1));
        let several = self.languages.len() > 1;
        let own = self.languages.iter().position(|language| path.contains(language.code())).unwrap_or(0);
        let up = if path.contains('/') { "../../schema/" } else { "../schema/" };
        let body = match (text.split_once('\n'), self.schema) {
            (Some((first, rest)), false) if first.starts_with("#:schema") => rest,
            _ => text,
        };
        let others = if several { "greeting_others = \"greeting_others\"\n" } else { "" };
        let filled = body
            .replace("{schema}", up)
            .replace("{name}", self.name)
            .replace("{title}", self.title)
            .replace("{number}", self.number)
            .replace("{folder}", &self.folder.display().to_string())
            .replace("{languages}", &codes.join(", "))
            .replace("{others}", others)
            .replace("{menu}", &if several { keys.collect::<String>() } else { String::new() })
            .replace("{key}", &(own + 1).to_string())
            .replace("{first}", first.code());
        if several { filled } else { without(&filled, "greeting_others = ") }
    }
}

/// The text without the lines that begin like this.
fn without(text: &str, beginning: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with(beginning)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    use crate::conversation::{Understanding, scenario};
    use crate::dialplan::{PlanFiles, read_plan};
    use crate::settings::Problems;

    fn hotline(languages: &[Language]) -> Result<Vec<(String, String)>, String> {
        let folder = Path::new("dialplans/clinic");
        Hotline { name: "clinic", title: "安心診所", number: "_82XX", languages, folder, schema: false }.files()
    }

    #[test]
    fn a_new_hotline_passes_its_own_check_without_a_warning() {
        for languages in [&Language::ALL[..], &[Language::English, Language::Cantonese], &[Language::Mandarin]] {
            let files = hotline(languages).unwrap().into_iter().collect();
            let files = PlanFiles { name: "clinic".to_owned(), folder: "clinic".to_owned(), files };
            let (problems, warnings) = (Problems::default(), Problems::default());
            let plan = read_plan(&files, &problems, &warnings);
            assert_eq!((problems.report(), warnings.report()), (String::new(), String::new()), "{languages:?}");
            let plan = Arc::new(plan.unwrap());
            let mind = Arc::new(Understanding::train(&plan));
            let mut reached = scenario::Reached::default();
            for (path, text) in files.files.iter().filter(|(path, _)| path.starts_with("scenarios/")) {
                reached.add(scenario::run(&plan, &mind, path, text, Instant::now(), &problems));
            }
            assert_eq!(problems.report(), "", "{languages:?}");
            assert!(reached.steps > 20 && reached.queues.contains("general"));
        }
    }

    #[test]
    fn names_that_are_no_folders_are_refused() {
        let folder = Path::new("x");
        let bad = |name, title, number, languages: &[Language]| {
            Hotline { name, title, number, languages, folder, schema: true }.files().is_err()
        };
        let all = &Language::ALL[..];
        assert!(!bad("a-b_1", "A", "1", all));
        assert!(bad("../x", "A", "1", all) && bad("", "A", "1", all) && bad("a", "\"", "1", all));
        assert!(bad("a", "A", "_", all) && bad("a", "A", "1", &[]));
        assert!(bad("a", "A", "1", &[Language::English, Language::English]));
    }
}
