//! Which statements may be executed again in another step, instead of shipping what they bind.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{Expr, Stmt};

use super::analyzer::{Analyzer, Binding};
use super::arguments::is_literal;
use super::effects::Effects;
use super::facts::{Facts, Replay, Setting, Source, StatementId, VersionId};
use super::knowledge::Ships;
use super::names::{Name, NameSet};
use super::pseudo;
use super::value::Value;
use crate::fault::{Fault, planted};

/// Assignments that build on each other are executed again up to this many; beyond it the value is shipped.
pub const MAX_REPLAYED: usize = 3;

/// The steps that a module's settings may concern repeat them, up to this many; beyond it, its users are one step.
const MAX_SETTINGS: usize = 100;

impl<'a> Analyzer<'a> {
    /// How many assignments executing the statement again takes.
    pub(super) fn depth(&self, statement: Option<&Stmt>, reads: &BTreeMap<Name, Source>) -> usize {
        let behind = reads.iter().filter_map(|(&name, &source)| match source {
            Source::Statement(id) => Some(self.facts.statement(id).depth),
            Source::Version(id) => {
                let bound = self.facts.bound(name, id)?.statement;
                Some(self.facts.statement(bound).depth)
            }
        });
        let own = usize::from(matches!(statement, Some(Stmt::Assign(_) | Stmt::AnnAssign(_))));
        behind.max().unwrap_or(0) + own
    }

    /// Whether the statement just executed may be executed again in another step.
    pub(super) fn replay(
        &mut self,
        statement: Option<&'a Stmt>,
        effects: &Effects,
        reads: &BTreeMap<Name, Source>,
        binds: &NameSet,
        parameters: &[String],
    ) -> Replay {
        let Some(statement) = statement else { return Replay::No };
        let displays = match effects.settings.is_empty() {
            true => BTreeMap::new(),
            false => self.displays_behind(reads),
        };
        let is_given =
            |(name, source): (&Name, &Source)| displays.contains_key(name) || self.is_replayable(*name, *source);
        if effects.is_impure() || effects.prints || !reads.iter().all(is_given) {
            return Replay::No;
        }
        let is_stateless = matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        if !effects.settings.is_empty() {
            // A block may do more than call the setting: bind what other statements have bound since, say. (A generator
            // that is seeded with it has the state it is given wherever it is drawn from.)
            let is_call = matches!(statement, Stmt::Expr(_) | Stmt::Assign(_) | Stmt::AugAssign(_));
            let binds_only_generators = binds.iter().all(|&name| pseudo::generator(self.facts.text(name)).is_some());
            let only_settings = ((binds_only_generators || is_stateless) && (is_call || !effects.calls))
                || (is_block_of_settings(statement) && !effects.unknown_calls);
            if !only_settings || !self.may_repeat(&effects.settings) {
                return Replay::No;
            }
            return Replay::Configuration(Setting { modules: effects.settings.clone(), displays });
        }
        if effects.unknown_calls || (effects.calls && !is_stateless) || !is_simple(statement) {
            return Replay::No;
        }
        if binds.is_empty() {
            let bare = match statement {
                Stmt::Pass(_) | Stmt::AnnAssign(_) => true,
                Stmt::Expr(expr) => expr.value.is_string_literal_expr() || expr.value.is_ellipsis_literal_expr(),
                Stmt::If(_) | Stmt::Try(_) | Stmt::Import(_) | Stmt::ImportFrom(_) => true,
                _ => false,
            };
            if effects.star_import {
                return Replay::Definition;
            }
            return if bare { Replay::Nothing } else { Replay::No };
        }
        if parameters.iter().any(|p| binds.contains(&self.facts.names.intern(p))) {
            return Replay::Parameter;
        }
        let values_are_remade = binds
            .iter()
            .filter(|&&name| pseudo::module(self.facts.text(name)).is_none())
            .filter_map(|&name| Some(&self.module_binding(name)?.value))
            .all(|value| is_stateless || self.is_stateless(value) || self.is_rebuildable(value));
        if values_are_remade { Replay::Definition } else { Replay::No }
    }

    /// Of what a setting reads, that which displays of constants make and which is still as it was made.
    fn displays_behind(&self, reads: &BTreeMap<Name, Source>) -> BTreeMap<Name, StatementId> {
        reads.iter().filter_map(|(&name, &source)| Some((name, self.display_behind(name, source)?))).collect()
    }

