//! The house rules of ARCHITECTURE.md, held against `src/`: who may import whom, how large a file, a function and a
//! struct may be, a head on every module, no unbounded queue, no clock below the line.
//! A failure names the paragraph of ARCHITECTURE.md that it breaks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// "Who may import whom": first folder or file name under `src/`, and what it may name as `crate::...`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["app", "cli", "config"]),
    (
        "app",
        &["cli", "config", "console", "driver", "engine", "store", "dialplan", "metrics", "settings", "ids", "journal"],
    ),
    (
        "cli",
        &[
            "app",
            "config",
            "engine",
            "store",
            "dialplan",
            "conversation",
            "driver",
            "call",
            "media",
            "settings",
            "speech",
            "ids",
            "journal",
            "audio",
            "redact",
        ],
    ),
    ("config", &["console", "driver", "engine", "store", "call", "sip", "dialplan", "settings", "wire"]),
    ("console", &["driver", "store", "journal", "ids", "settings"]),
    (
        "driver",
        &[
            "call",
            "sip",
            "engine",
            "store",
            "journal",
            "dialplan",
            "ids",
            "settings",
            "media",
            "wire",
            "audio",
            "speech",
            "conversation",
            "metrics",
            "redact",
        ],
    ),
    ("store", &["journal", "ids", "audio", "settings", "redact"]),
    ("engine", &["speech", "audio", "ids", "settings", "redact"]),
    ("metrics", &["journal"]),
    (
        "call",
        &[
            "sip",
            "media",
            "turn",
            "conversation",
            "dialplan",
            "speech",
            "journal",
            "audio",
            "ids",
            "deadline",
            "redact",
            "settings",
        ],
    ),
    ("conversation", &["dialplan", "speech", "journal", "redact", "ids", "deadline", "settings"]),
    ("turn", &["speech", "ids", "deadline"]),
    ("media", &["wire", "audio", "ids", "deadline"]),
    ("sip", &["wire", "ids", "deadline", "redact", "settings"]),
    ("dialplan", &["speech", "wire", "settings", "journal"]),
    ("journal", &["ids", "speech", "redact"]),
    ("speech", &["ids", "redact"]),
    ("wire", &[]),
    ("audio", &[]),
    ("ids", &[]),
    ("redact", &[]),
    ("deadline", &[]),
    ("settings", &[]),
];

/// Folders below the line: no tokio, no clock, no file, no lock.
const BELOW_THE_LINE: &[&str] = &[
    "call",
    "conversation",
    "turn",
    "media",
    "sip",
    "dialplan",
    "journal",
    "speech",
    "wire",
    "audio",
    "ids",
    "redact",
    "deadline",
    "settings",
];

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;
const STRUCT_FIELDS: usize = 15;

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

struct File {
    path: String,
    part: String,
    text: String,
    tree: syn::File,
    /// Compiled only for tests: free of the size rules and of the import table.
    test: bool,
}

fn files() -> Vec<File> {
    let root = source_root();
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let path = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let part = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let tree = syn::parse_file(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        all.push(File { path, part, text, tree, test: false });
    }
    assert!(all.len() > 20, "src/ was not found");
    let tests = test_modules(&all);
    for file in &mut all {
        let name = file.path.trim_end_matches(".rs");
        file.test = tests.iter().any(|t| name == t || name.strip_prefix(t).is_some_and(|rest| rest.starts_with('/')));
    }
    all
}

/// Items that are no tests: `#[cfg(test)]` modules are free of the size rules and of the import table.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("cfg") && matches!(&a.meta, syn::Meta::List(l) if l.tokens.to_string().contains("test"))
            || a.path().is_ident("test")
    })
}

/// Files whose `mod` line is for tests only.
fn test_modules(files: &[File]) -> Vec<String> {
    let mut all = Vec::new();
    for file in files {
        let folder = file.path.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
        for item in &file.tree.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && is_test(&module.attrs)
            {
                all.push(format!("{folder}/{}", module.ident));
            }
        }
    }
    all
}

#[derive(Default)]
struct Survey {
    crate_paths: Vec<String>,
    functions: Vec<(String, usize)>,
    structs: Vec<(String, usize)>,
    type_names: Vec<String>,
}

impl Survey {
    fn note_function(&mut self, name: String, block: &syn::Block) {
        let lines = block.brace_token.span.close().end().line - block.brace_token.span.open().start().line + 1;
        self.functions.push((name, lines));
    }

    fn note_use(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(p) if p.ident == "crate" => self.note_crate(&p.tree),
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.note_use(t)),
            _ => {}
        }
    }

    fn note_crate(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(p) => self.crate_paths.push(p.ident.to_string()),
            syn::UseTree::Name(n) => self.crate_paths.push(n.ident.to_string()),
            syn::UseTree::Rename(r) => self.crate_paths.push(r.ident.to_string()),
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.note_crate(t)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Survey {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_use(&item.tree);
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 && path.segments[0].ident == "crate" {
            self.crate_paths.push(path.segments[1].ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.note_function(item.sig.ident.to_string(), &item.block);
            syn::visit::visit_item_fn(self, item);
        }
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note_function(item.sig.ident.to_string(), &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.structs.push((item.ident.to_string(), item.fields.len()));
        self.type_names.push(item.ident.to_string());
        syn::visit::visit_item_struct(self, item);
    }
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_names.push(item.ident.to_string());
        syn::visit::visit_item_enum(self, item);
    }
}

fn surveys() -> Vec<(File, Survey)> {
    files()
        .into_iter()
        .map(|file| {
            let mut survey = Survey::default();
            survey.visit_file(&file.tree);
            (file, survey)
        })
        .collect()
}

fn hold(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "ARCHITECTURE.md, \"{rule}\":\n  {}", broken.join("\n  "));
}

