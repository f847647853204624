//! Interned names: variables, dotted library paths and resources are small integers during the analysis.

use std::cell::OnceCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::knowledge::{Knowledge, TypeFacts};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

#[derive(Default)]
pub struct Names {
    ids: FxHashMap<Rc<str>, Name>,
    texts: Vec<Text>,
}

struct Text {
    text: Rc<str>,
    /// What is known of the type of this name, once somebody asks.
    lineage: OnceCell<Vec<&'static TypeFacts>>,
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.ids.get(text) {
            return name;
        }
        let name = Name(self.texts.len() as u32);
        let text: Rc<str> = text.into();
        self.ids.insert(text.clone(), name);
        self.texts.push(Text { text, lineage: OnceCell::new() });
        name
    }

    pub fn get(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize].text
    }

    /// The library's type of this name, and those that it is based on.
    pub fn lineage(&self, name: Name, knowledge: &'static Knowledge) -> &[&'static TypeFacts] {
        let Text { text, lineage } = &self.texts[name.0 as usize];
        lineage.get_or_init(|| knowledge.lineage(text))
    }

    /// The interned path `base.attribute`.
    pub fn join(&mut self, base: Name, attribute: &str) -> Name {
        let path = format!("{}.{attribute}", self.text(base));
        self.intern(&path)
    }
}

/// The module at the top of a dotted name: `sklearn` of `sklearn.svm`.
pub fn top_level(path: &str) -> &str {
    path.bytes().position(|byte| byte == b'.').map_or(path, |end| &path[..end])
}

/// A map from names that is made once and then only read: of a large alias group, every cell that changes it has some.
#[derive(Clone, Debug)]
pub struct NameMap<V>(Vec<(Name, V)>);

impl<V> NameMap<V> {
    pub fn get(&self, name: &Name) -> Option<&V> {
        let place = self.0.binary_search_by_key(name, |(name, _)| *name).ok()?;
        Some(&self.0[place].1)
    }

    pub fn contains_key(&self, name: &Name) -> bool {
        self.get(name).is_some()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl<V> FromIterator<(Name, V)> for NameMap<V> {
    /// The names must be sorted, each given once.
    fn from_iter<I: IntoIterator<Item = (Name, V)>>(pairs: I) -> NameMap<V> {
        let pairs: Vec<(Name, V)> = pairs.into_iter().collect();
        debug_assert!(pairs.is_sorted_by(|a, b| a.0 < b.0));
        NameMap(pairs)
    }
}

/// A set of names, in order. Most alias groups, and most of what a cell asks for, are a name or two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameSet(SmallVec<[Name; 4]>);

impl NameSet {
    pub fn of(name: Name) -> NameSet {
        NameSet(smallvec![name])
    }

    /// Whether the name is new.
    pub fn insert(&mut self, name: Name) -> bool {
        if self.0.last().is_none_or(|last| *last < name) {
            self.0.push(name);
            return true;
        }
        let place = self.0.binary_search(&name);
        place.map_err(|place| self.0.insert(place, name)).is_err()
    }

    pub fn remove(&mut self, name: &Name) {
        if let Ok(place) = self.0.binary_search(name) {
            self.0.remove(place);
        }
    }

    pub fn retain(&mut self, mut keeps: impl FnMut(&Name) -> bool) {
        self.0.retain(|name| keeps(name));
    }

    pub fn contains(&self, name: &Name) -> bool {
        self.0.binary_search(name).is_ok()
    }

    pub fn is_subset(&self, other: &NameSet) -> bool {
        self.0.iter().all(|name| other.contains(name))
    }

    pub fn is_disjoint(&self, other: &NameSet) -> bool {
        !self.0.iter().any(|name| other.contains(name))
    }

    pub fn first(&self) -> Option<&Name> {
        self.0.first()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Name> {
        self.0.iter()
    }
}

impl Extend<Name> for NameSet {
    fn extend<I: IntoIterator<Item = Name>>(&mut self, names: I) {
        for name in names {
            self.insert(name);
        }
    }
}

impl<'n> Extend<&'n Name> for NameSet {
    fn extend<I: IntoIterator<Item = &'n Name>>(&mut self, names: I) {
        self.extend(names.into_iter().copied());
    }
}

impl FromIterator<Name> for NameSet {
    fn from_iter<I: IntoIterator<Item = Name>>(names: I) -> NameSet {
        let mut names: SmallVec<[Name; 4]> = names.into_iter().collect();
        names.sort();
        names.dedup();
        NameSet(names)
    }
}

impl<'n> IntoIterator for &'n NameSet {
    type Item = &'n Name;
    type IntoIter = std::slice::Iter<'n, Name>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for NameSet {
    type Item = Name;
    type IntoIter = smallvec::IntoIter<[Name; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