    fn display_behind(&self, name: Name, source: Source) -> Option<StatementId> {
        let found = match source {
            Source::Statement(id) => {
                let is_bound = |binding: &Binding| binding.statement == id && !binding.replay;
                let is_display = self.facts.statement(id).is_display;
                Some(id).filter(|_| is_display && self.module_binding(name).is_some_and(is_bound))
            }
            Source::Version(id) => self.facts.display_behind(name, id),
        };
        found.filter(|_| !self.mutated.contains_key(&name))
    }

    /// Whether it is worth it to repeat one more statement that sets something of these modules.
    fn may_repeat(&mut self, modules: &BTreeSet<String>) -> bool {
        let counts = modules.iter().map(|module| {
            let repeated = self.repeated_settings.entry(module.clone()).or_default();
            *repeated += 1;
            *repeated
        });
        counts.fold(0, usize::max) <= MAX_SETTINGS
    }

    /// Whether another object made by the same statement is as good.
    pub(super) fn is_rebuildable(&self, value: &Value) -> bool {
        self.of_type(value, |t| t.ships).is_some_and(Ships::is_remade)
    }

    pub(super) fn is_replayable(&self, name: Name, source: Source) -> bool {
        match source {
            Source::Statement(id) => {
                self.facts.statement(id).replay.remakes()
                    && self.module_binding(name).is_none_or(|b| b.statement != id || b.replay)
            }
            Source::Version(id) => replays(&self.facts, name, id),
        }
    }

    /// After a change of existing objects, the names bound to them are not what their statements made.
    pub(super) fn forget_replays(&mut self) {
        for name in self.mutated.keys().filter(|_| !planted(Fault::StaleDefinition)) {
            if let Some(binding) = self.frames[0].layers[0].get_mut(name) {
                binding.replay = false;
            }
        }
    }
}

/// `for name, value in {...}.items(): pd.set_option(name, value)`: whether a block does nothing but calls and
/// assignments to attributes and items. Then it binds its loop variables only: repeated at its own place in the
/// notebook's order, it leaves what later cells bind, or are given, as it is.
fn is_block_of_settings(statement: &Stmt) -> bool {
    let all = |body: &[Stmt]| body.iter().all(|inner| is_setting(inner) || is_block_of_settings(inner));
    match statement {
        Stmt::For(block) => !block.is_async && is_names(&block.target) && all(&block.body) && all(&block.orelse),
        Stmt::If(block) => all(&block.body) && block.elif_else_clauses.iter().all(|clause| all(&clause.body)),
        _ => false,
    }
}

fn is_setting(statement: &Stmt) -> bool {
    let is_place = |target: &Expr| target.is_attribute_expr() || target.is_subscript_expr();
    match statement {
        Stmt::Expr(expr) => expr.value.is_call_expr(),
        Stmt::Assign(assign) => assign.targets.iter().all(is_place),
        _ => false,
    }
}

fn is_names(target: &Expr) -> bool {
    match target {
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_names),
        _ => target.is_name_expr(),
    }
}

/// Whether an assignment's value cannot fail or take long for reasons of its own: its operands take no element of
/// something.
fn is_simple(statement: &Stmt) -> bool {
    fn simple(expr: &Expr) -> bool {
        match expr {
            Expr::Subscript(_) | Expr::Await(_) | Expr::IpyEscapeCommand(_) => false,
            Expr::BinOp(op) => simple(&op.left) && simple(&op.right),
            Expr::UnaryOp(op) => simple(&op.operand),
            Expr::Tuple(tuple) => tuple.elts.iter().all(simple),
            Expr::Call(call) => call.arguments.args.iter().all(simple),
            _ => true,
        }
    }
    match statement {
        Stmt::Assign(assign) => simple(&assign.value),
        Stmt::AnnAssign(assign) => assign.value.as_deref().is_none_or(simple),
        Stmt::For(_) | Stmt::While(_) => false,
        _ => true,
    }
}

/// `sizes = {"font.size": 8}`: whether names are given to displays of constants.
pub fn is_display(statement: &Stmt) -> bool {
    match statement {
        Stmt::Assign(assign) => assign.targets.iter().all(Expr::is_name_expr) && is_literal(&assign.value),
        _ => false,
    }
}

/// Whether the value of `name` in a version can be made again by executing its statement.
pub fn replays(facts: &Facts, name: Name, id: VersionId) -> bool {
    let Some(version) = facts.maker(name, id).map(|maker| facts.version(maker)) else { return false };
    !version.mutated.contains_key(&name) && version.bound.get(&name).is_some_and(|bound| bound.replay)
}
