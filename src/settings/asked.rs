//! What a reader asks of a file: its own table of keys, written down while it reads a specimen, as a JSON Schema for editors.
//! So the schema cannot say anything else than the reader does.

use serde_json::{Map, Value, json};

/// One question of a reader.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) file: String,
    /// Of the table: `intent.bill.slots[1]`.
    pub(super) path: String,
    pub(super) key: String,
    pub(super) what: What,
}

/// What was asked about a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Text,
    Integer(i64, i64),
    Float(f64, f64),
    Boolean,
    Texts,
    Table,
    Tables,
    /// The table's keys are names.
    Names,
    /// It must be there.
    Required,
    /// In words.
    Means(String),
}

/// A table of a schema, or a value in it.
#[derive(Debug, Default)]
struct Node {
    kind: Option<What>,
    means: Option<String>,
    required: bool,
    names: bool,
    /// In the order in which they were asked for.
    children: Vec<(String, Node)>,
}

impl Node {
    fn child(&mut self, key: &str) -> &mut Self {
        let at = self.children.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            self.children.push((key.to_owned(), Self::default()));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }

    fn table(&mut self, path: &str) -> &mut Self {
        path.split('.')
            .filter(|part| !part.is_empty())
            .fold(self, |node, part| node.child(part.split_once('[').map_or(part, |(name, _)| name)))
    }

    fn schema(&self) -> Value {
        let mut schema = match &self.kind {
            Some(What::Text) => json!({ "type": "string" }),
            Some(What::Integer(least, most)) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Some(What::Float(least, most)) => json!({ "type": "number", "minimum": least, "maximum": most }),
            Some(What::Boolean) => json!({ "type": "boolean" }),
            Some(What::Texts) => json!({ "type": "array", "items": { "type": "string" } }),
            Some(What::Tables) => json!({ "type": "array", "items": self.object() }),
            Some(What::Table | What::Names | What::Required | What::Means(_)) | None => self.object(),
        };
        if let (Some(means), Some(object)) = (&self.means, schema.as_object_mut()) {
            object.insert("description".to_owned(), json!(means));
        }
        schema
    }

    fn object(&self) -> Value {
        if self.names {
            let any = self.children.first().map_or(json!(true), |(_, child)| child.schema());
            return json!({ "type": "object", "additionalProperties": any });
        }
        let properties: Map<String, Value> =
            self.children.iter().map(|(key, child)| (key.clone(), child.schema())).collect();
        let required: Vec<&str> =
            self.children.iter().filter(|(_, child)| child.required).map(|(key, _)| key.as_str()).collect();
        let mut object = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if let (false, Some(map)) = (required.is_empty(), object.as_object_mut()) {
            map.insert("required".to_owned(), json!(required));
        }
        object
    }

    /// True where this table, or one within it that is always read, has a key that must be there.
    fn needs(&self) -> bool {
        self.required || self.children.iter().any(|(_, child)| child.needs())
    }
}

/// The schema of one file: `full` was asked of a specimen that has every table, `empty` of a file with nothing in it.
pub(super) fn schema(full: &[Asked], empty: &[Asked], file: &str, title: &str) -> Value {
    let mut root = tree(full, file);
    let nothing = tree(empty, file);
    for (key, child) in &nothing.children {
        require_tables(root.child(key), child);
    }
    let mut schema = root.schema();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        object.insert("title".to_owned(), json!(title));
    }
    schema
}

/// A table that is read though it is not there, and has keys that must be there, must be there.
fn require_tables(node: &mut Node, nothing: &Node) {
    if nothing.children.iter().any(|(_, child)| child.needs()) {
        node.required = true;
    }
    for (key, child) in &nothing.children {
        require_tables(node.child(key), child);
    }
}

fn tree(asked: &[Asked], file: &str) -> Node {
    let mut root = Node::default();
    for question in asked.iter().filter(|question| question.file == file) {
        let table = root.table(&question.path);
        match &question.what {
            What::Names => table.names = true,
            What::Required => table.child(&question.key).required = true,
            What::Means(text) => {
                table.child(&question.key).means.get_or_insert_with(|| text.clone());
            }
            kind => {
                table.child(&question.key).kind = Some(kind.clone());
            }
        }
    }
    root
}
