//! The errors for hazards between two tagged steps: why their cells cannot be in processes of their own.

use kale_model::{Code, Diagnostic, Span};
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::name_of;
use crate::analysis::Analysis;
use crate::dataflow::hazard::{Hazard, Reason};
use crate::python::facts::{CellId, Resource, VersionId};
use crate::python::names::{Name, NameSet};
use crate::python::pseudo;

pub fn hazard(analysis: &Analysis, hazard: &Hazard) -> Diagnostic {
    let teller =
        Teller { analysis, hazard, earlier: name_of(analysis, hazard.earlier), later: name_of(analysis, hazard.later) };
    match &hazard.reason {
        Reason::Unshippable { name, type_path, is_own, version } => {
            let text = analysis.facts.text(*name);
            match pseudo::module(text) {
                Some(module) => teller.module_state(module, *version),
                None => teller.unshippable(*name, analysis.facts.text(*type_path), *is_own, *version),
            }
        }
        Reason::SharedBuffer { names, version } => teller.shared_buffer(names, *version),
        Reason::Layout { names, version } => teller.layout(names, *version),
        Reason::ProcessState { module } => teller.process_state(module),
        Reason::Dynamic { what } => teller.dynamic_code(what),
    }
}

/// The article in front of a word, by its first letter.
fn article(word: &str) -> &'static str {
    if word.starts_with(|c: char| "AEIOaeio".contains(c)) { "an" } else { "a" }
}

struct Teller<'a> {
    analysis: &'a Analysis<'a>,
    hazard: &'a Hazard,
    /// What the two cells are called.
    earlier: String,
    later: String,
}

