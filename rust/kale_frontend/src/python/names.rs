//! Interned names: variables, dotted library paths and resources are small integers during the analysis.

use rustc_hash::FxHashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

#[derive(Default)]
pub struct Names {
    ids: FxHashMap<String, Name>,
    texts: Vec<String>,
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.ids.get(text) {
            return name;
        }
        let name = Name(self.texts.len() as u32);
        self.ids.insert(text.to_owned(), name);
        self.texts.push(text.to_owned());
        name
    }

    pub fn get(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }

    /// The interned path `base.attribute`.
    pub fn join(&mut self, base: Name, attribute: &str) -> Name {
        let path = format!("{}.{attribute}", self.text(base));
        self.intern(&path)
    }
}

/// The module at the top of a dotted name: `sklearn` of `sklearn.svm`.
pub fn top_level(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
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
