//! Files that calls read and write.

use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::arguments::{Arguments, first, given, literal_text};
use super::facts::Resource;
use super::heap::Place;
use super::knowledge::CallFacts;
use super::value::{Type, Value};

/// How names of functions begin that read a file whose path they are given.
const READERS: [&str; 4] = ["read", "load", "open", "parse"];
/// And of those that write one.
const WRITERS: [&str; 5] = ["write", "save", "dump", "export", "to_"];

/// Methods of paths that use the file, and that hardly anything else has.
const PATH_METHODS: [&str; 12] = [
    "exists",
    "is_dir",
    "is_file",
    "iterdir",
    "open",
    "read_bytes",
    "read_text",
    "rglob",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
];

impl<'a> Analyzer<'a> {
    pub(super) fn apply_files(
        &mut self,
        facts: &CallFacts,
        receiver: Option<&Value>,
        arguments: &Arguments<'a>,
        range: TextRange,
    ) {
        if facts.open {
            self.open_file(receiver, arguments, range);
        }
        for (which, write, read) in
            [(&facts.reads, false, true), (&facts.writes, true, false), (&facts.appends, true, true)]
        {
            if let Some(value) = first(which.iter(), receiver, arguments) {
                let value = if write { with_suffix(value.clone(), facts) } else { value.clone() };
                self.touch_file(&value, read, write, range);
            }
        }
        if !facts.lists.is_empty() {
            self.touch(Resource::AnyFile, false, range);
        }
    }

    pub(super) fn open_file(&mut self, receiver: Option<&Value>, arguments: &Arguments<'a>, range: TextRange) {
        let mode_at = if receiver.is_some() { "0" } else { "1" };
        let mode = [mode_at, "mode"].into_iter().find_map(|which| {
            let given = given(which, arguments);
            given.map(|(_, expr)| expr.and_then(literal_text).map(|text| text.trim_matches('\'').to_owned()))
        });
        let mode = match mode {
            None => Some("r".to_owned()),
            Some(text) => text,
        };
        let path = match receiver {
            Some(path) => Some(path),
            None => first(["0", "file"].into_iter(), None, arguments),
        };
        let Some(path) = path else { return };
        let mode = mode.unwrap_or_else(|| "r+".to_owned());
        let writes = mode.contains(['w', 'a', 'x', '+']);
        let reads = mode.contains(['r', 'a', '+']);
        self.touch_file(path, reads, writes, range);
    }

    pub(super) fn touch_file(&mut self, path: &Value, reads: bool, writes: bool, range: TextRange) {
        let resource = match path.text.as_deref() {
            Some(text) if text.contains("://") => Resource::Network,
            Some(text) => Resource::File(normal_path(text)),
            None if !path.is_constant() && !self.is_path(path) => {
                // A stream: its state changes; the file behind it was named when it was opened.
                self.mutate(path);
                if writes {
                    self.write_stream(path, range);
                }
                return;
            }
            None => {
                self.frame().effects.unknown_paths.push(range);
                Resource::AnyFile
            }
        };
        if reads {
            self.touch(resource.clone(), false, range);
        }
        if writes {
            self.touch(resource, true, range);
        }
    }

    /// `self.path.open("a")`: of what nothing is known, a method that paths have.
    pub(super) fn touch_as_path(&mut self, method: &str, arguments: &Arguments<'a>, range: TextRange) {
        let knowledge = self.knowledge;
        let facts = knowledge.method("pathlib.Path", method).filter(|_| PATH_METHODS.contains(&method));
        if let Some(facts) = facts {
            let path = Value { ty: Type::Instance(self.name("pathlib.Path")), ..Value::immutable() };
            self.apply_files(facts, Some(&path), arguments, range);
        }
    }

    /// What a function that nobody has described does to files, as its name and its arguments have it:
    /// `read_gml("net.gml")`, `model.save("model.bin")`.
    pub(super) fn touch_by_name(&mut self, function: &str, arguments: &Arguments<'a>, range: TextRange) {
        let begins = |verbs: &[&str]| verbs.iter().any(|verb| function.starts_with(verb));
        let (reads, writes) = (begins(&READERS), begins(&WRITERS));
        if reads || writes {
            for file in arguments.all().filter(|value| value.text.as_deref().is_some_and(is_file_name)) {
                self.touch_file(file, reads, writes, range);
            }
        }
    }

    /// Writing to a file that an earlier cell has opened (or that a function finds open) changes that file now.
    pub(super) fn write_stream(&mut self, stream: &Value, range: TextRange) {
        if !self.type_path(stream).is_some_and(|path| path.starts_with("io.")) {
            return;
        }
        let cell = self.cell;
        let is_earlier = stream.objects.iter().any(|&object| {
            let class = self.frames[self.frames.len() - 1].heap.peek(object);
            let mut names = class.members.iter();
            class.places.iter().any(|place| matches!(place, Place::Global(_)))
                || names.any(|&name| self.module_binding(name).is_some_and(|binding| binding.cell != cell))
        });
        if is_earlier {
            self.touch(Resource::AnyFile, true, range);
        }
    }

    /// Reads the variables that a query or formula names.
    pub(super) fn read_named(&mut self, text: &Value, range: TextRange) {
        if text.text.is_none() {
            self.frame().effects.dynamic.push(("a query built at run time".to_owned(), range));
        }
        for word in self.named_variables(text) {
            self.read(&word, range);
        }
    }

    /// The variables whose names are in a text.
    pub(super) fn named_variables(&mut self, text: &Value) -> Vec<String> {
        let Some(text) = text.text.clone() else { return vec![] };
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let is_variable = |word: &&str| {
            let name = self.name(word);
            word.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && (self.frames.last().is_some_and(|frame| frame.lookup(name).is_some())
                    || self.module_binding(name).is_some())
        };
        words.filter(is_variable).map(str::to_owned).collect()
    }
}

/// `./a//b` and `a/b` are one file.
pub(super) fn normal_path(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = vec![];
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

/// The path that is written: numpy and matplotlib add a suffix.
fn with_suffix(mut path: Value, facts: &CallFacts) -> Value {
    if let Some(text) = path.text.as_deref() {
        let file = text.rsplit('/').next().unwrap_or(text);
        let added = match (&facts.suffix, &facts.default_suffix) {
            (Some(suffix), _) if !text.ends_with(suffix.as_str()) => Some(format!("{text}{suffix}")),
            (_, Some(suffix)) if !file.contains('.') => Some(format!("{text}{suffix}")),
            _ => None,
        };
        if let Some(added) = added {
            path.text = Some(added.into());
        }
    }
    path
}

/// Whether a text is surely meant as the name of a file: it has a suffix.
fn is_file_name(text: &str) -> bool {
    let file = text.rsplit('/').next().unwrap_or(text);
    let is_suffix = |suffix: &str| {
        suffix.starts_with(|c: char| c.is_ascii_alphabetic()) && suffix.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    !text.contains(char::is_whitespace) && file.rsplit_once('.').is_some_and(|(_, suffix)| is_suffix(suffix))
}