impl Teller<'_> {
    fn module_state(&self, module: &str, version: VersionId) -> Diagnostic {
        let Teller { earlier, later, .. } = self;
        Diagnostic::new(
            Code::ProcessState,
            format!(
                "{earlier} changes the state of the module `{module}`, which {later} uses: a step of its own imports the \
                 module anew."
            ),
            "Put both cells into one step, or let the functions take and return what they keep.",
        )
        .at(self.use_in_later())
        .with_related(self.made(version), "it is changed here")
    }

    /// The class that the notebook calls to make a value: a type of the knowledge base may stand for several.
    fn class_called(&self, name: Name, version: VersionId, type_path: &str) -> Option<&str> {
        let facts = &self.analysis.facts;
        let made = facts.statement(facts.bound(name, version)?.statement);
        let body = &self.analysis.cells[made.cell].parsed.module.body;
        let value = match body.iter().find(|statement| statement.range() == made.range)? {
            Stmt::Assign(assign) => &assign.value,
            Stmt::AnnAssign(assign) => assign.value.as_ref()?,
            _ => return None,
        };
        let called = match value.as_call_expr()?.func.as_ref() {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return None,
        };
        (called.starts_with(char::is_uppercase) || type_path == "numpy.errstate").then_some(called)
    }

    fn unshippable(&self, name: Name, type_path: &str, is_own: bool, version: VersionId) -> Diagnostic {
        let Teller { earlier, later, .. } = self;
        let called = self.class_called(name, version, type_path).filter(|_| is_own);
        let name = self.analysis.facts.text(name);
        let remake = match type_path {
            "element_iterator" | "iterator" | "generator" => {
                format!("or pass on what it yields (such as `list({name})`, if it ends), ")
            }
            _ => String::new(),
        };
        let short = match called.unwrap_or(type_path) {
            "element_iterator" => "iterator",
            path => path.rsplit('.').next().unwrap_or(path),
        };
        let held = if is_own { "" } else { "which may hold " };
        let what = format!("{held}{} `{short}`", article(short));
        Diagnostic::new(
            Code::UnshippableValue,
            format!(
                "`{name}`, {what}, is made in {earlier} and used in {later}, but cannot travel between \
                 processes."
            ),
            format!("Make `{name}` again where it is used, {remake}or put both cells into one step."),
        )
        .at(self.use_in_later())
        .with_related(self.made(version), format!("`{name}` is made here"))
    }

    fn shared_buffer(&self, names: &NameSet, version: VersionId) -> Diagnostic {
        Diagnostic::new(
            Code::SharedBuffer,
            format!(
                "{} may share memory that {} may change in place; in another process they are copies.",
                self.quoted(names),
                self.later
            ),
            "Put both cells into one step. If they are not meant to share it, let one of them be a copy where they are \
             joined (such as `b = a.copy()`); if what is called there changes nothing, say so by `# kale: pure NAME`.",
        )
        .at(self.use_in_later())
        .with_related(self.made(version), "they are joined here")
    }

    fn layout(&self, names: &NameSet, version: VersionId) -> Diagnostic {
        Diagnostic::new(
            Code::SharedBuffer,
            format!(
                "{} may be a view with gaps, which do not travel; without them, what is made of it by `reshape` or \
                 `ravel` is a view and no copy, and {} changes one of the two.",
                self.quoted(names),
                self.later
            ),
            "Copy it explicitly where it is made (such as `b = a[::2].copy()`), or put both cells into one step.",
        )
        .at(self.use_in_later())
        .with_related(self.made(version), "it is made here")
    }

    fn process_state(&self, module: &str) -> Diagnostic {
        let Teller { earlier, later, .. } = self;
        let what = if module.is_empty() { "the process".to_owned() } else { format!("`{module}`") };
        let found = self.analysis.facts.cells[self.hazard.earlier].resources.iter();
        let setting = found.into_iter().find(|used| matches!(used.resource, Resource::Process(_)));
        Diagnostic::new(
            Code::ProcessState,
            format!("{earlier} changes settings of {what} that {later} sees, in a way that cannot be repeated there."),
            "Write it as a statement of its own, with constants, in an `imports` cell; or put both cells into one step.",
        )
        .at(self.place(self.hazard.earlier, setting.map(|used| used.range)))
    }

    fn dynamic_code(&self, what: &str) -> Diagnostic {
        let dynamic = |cell: CellId| &self.analysis.facts.cells[cell].dynamic;
        let cells = [self.hazard.earlier, self.hazard.later];
        let cell = cells.into_iter().find(|&cell| !dynamic(cell).is_empty()).unwrap_or(self.hazard.earlier);
        Diagnostic::new(
            Code::DynamicCode,
            format!("`{what}` runs code that cannot be seen before the run, so what it reads and binds is unknown."),
            "Write the code out, or put the whole notebook into one step.",
        )
        .at(self.place(cell, dynamic(cell).first().map(|(_, range)| *range)))
    }

    /// Where the later cell uses what the hazard is about.
    fn use_in_later(&self) -> Span {
        let names: NameSet = match &self.hazard.reason {
            Reason::Unshippable { name, .. } => NameSet::of(*name),
            Reason::SharedBuffer { names, .. } | Reason::Layout { names, .. } => names.clone(),
            Reason::ProcessState { .. } | Reason::Dynamic { .. } => NameSet::default(),
        };
        let mut uses = self.analysis.facts.cells[self.hazard.later].uses.iter();
        self.place(self.hazard.later, uses.find(|used| names.contains(&used.name)).map(|used| used.range))
    }

    fn made(&self, version: VersionId) -> Span {
        let version = self.analysis.facts.version(version);
        self.analysis.place(version.cell, version.range)
    }

    /// A place in a cell; its beginning where nothing better is known.
    fn place(&self, cell: CellId, range: Option<TextRange>) -> Span {
        self.analysis.place(cell, range.unwrap_or_default())
    }

    fn quoted(&self, names: &NameSet) -> String {
        let names: Vec<String> = names.iter().map(|&name| format!("`{}`", self.analysis.facts.text(name))).collect();
        names.join(" and ")
    }
}
