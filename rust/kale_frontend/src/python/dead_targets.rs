//! Loop variables whose earlier values nobody reads.
//!
//! A loop may run no round at all, so after `for key, value in table.items():` each target is the loop's last element or
//! what it was before. Notebooks use few names for targets, again and again: joining each loop's elements with those of
//! the loop before would make one alias group of all that was ever looped over. SSA in its *pruned* form (Choi, Cytron
//! and Ferrante, POPL 1991) has no phi for a variable that is dead; neither has the analysis a join for such a target.
//!
//! A name is dead behind a loop when, from there on, every mention of it comes after a statement that certainly binds
//! it, or lies in a further loop with the same target. Any other mention of the word counts as a read, in strings and
//! magics, too. A variable that a function may read, whenever it is called, is never dead; nor is one that a text means
//! as `@name`.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use rustc_hash::{FxHashMap, FxHashSet};

use super::analyzer::Unit;
use super::facts::CellId;
use super::pragmas::changed_name;
use super::scope::target_names;

/// By the start of a loop that stands in no other statement: the targets that are dead before it and behind it.
pub type DeadTargets<'a> = FxHashMap<(CellId, TextSize), Vec<&'a str>>;

/// What a statement does with a name that it mentions.
#[derive(Clone, Copy)]
enum Mention {
    /// It may read what the name was before.
    Read,
    /// It certainly binds the name, and reads nothing of it before.
    Binding,
    /// It is a loop with the name as target, and reads nothing of it before or behind its body.
    Loop(CellId, TextSize),
}

pub fn dead_targets<'a>(units: &[Unit<'a>]) -> DeadTargets<'a> {
    let loops = units.iter().flat_map(|unit| &unit.module.body).filter_map(Stmt::as_for_stmt);
    let mut targets = FxHashSet::default();
    loops.for_each(|found| targets.extend(target_names(&found.target)));
    if targets.is_empty() {
        return DeadTargets::default();
    }
    for unit in units {
        for name in unit.table.read_late().chain(meant_by_texts(unit.source)) {
            targets.remove(name);
        }
    }
    let mut mentions: BTreeMap<&str, Vec<Mention>> = BTreeMap::new();
    for (cell, unit) in units.iter().enumerate() {
        // What the cell's magic does happens before its body, or after it.
        let others = unit.binds.iter().chain(unit.reads).map(String::as_str);
        let others: Vec<&str> = others.chain(unit.pragmas.iter().filter_map(|(said, _)| changed_name(said))).collect();
        let others: Vec<&str> = others.into_iter().filter_map(|name| targets.get(name).copied()).collect();
        others.iter().for_each(|name| mentions.entry(name).or_default().push(Mention::Read));
        let mut seen: Vec<&str> = vec![];
        for statement in &unit.module.body {
            seen.clear();
            words(&unit.source[statement.range()], |word| {
                if targets.contains(word) && !seen.contains(&word) {
                    seen.push(word);
                    mentions.entry(word).or_default().push(mention(unit, cell, statement, word));
                }
            });
        }
        others.iter().for_each(|name| mentions.entry(name).or_default().push(Mention::Read));
    }
    let mut dead = DeadTargets::default();
    for (name, mentions) in mentions {
        let mut is_live = false;
        for mention in mentions.into_iter().rev() {
            match mention {
                Mention::Read => is_live = true,
                Mention::Binding => is_live = false,
                Mention::Loop(cell, start) if !is_live => dead.entry((cell, start)).or_default().push(name),
                Mention::Loop(..) => {}
            }
        }
    }
    dead
}

fn mention(unit: &Unit, cell: CellId, statement: &Stmt, name: &str) -> Mention {
    let is_in = |range: TextRange| {
        let mut found = false;
        words(&unit.source[range], |word| found |= word == name);
        found
    };
    let is_bound = |target: &Expr| target_names(target).contains(&name);
    match statement {
        _ if unit.scratch => Mention::Read,
        Stmt::For(s) if is_bound(&s.target) => {
            let behind = s.orelse.first().zip(s.orelse.last());
            let is_read = is_in(s.iter.range())
                || has_places(&s.target)
                || behind.is_some_and(|(first, last)| is_in(TextRange::new(first.start(), last.end())));
            if is_read { Mention::Read } else { Mention::Loop(cell, s.start()) }
        }
        Stmt::Assign(s) if s.targets.iter().any(is_bound) => {
            let is_read = is_in(s.value.range()) || s.targets.iter().any(has_places);
            if is_read { Mention::Read } else { Mention::Binding }
        }
        _ => Mention::Read,
    }
}

/// Whether assigning to a target evaluates something: an attribute, an element.
fn has_places(target: &Expr) -> bool {
    match target {
        Expr::Name(_) => false,
        Expr::Tuple(several) => several.elts.iter().any(has_places),
        Expr::List(several) => several.elts.iter().any(has_places),
        Expr::Starred(rest) => has_places(&rest.value),
        _ => true,
    }
}

/// Names behind an `@`, as in `frame.query("x > @limit")`.
fn meant_by_texts(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split('@').skip(1).map(move |text| &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())])
}

/// The words of some code, those of strings and comments as well; names of attributes are left out.
fn words<'s>(code: &'s str, mut found: impl FnMut(&'s str)) {
    let bytes = code.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        if length > 0 && (at == 0 || bytes[at - 1] != b'.') {
            found(&code[at..at + length]);
        }
        at += length + 1;
    }
}