#[test]
fn imports_go_down() {
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut broken = Vec::new();
    for (file, survey) in surveys() {
        if file.part == "lib" || file.test {
            continue;
        }
        let Some(allowed) = table.get(file.part.as_str()) else {
            broken.push(format!("src/{}: '{}' is not in the table", file.path, file.part));
            continue;
        };
        for import in survey.crate_paths {
            if import != file.part && !allowed.contains(&import.as_str()) && table.contains_key(import.as_str()) {
                broken.push(format!("src/{}: {} may not import {import}", file.path, file.part));
            }
        }
    }
    broken.dedup();
    hold("Who may import whom", broken);
}

#[test]
fn nothing_below_the_line_waits_or_opens() {
    const FORBIDDEN: &[&str] = &[
        "tokio::",
        "std::fs",
        "Instant::now(",
        "SystemTime::now(",
        "thread::spawn",
        "thread::sleep",
        "Mutex<",
        "RwLock<",
        ".await;",
        ".await?",
        ".await)",
        ".await.",
        "std::net::UdpSocket",
        "std::net::TcpStream",
        "crossbeam_channel",
        "sqlx::",
    ];
    let mut broken = Vec::new();
    for file in files() {
        if !BELOW_THE_LINE.contains(&file.part.as_str()) || file.test {
            continue;
        }
        let code = file.text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for word in FORBIDDEN.iter().filter(|w| line.contains(**w)) {
                broken.push(format!("src/{}:{}: {word}", file.path, number + 1));
            }
        }
    }
    hold("Never 1: nothing below the line reads a clock, opens, spawns, locks or awaits", broken);
}

#[test]
fn files_functions_and_structs_stay_small() {
    let mut broken = Vec::new();
    for (file, survey) in surveys() {
        if file.test {
            continue;
        }
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines = code.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("src/{}: {lines} lines, the wall is {FILE_LINES}", file.path));
        }
        for (name, lines) in survey.functions.iter().filter(|(_, lines)| *lines > FUNCTION_LINES) {
            broken.push(format!("src/{}: fn {name}: {lines} lines, at most {FUNCTION_LINES}", file.path));
        }
        for (name, fields) in survey.structs.iter().filter(|(_, fields)| *fields > STRUCT_FIELDS) {
            broken.push(format!("src/{}: struct {name}: {fields} fields, at most {STRUCT_FIELDS}", file.path));
        }
    }
    hold("Never 10: no file over 800 lines, no function over 70, no struct over 15 fields", broken);
}

#[test]
fn every_module_has_a_head() {
    let broken = files()
        .iter()
        .filter(|f| !f.text.starts_with("//!"))
        .map(|f| format!("src/{}: does not begin with //!", f.path))
        .collect();
    hold("Modules say what they are", broken);
}

#[test]
fn names_say_what_they_mean() {
    const EMPTY: &[&str] = &["Session", "Manager", "Handler", "Context", "Data", "Info", "Util", "Helper", "State"];
    const KINDS: &[&str] = &["types", "utils", "services", "handlers", "common", "helpers"];
    let mut broken = Vec::new();
    for (file, survey) in surveys() {
        for name in survey.type_names.iter().filter(|n| EMPTY.contains(&n.as_str())) {
            broken.push(format!("src/{}: {name} is no type name", file.path));
        }
        for kind in file.path.split('/').map(|p| p.trim_end_matches(".rs")).filter(|p| KINDS.contains(p)) {
            broken.push(format!("src/{}: '{kind}' is a kind, not a noun", file.path));
        }
    }
    hold("Words: one per concept", broken);
}

#[test]
fn no_queue_is_unbounded() {
    const UNBOUNDED: &[&str] =
        &["unbounded_channel(", "mpsc::channel()", "crossbeam_channel::unbounded(", "unbounded()"];
    let mut broken = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            if UNBOUNDED.iter().any(|w| line.contains(w)) {
                broken.push(format!("src/{}:{}", file.path, number + 1));
            }
        }
    }
    hold("Never 6: no unbounded queue", broken);
}

#[test]
fn what_the_network_sends_is_never_a_panic() {
    let mut broken = Vec::new();
    for file in files() {
        if file.test || matches!(file.part.as_str(), "main" | "cli") {
            continue;
        }
        let code = file.text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("//") {
                continue;
            }
            if line.contains(".unwrap()")
                || line.contains(".expect(\"")
                || line.contains("todo!(")
                || line.contains("unimplemented!(")
            {
                broken.push(format!("src/{}:{}: {line}", file.path, number + 1));
            }
        }
    }
    hold("Errors: no unwrap or expect outside tests and start-up", broken);
}
