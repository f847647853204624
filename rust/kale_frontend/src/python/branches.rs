//! Branches: what each name may be after a choice of paths.

use super::analyzer::{Analyzer, Binding, Layer};
use super::facts::{Kind, Source};
use super::heap::Unshippable;
use super::names::{Name, NameSet};
use super::value::Value;
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub fn push_layer(&mut self) {
        self.frame().layers.push(Layer::default());
    }

    pub fn pop_layer(&mut self) -> Layer {
        self.frame().layers.pop().expect("every pop has its push")
    }

    /// Executes a block in a layer of its own. Gives the layer, and those of the block's names as they are when it is left
    /// in the middle.
    pub(super) fn interrupted(&mut self, may_stop: bool, execute: impl FnOnce(&mut Self)) -> Vec<Layer> {
        let frame = self.frame();
        frame.interruptible += usize::from(may_stop);
        let start = frame.overwritten.len();
        self.push_layer();
        execute(self);
        let mut layers = vec![self.pop_layer()];
        let frame = self.frame();
        if may_stop && !planted(Fault::InterruptionMissed) {
            layers.extend(spread(&frame.overwritten[start..]));
        }
        frame.interruptible -= usize::from(may_stop);
        if frame.interruptible == 0 {
            // (An outer block may be left there, too.)
            frame.overwritten.clear();
        }
        layers
    }

    /// The end of a block that leaves: who is given the exception finds its names as they are now.
    pub(super) fn leave_by_exception(&mut self) {
        let layer = self.pop_layer();
        let frame = self.frame();
        if frame.interruptible > 0 {
            let mut left: Vec<(Name, Binding)> = layer.into_iter().collect();
            left.sort_by_key(|(name, _)| *name);
            frame.overwritten.extend(left);
        }
    }

    /// After a choice between branches: each name is what one of them, or (`None`) the code before, left it.
    pub fn join(&mut self, branches: Vec<Layer>, may_skip: bool) {
        let names: NameSet = branches.iter().flat_map(|layer| layer.keys().copied()).collect();
        for name in names {
            let before = self.frame().lookup(name).cloned();
            let mut merged: Option<Option<Binding>> = (may_skip && !planted(Fault::MayAsMust)).then(|| before.clone());
            for layer in &branches {
                let this = layer.get(&name).cloned().or_else(|| before.clone());
                merged = Some(match merged {
                    None => this,
                    Some(other) => self.either_binding(other, this),
                });
            }
            if let Some(Some(binding)) = merged {
                if may_skip || branches.iter().any(|layer| !layer.contains_key(&name)) {
                    self.note_kept(name, before.as_ref());
                }
                self.install(name, binding);
            }
        }
    }

    /// The statement may leave a name as an earlier one of its cell has bound it: executed again, it needs that one.
    fn note_kept(&mut self, name: Name, before: Option<&Binding>) {
        if let Some(before) = before
            && self.in_module()
            && before.version.is_none()
            && before.cell == self.cell
            && before.statement != self.statement
        {
            self.statement_reads.entry(name).or_insert(Source::Statement(before.statement));
        }
    }

    pub(super) fn merge_binding(&mut self, name: Name, a: Option<Binding>, b: Option<Binding>) {
        self.note_kept(name, b.as_ref());
        if let Some(binding) = self.either_binding(a, b) {
            self.install(name, binding);
        }
    }

    /// Puts a joined binding into the current layer; in the module, its objects become one alias group.
    pub(super) fn install(&mut self, name: Name, mut binding: Binding) {
        if self.in_module() && !binding.deleted {
            // The name is a member of the group also where a branch has only deleted it.
            self.unite(name, &mut binding.value);
            if binding.outer {
                // Whether the old value is needed depends on who reads the name afterwards.
                self.enter(name);
            }
            self.statement_binds.insert(name);
        }
        self.frame().put(name, binding);
    }

    /// The value that is one or the other. What it then is has no type that tells whether it can travel, so its object does.
    pub(super) fn either(&mut self, a: Value, b: &Value) -> Value {
        if a.ty != b.ty {
            for value in [&a, b] {
                if let (Kind::Unshippable(type_path), Some(&own)) = (self.kind(value), value.objects.first()) {
                    self.holds_unshippable(&Value::object(value.ty, own), Unshippable { type_path });
                }
            }
        }
        a.join(b)
    }

    /// The binding that is one or the other; `None` stands for "no binding".
    fn either_binding(&mut self, a: Option<Binding>, b: Option<Binding>) -> Option<Binding> {
        match (a, b) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(Binding { maybe_unbound: true, replay: false, ..one }),
            (Some(a), Some(b)) => {
                let outside = |binding: &Binding| binding.outer || binding.version.is_some();
                let unchanged = a.version.is_some() && a.version == b.version && a.statement == b.statement;
                if unchanged {
                    return Some(a);
                }
                let deleted = a.deleted && b.deleted;
                let value = match (a.deleted, b.deleted) {
                    (true, false) => b.value.clone(),
                    (false, true) => a.value.clone(),
                    _ => self.either(a.value.clone(), &b.value),
                };
                Some(Binding {
                    value,
                    cell: if a.cell == usize::MAX { a.cell } else { self.cell },
                    statement: a.statement.max(b.statement),
                    outer: (outside(&a) || outside(&b)) && !planted(Fault::PassThroughDropped),
                    maybe_unbound: a.maybe_unbound || b.maybe_unbound || a.deleted != b.deleted,
                    deleted,
                    replay: false,
                    version: None,
                })
            }
        }
    }
}

/// Bindings of which each may be left, as layers that have one of each name.
fn spread(overwritten: &[(Name, Binding)]) -> Vec<Layer> {
    let mut layers: Vec<Layer> = vec![];
    for (name, binding) in overwritten {
        match layers.iter_mut().find(|layer| !layer.contains_key(name)) {
            Some(layer) => drop(layer.insert(*name, binding.clone())),
            None => layers.push(Layer::from_iter([(*name, binding.clone())])),
        }
    }
    layers
}
