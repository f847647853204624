//! The versions that a cell leaves: the end of a cell in the analysis.

use std::collections::BTreeMap;

use super::analyzer::{Analyzer, Binding, Body, DefinitionKind};
use super::facts::{Bound, Kind, Source, StatementId, Use, Version, VersionId};
use super::heap::{AliasClass, ObjectId};
use super::knowledge::Ships;
use super::names::{Name, NameSet};
use super::results::THREAD;
use super::value::{CodeId, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    /// Gives a new version to every name that the cell bound, and to every alias group that it changed or joined.
    pub(super) fn end_cell(&mut self) {
        let mut needed = vec![];
        let roots = self.frames[0].heap.take_marked();
        self.facts.cells[self.cell].handled.extend(&roots);
        let groups: Vec<(ObjectId, NameSet)> =
            roots.into_iter().map(|root| (root, self.current_members(root))).collect();
        for (root, members) in groups {
            if !members.is_empty() {
                for together in travelling_together(&members) {
                    needed.extend(self.make_version(&together, Some(root)));
                }
                self.frames[0].heap.class(root).members = members;
            }
        }
        let cell = self.cell;
        // Whatever the cell bound has entered it, at the latest by being bound; what is in a group has its version now.
        let alone = self.entry.keys().copied().filter(|name| {
            let binding = self.frames[0].layers[0].get(name);
            binding.is_some_and(|binding| binding.cell == cell && binding.version.is_none())
        });
        for name in alone.collect::<NameSet>() {
            needed.extend(self.make_version(&NameSet::of(name), None));
        }
        for (id, name) in needed {
            if let Some(version) = self.frames[0].layers[0].get(&name).and_then(|binding| binding.version) {
                self.facts.versions[id.0].needs.insert(name, version);
            }
        }
        self.mutated.clear();
        self.rewritten = NameSet::default();
        let uses = std::mem::take(&mut self.uses);
        let used = uses.into_iter().filter_map(|(name, range)| {
            let version = self.entry.get(&name).copied().flatten()?;
            Some(Use { name, version, range })
        });
        self.facts.cells[cell].uses = used.collect();
        self.entry.clear();
    }

    /// Takes the names that are bound to objects of a class now; a branch that was overwritten may have left others.
    fn current_members(&mut self, root: ObjectId) -> NameSet {
        let mut members = std::mem::take(&mut self.frames[0].heap.class(root).members);
        members.retain(|name| {
            let object = self.frames[0].layers[0].get(name).and_then(|binding| binding.value.objects.first().copied());
            object.is_some_and(|object| self.frames[0].heap.find(object) == root)
        });
        members
    }

    /// Makes one version; returns the definitions that unpickling its values needs.
    pub(super) fn make_version(&mut self, members: &NameSet, root: Option<ObjectId>) -> Vec<(VersionId, Name)> {
        let id = VersionId(self.facts.versions.len());
        let cache = self.name("functools.lru_cache");
        let alone = AliasClass::default();
        let class = root.map_or(&alone, |root| self.frames[0].heap.peek(root));
        let bindings: Vec<(Name, &Binding)> =
            members.iter().filter_map(|&name| Some((name, self.frames[0].layers[0].get(&name)?))).collect();
        let passage = self.passage(&bindings, class, cache);
        let here = |binding: &Binding| self.is_bound_here(binding);
        let names_of = |is_meant: &dyn Fn(Name, &Binding) -> bool| -> NameSet {
            bindings.iter().filter(|&&(name, binding)| is_meant(name, binding)).map(|&(name, _)| name).collect()
        };
        let binders = names_of(&|_, binding| here(binding));
        let makers = names_of(&|name, binding| here(binding) || self.mutated.contains_key(&name));
        let optional = names_of(&|_, binding| binding.maybe_unbound || binding.deleted);
        let travelling = names_of(&|_, binding| passage.by_value && self.travels_by_value(binding));
        let new = || bindings.iter().filter(|(_, binding)| here(binding) && !binding.deleted);
        let old = bindings.iter().filter(|(_, binding)| !here(binding) || binding.outer);
        let parent = |name, binding: &Binding| self.entry.get(name).copied().flatten().or(binding.version);
        let maker = new().next().map(|(_, binding)| binding.statement);
        let last = || self.facts.cells[self.cell].statements.last().copied();
        let range = maker.or_else(last).map(|statement| self.facts.statement(statement).range);
        let of_name = || members.first().and_then(|name| self.frames[0].layers[0].get(name)?.value.objects.first());
        let version = Version {
            cell: self.cell,
            bound: new().map(|&(name, binding)| (name, self.bound(name, binding, class, &passage))).collect(),
            parents: old.filter_map(|(name, binding)| Some((*name, parent(name, binding)?))).collect(),
            mutated: members.iter().filter_map(|name| Some((*name, *self.mutated.get(name)?))).collect(),
            rewritten: members.iter().any(|name| self.rewritten.contains(name)),
            optional,
            alias_class: None,
            view: class.view,
            unshippable: class.unshippable,
            free: self.free_of_threads(members, class),
            needs: BTreeMap::new(),
            by_value: passage.by_value,
            range: range.unwrap_or_default(),
        };
        self.alias_classes.push(root.or_else(|| of_name().copied()));
        self.facts.versions.push(version);
        self.facts.cells[self.cell].versions.push(id);
        for &name in &binders {
            self.facts.binders.entry(name).or_default().push(id);
        }
        for &name in &makers {
            self.facts.makers.entry(name).or_default().push(id);
        }
        for &name in members {
            if let Some(binding) = self.frames[0].layers[0].get_mut(&name) {
                binding.version = Some(id);
                binding.outer = false;
            }
        }
        passage.needed.into_iter().filter(|name| !travelling.contains(name)).map(|name| (id, name)).collect()
    }

    fn passage(&self, bindings: &[(Name, &Binding)], class: &AliasClass, cache: Name) -> Passage {
        let (mut needed, mut by_value) = (NameSet::default(), false);
        for (_, binding) in bindings {
            by_value |= self.needed_definitions(binding.value.code.iter().chain(&class.code), &mut needed);
        }
        let shipped = bindings.iter().any(|(_, binding)| !binding.replay);
        // What shares the object that is a function's default must find the function that has it.
        let has_shared_default = |binding: &Binding| {
            shipped && matches!(binding.value.ty, Type::Function(_)) && !self.is_stateless(&binding.value)
        };
        // Definitions of the group itself are made again where it is read, unless they travel as values with it.
        by_value |= bindings.iter().any(|(name, binding)| {
            let travels = !binding.replay || has_shared_default(binding);
            travels && (needed.contains(name) || self.kind(&binding.value) == Kind::Callable)
        });
        // What has a state and is older goes along, and what is made of it must be made of that one: a class of its base.
        let is_older = |binding: &Binding| !self.is_bound_here(binding) && !self.is_named_definition(&binding.value);
        by_value |= shipped && bindings.iter().any(|(_, b)| is_older(b) && self.kind(&b.value) == Kind::Callable);
        Passage { needed, by_value, shipped, cache }
    }

    fn is_bound_here(&self, binding: &Binding) -> bool {
        binding.cell == self.cell && binding.version.is_none()
    }

    /// Of a group that travels by value, what comes with it under its own name and need not be there before.
    fn travels_by_value(&self, binding: &Binding) -> bool {
        !binding.replay || !self.is_named_definition(&binding.value)
    }

    /// What the cell has bound a name to.
    fn bound(&self, name: Name, binding: &Binding, class: &AliasClass, passage: &Passage) -> Bound {
        let is_definition = self.is_named_definition(&binding.value);
        let travels = passage.by_value && passage.shipped && !is_definition;
        let replay = binding.replay && self.stands(binding.statement) && !travels;
        let is_own = |code: &CodeId| self.definitions[code.index()].name == Some(name);
        let kind = match self.kind(&binding.value) {
            // A decorated function that is not made again: pickle would only write its name.
            Kind::Unknown if !replay && binding.value.code.iter().any(is_own) => Kind::Callable,
            // Its cache would stay behind.
            Kind::Callable if self.is_cached(&binding.value) => Kind::Unshippable(passage.cache),
            kind => kind,
        };
        Bound {
            statement: binding.statement,
            replay,
            stateless: is_definition && !binding.value.objects.is_empty(),
            kind,
            own_buffers: self.has_own_buffers(&binding.value),
            holds_buffers: self.holds_buffers(&binding.value, class),
            only_unchanged: self.of_type(&binding.value, |t| t.ships) == Some(Ships::Unchanged),
        }
    }

    /// The names whose values hold nothing of a thread, once all threads have ended.
    fn free_of_threads(&self, members: &NameSet, class: &AliasClass) -> NameSet {
        let thread = self.facts.names.get(THREAD);
        let is_threads = class.unshippable.is_some_and(|held| Some(held.type_path) == thread);
        if !is_threads || self.has_running_threads {
            return NameSet::default();
        }
        let heap = &self.frames[0].heap;
        let is_free = |name: &Name| {
            let binding = self.frames[0].layers[0].get(name);
            binding.is_some_and(|bound| bound.value.objects.iter().all(|&object| !heap.leads_to_unshippable(object)))
        };
        members.iter().copied().filter(is_free).collect()
    }

    /// Whether what the statement reads of its own cell is still bound when the cell ends, so that it can be read again.
    fn stands(&self, statement: StatementId) -> bool {
        self.facts.statement(statement).reads.iter().all(|&(name, source)| match source {
            Source::Statement(earlier) if earlier != statement => {
                let bound = self.frames[0].layers[0].get(&name);
                bound.is_some_and(|b| b.statement == earlier && b.replay) && self.stands(earlier)
            }
            _ => true,
        })
    }

    /// Adds the names under which pickle refers to definitions; true when some definition has no name.
    pub(super) fn needed_definitions<'c>(&self, code: impl Iterator<Item = &'c CodeId>, needed: &mut NameSet) -> bool {
        let mut by_value = false;
        for code in code {
            let definition = &self.definitions[code.index()];
            let Some(name) = definition.name else {
                // A generator does not travel; what has been taken from it does not hold it.
                by_value |=
                    !matches!(&definition.kind, DefinitionKind::Function(f) if matches!(f.body, Body::Generator(_)));
                continue;
            };
            let current = self.frames[0].layers[0].get(&name);
            if current.is_some_and(|binding| binding.value.code.contains(code)) {
                needed.insert(name);
            } else {
                by_value = true;
                needed.extend(self.other_name(*code));
            }
        }
        by_value
    }

    /// The first name under which a definition is made again although its own name has been bound anew, or deleted.
    fn other_name(&self, code: CodeId) -> Option<Name> {
        let is_it = |binding: &Binding| {
            matches!(binding.value.ty, Type::Function(own) | Type::Class(own) if own == code)
                && binding.replay
                && !binding.deleted
                && self.is_stateless(&binding.value)
        };
        self.frames[0].layers[0].iter().filter(|(_, binding)| is_it(binding)).map(|(&name, _)| name).min()
    }

    /// Whether no value of another type has a view of its buffers: such a class of a library, or one based on it.
    fn has_own_buffers(&self, value: &Value) -> bool {
        let owns = |path: Name| self.of_named_type(path, |t| t.buffers).is_some();
        match value.ty {
            Type::Instance(path) => owns(path),
            Type::Object(class) => self.library_bases(class).into_iter().any(owns),
            _ => false,
        }
    }

    /// Whether a value of a built-in type, in such a class, is or holds something that may be a view of another buffer, or
    /// have a view of its own.
    fn holds_buffers(&self, value: &Value, class: &AliasClass) -> bool {
        let Type::Instance(path) = value.ty else { return false };
        if matches!(self.facts.text(path), "bytearray" | "memoryview") {
            return true;
        }
        let Some(types) = class.types.known() else { return class.view };
        let may_be_buffer = |ty: &&Type| match ty {
            Type::Instance(path) => {
                let path = self.facts.text(*path);
                path.contains('.')
                    && !path.starts_with("collections.")
                    && self.knowledge.inherited(path, |t| t.buffers).is_none()
                    && self.knowledge.inherited(path, |t| t.flat) == Some(true)
            }
            _ => false,
        };
        let buffers: Vec<Type> = types.iter().filter(may_be_buffer).copied().collect();
        !buffers.is_empty() && self.leads_to(&class.types, value.ty, &buffers)
    }

    /// The type of a library that a class is based on, and that cannot travel.
    fn unshippable_base(&self, class: CodeId) -> Option<Name> {
        if self.pickles_itself(class) {
            return None;
        }
        self.library_bases(class).into_iter().find(|&base| {
            let base = self.facts.text(base);
            let made = self.knowledge.call(base).and_then(|facts| facts.returns.as_deref());
            self.knowledge.ships(made.unwrap_or(base)).is_unshippable()
        })
    }

    /// Whether a class says itself what pickle writes of its instances, and may leave out what cannot travel.
    pub(super) fn pickles_itself(&self, class: CodeId) -> bool {
        ["__getstate__", "__reduce__", "__reduce_ex__"].iter().any(|name| self.method_of(class, name).is_some())
    }

    pub fn kind(&self, value: &Value) -> Kind {
        match value.ty {
            Type::Immutable => Kind::Immutable,
            Type::Library(_) | Type::Function(_) | Type::Class(_) => Kind::Callable,
            Type::Instance(path) => {
                // Of what is made again where it is needed, nobody asks.
                let is_unshippable = self.of_named_type(path, |t| t.ships).is_some_and(Ships::is_unshippable);
                if is_unshippable { Kind::Unshippable(path) } else { Kind::Instance(path) }
            }
            Type::Object(class) => self.unshippable_base(class).map_or(Kind::Unknown, Kind::Unshippable),
            Type::Unknown => Kind::Unknown,
        }
    }
}

/// How the values of an alias group get to other steps.
struct Passage {
    /// Definitions that unpickling them needs.
    needed: NameSet,
    /// Functions and classes of the group are in the pickle: somebody would not find them by their names.
    by_value: bool,
    /// Some value is not made again by its statement.
    shipped: bool,
    /// The type of functions that keep what they have returned.
    cache: Name,
}

/// All members; in a compiler with that fault, each for itself.
fn travelling_together(members: &NameSet) -> Vec<NameSet> {
    match planted(Fault::AliasGroupSplit) {
        true => members.iter().map(|&name| NameSet::of(name)).collect(),
        false => vec![members.clone()],
    }
}
